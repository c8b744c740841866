"""The wheel has every file of the packages, under the right names, and nothing else."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import sltpack

ROOT = Path(__file__).parents[1]
FOLDERS = {"sltpack": "sltpack", "sltpack_cli": "cli"}
"""Packages and the folders that they are in."""
INPUTS = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE", *FOLDERS.values())
"""All that a wheel is made from."""
SUFFIXES = {".py", ".typed", ".npz", ".slt", ".toml", ".mjs", ".html", ".css"}

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
"""What pip and build do, in the surroundings of this process: no network, no environment of its own."""


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def files_of_the_tree() -> set[str]:
    """The files of the packages, by the names that they are installed under."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built in a copy so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("build")
    copy = folder / "tree"
    copy.mkdir()
    for name in INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


def test_every_package_is_listed_and_every_listed_one_exists() -> None:
    names = {PurePosixPath(name) for name in files_of_the_tree()}
    packages = {".".join(path.parent.parts) for path in names if path.name == "__init__.py"}
    listed = settings()["options"]["packages"].split()
    assert len(set(listed)) == len(listed)
    assert set(listed) == packages
    # A folder with modules but without __init__.py would be in no list.
    assert packages == {".".join(path.parent.parts) for path in names if path.suffix == ".py"}


def test_packages_lie_where_this_test_looks_for_them() -> None:
    lines = settings()["options"]["package_dir"].strip().splitlines()
    assert dict(line.split(" = ") for line in lines) == FOLDERS


def test_there_are_no_files_of_kinds_that_nobody_thought_of() -> None:
    assert {PurePosixPath(name).suffix for name in files_of_the_tree()} - {""} <= SUFFIXES
    assert {"sltpack/py.typed", "sltpack_cli/py.typed", "sltpack/data/images/digits.npz"} <= files_of_the_tree()


def test_the_wheel_has_the_files_of_the_tree_and_no_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        held = {name for name in names if ".dist-info/" not in name}
        for name in held:
            package, _, inner = name.partition("/")
            assert archive.read(name) == (ROOT / FOLDERS[package] / inner).read_bytes()
    assert len(set(names)) == len(names)
    assert held == files_of_the_tree()
    assert not any(name.startswith("cli/") for name in names)


def test_what_the_wheel_says_of_itself(wheel: Path) -> None:
    information = f"sltpack-{sltpack.__version__}.dist-info"
    assert wheel.name == f"sltpack-{sltpack.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(f"{information}/entry_points.txt").decode())
        metadata = archive.read(f"{information}/METADATA").decode()
        assert archive.read(f"{information}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert set(archive.read(f"{information}/top_level.txt").decode().split()) == set(FOLDERS)
    assert {name: dict(entries[name]) for name in entries.sections()} == {
        "console_scripts": {"sltpack": "sltpack_cli.main:cli"}
    }
    assert metadata.endswith((ROOT / "README.md").read_text("utf-8").strip() + "\n")


def test_what_is_installed_runs_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # The folder comes before that of an editable installation.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import importlib.util, sltpack_cli.main, sltpack\n"
        "print(sltpack.__file__, sltpack_cli.main.__file__, importlib.util.find_spec('cli'))\n"
        "sltpack_cli.main.cli(['--version'], prog_name='sltpack')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    site = tmp_path / "site"
    assert done.stdout.splitlines() == [
        f"{site / 'sltpack' / '__init__.py'} {site / 'sltpack_cli' / 'main.py'} None",
        f"sltpack, version {sltpack.__version__}",
    ], done.stderr
