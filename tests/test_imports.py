"""Imports run downwards only, and a command starts no more than it needs.

What the sources say is read from them; what really happens is seen in a process of its own.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sltpack
from sltpack.format.records import ModelSpec, Ratios, Seeds
from sltpack.source.network import make_source
from sltpack.tickets.storage import save
from sltpack.tickets.ticket import Ticket

BASE = ("errors", "limits", "stopping", "descriptors", "locks", "files", "launch", "bundled", "format")
"""These know the standard library alone, so that `sltpack info` answers at once."""
NUMERIC = ("source", "supermask", "tickets", "charts", "theory", "pickles")
"""These know numpy and bitarray too."""
RUNNING = ("progress", "models", "data", "export", "checkpoints", "inference", "searching", "sweep", "report")
"""These know torch."""
ORDER = BASE + NUMERIC + RUNNING
"""The rooms of sltpack: each imports only from those before it."""
PLAIN = {"searching.presets", "searching.batches", "data.sources"}
"""The modules of a later room that know the standard library alone, since the commands' help needs them."""
TORCHLESS = {"export.weights", "export", "checkpoints.packing"}
"""The modules of a later room that know no torch."""

PACKAGE = Path(sltpack.__file__).parent


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _modules(package: str) -> dict[str, Path]:
    """The package's modules by dotted name."""
    folder = _folder(package)
    found = {}
    for path in sorted(folder.rglob("*.py")):
        inner = path.relative_to(folder).with_suffix("").parts
        found[".".join((package, *inner)).removesuffix(".__init__")] = path
    return found


def _statements(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: no function bodies, nothing under TYPE_CHECKING."""
    for node in nodes:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            blocks = [node.orelse]
        for inner in (*blocks, *(handler.body for handler in getattr(node, "handlers", []))):
            yield from _statements(inner)


def imports_of(source: str, name: str, is_package: bool) -> set[str]:
    """The dotted names that a module imports when it is imported, relative ones resolved.

    `from a import b` counts as `a.b`, since b may be a module.
    """
    package = name if is_package else name.rpartition(".")[0]
    found = set()
    for node in _statements(ast.parse(source).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def _imports(package: str) -> dict[str, set[str]]:
    return {
        name: imports_of(path.read_text("utf-8"), name, path.name == "__init__.py")
        for name, path in _modules(package).items()
    }


def _room(name: str) -> str:
    """The room of a dotted name within sltpack: "sltpack.data.images.in_memory" is in "data"."""
    return name.split(".")[1]


def is_plain(name: str) -> bool:
    """Whether a module, or a name in one, is known to need the standard library alone."""
    inner = name.removeprefix("sltpack.")
    return _room(name) in BASE or any(inner == plain or inner.startswith(f"{plain}.") for plain in PLAIN)


def is_torchless(name: str) -> bool:
    """Whether a module is known to need no torch."""
    return is_plain(name) or _room(name) in NUMERIC or name.removeprefix("sltpack.") in TORCHLESS


LIBRARY = _imports("sltpack")
COMMANDS = _imports("sltpack_cli")
ROOMS = {name: found for name, found in LIBRARY.items() if name not in ("sltpack", "sltpack.__main__")}


def test_the_reading_of_imports_itself() -> None:
    source = """
import a, b.c as d
from typing import TYPE_CHECKING
from . import near
from ..far import thing
if TYPE_CHECKING:
    import never
else:
    import otherwise
try:
    import tried
except ImportError:
    import instead
class Kind:
    import within
    def method(self):
        import later
def function():
    import later
"""
    always = {"a", "b.c", "typing.TYPE_CHECKING", "otherwise", "tried", "instead", "within"}
    assert imports_of(source, "top.sub.module", False) == always | {"top.sub.near", "top.far.thing"}
    assert imports_of(source, "top.sub", True) == always | {"top.sub.near", "top.far.thing"}


def test_every_room_has_its_place_in_the_order() -> None:
    assert {_room(name) for name in ROOMS} == set(ORDER)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_from_rooms_before_it(name: str) -> None:
    own = ORDER.index(_room(name))
    for imported in LIBRARY[name]:
        top, _, rest = imported.partition(".")
        assert top not in ("sltpack_cli", "cli"), f"{name} imports {imported}"
        if top == "sltpack" and rest != "__version__":
            room = _room(imported)
            assert room in ORDER, f"{name} imports {imported}"
            inside = room == _room(name) and (PACKAGE / room).is_dir()
            assert inside or ORDER.index(room) < own, f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in ROOMS if is_torchless(name)])
def test_what_the_rooms_above_torch_know(name: str) -> None:
    known = {*sys.stdlib_module_names, "sltpack"}
    if not is_plain(name):
        known |= {"numpy", "bitarray"}
    assert {imported.partition(".")[0] for imported in LIBRARY[name]} <= known


def test_the_face_of_the_package_imports_no_room() -> None:
    assert {imported.partition(".")[0] for imported in LIBRARY["sltpack"]} <= sys.stdlib_module_names
    assert LIBRARY["sltpack.__main__"] == {"os", "sys", "contextlib.suppress", "sltpack_cli.main.cli"}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_commands_import_before_they_run(name: str) -> None:
    # The drawing is imported by a command when it draws.
    known = {*sys.stdlib_module_names, "click"} | ({"rich"} if name.startswith("sltpack_cli.output") else set())
    for imported in COMMANDS[name]:
        top = imported.partition(".")[0]
        if top == "sltpack":
            draws = name.startswith("sltpack_cli.output") and imported.startswith("sltpack.progress")
            assert imported == "sltpack.__version__" or is_plain(imported) or draws, f"{name} imports {imported}"
        elif top == "sltpack_cli":
            assert name.startswith("sltpack_cli.output") or not imported.startswith("sltpack_cli.output"), name
        else:
            assert top in known, f"{name} imports {imported}"


def test_no_module_bears_the_name_of_a_public_thing() -> None:
    names = {module.name.rpartition(".")[2] for module in pkgutil.walk_packages([str(PACKAGE)], "sltpack.")}
    assert len(names) > 20
    assert names.isdisjoint(sltpack.__all__)


# What really happens.

PROBE = """
import json, sys
if sys.argv[1:]:
    from sltpack_cli.main import cli
    sys.argv[0] = "sltpack"
    try:
        cli()
    except SystemExit as end:
        assert not end.code, end.code
else:
    import sltpack
print(json.dumps([name for name in ("numpy", "torch", "rich", "bitarray") if name in sys.modules]), file=sys.stderr)
"""


def started(folder: Path, *words: str) -> set[str]:
    """The libraries that a process has started by the end of a command (without words, of `import sltpack`)."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert bool(ended.stdout) == bool(words)
    return set(json.loads(ended.stderr))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ticket file, tiny.slt."""
    folder = tmp_path_factory.mktemp("ticket")
    shapes = {"conv": (4, 3, 3, 3), "linear": (10, 4)}
    source = make_source(ModelSpec("test:tiny", {}), shapes, "skc", "layer", Seeds(1, 2), Ratios("epl", 0.25, 0.25))
    masks = [np.arange(layer.searched) % 2 == 0 for layer in source.layers]
    save(Ticket.create(source, masks, {}, {}), folder / "tiny.slt")
    return folder


def test_importing_sltpack_starts_no_library(folder: Path) -> None:
    assert started(folder) == set()


def test_info_starts_neither_numpy_nor_torch(folder: Path) -> None:
    assert started(folder, "info", "tiny.slt") == {"rich"}
    assert started(folder, "info", "tiny.slt", "--layers") == {"rich"}
    assert started(folder, "info", "tiny.slt", "--json") == set()


def test_the_working_folder_lends_no_module(tmp_path: Path) -> None:
    """With `python -m` too; what Python itself imports before it begins, such as types.py, is beyond reach."""
    for name in ("random", "numpy", "click", "sltpack_cli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    command = [sys.executable, "-m", "sltpack", "verify", "conv6-cifar10"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_help_starts_no_library(folder: Path) -> None:
    assert started(folder, "--help") == set()
    assert started(folder, "search", "--help") == set()


def test_verify_starts_numpy_but_not_torch(folder: Path) -> None:
    # Also the proof that the probe can see a library at all.
    assert started(folder, "verify", "tiny.slt") == {"numpy", "bitarray"}


def test_unpack_to_safetensors_does_not_start_torch(folder: Path) -> None:
    assert "torch" not in started(folder, "unpack", "tiny.slt", "-o", "weights.safetensors")
    assert "torch" in started(folder, "unpack", "tiny.slt", "-o", "weights.pt", "--format", "torch")
