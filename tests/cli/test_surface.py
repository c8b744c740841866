"""What a user meets first: lists of names, the Tab key, misspelt words, names that a file has too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sltpack import bundled, data
from sltpack.checkpoints.records import Checkpoint
from sltpack.errors import closest
from sltpack.models import MODELS
from sltpack.searching.presets import PRESETS, of_preset, of_recipe
from sltpack.sweep.plan import bundled as plans
from sltpack_cli import options, pack
from sltpack_cli.main import cli

TICKET = "gin-cora"


def sltpack(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result


def offered(words: str) -> list[str]:
    """What the Tab key offers after some words, as bash asks for it."""
    told = {**os.environ, "_SLTPACK_COMPLETE": "bash_complete", "COMP_WORDS": words}
    told["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    code = "from sltpack_cli.main import cli; cli(prog_name='sltpack')"
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_names_that_are_known_before_torch_is() -> None:
    assert set(options.MODELS) == set(MODELS)
    from sltpack.searching.run_folder import BEST

    assert pack.BEST == BEST


def test_list() -> None:
    told = json.loads(sltpack("list", "--json").stdout)
    assert told["tickets"] == list(bundled.names())
    assert told["models"] == list(options.MODELS)
    assert told["data"] == list(data.NAMES)
    assert told["presets"] == list(PRESETS)
    assert told["plans"] == list(plans.names())
    shown = sltpack("list").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for names in told.values():
        assert all(name in shown for name in names)


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ("sltpack ver", ["plain,verify"]),
        ("sltpack info gin", ["plain,gin-cora", "file,gin"]),
        ("sltpack pack run", ["file,run"]),
        ("sltpack search --model conv6 --data ci", ["plain,cifar10", "plain,cifar100", "plain,citeseer"]),
        ("sltpack search --model imagenet-resnet3", ["plain,imagenet-resnet34"]),
        ("sltpack search --init s", ["plain,skc"]),
        ("sltpack sweep paper:table-", ["plain,paper:table-small"]),
    ],
)
def test_the_tab_key(words: str, some: list[str]) -> None:
    assert offered(words) == some


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("serch",), "Did you mean 'search'? Help: sltpack --help"),
        (("search", "--init", "kuu"), "Did you mean ku? Help: sltpack search --help"),
        (("train", "--model", "con6", "--data", "digits"), "found 'con6'; did you mean conv6?"),
        (("train", "--model", "conv6", "--data", "cifr10"), "found cifr10; did you mean cifar10?"),
        (("sweep", "paper:tabel", "--dry-run"), "found none of that name; did you mean paper:table?"),
        (("info", "conv6cifar10"), "found no such file or directory; did you mean conv6-cifar10?"),
        (("search", "--sparsty", "1"), "Help: sltpack search --help"),
    ],
)
def test_what_was_meant(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    output = ["-o", tmp_path / "run"] if words[0] == "train" else []
    (found,) = sltpack(*words, *output, status=2).stderr.splitlines()
    assert found.startswith("Error: ")
    assert found.replace("Did you mean search?", "Did you mean 'search'?").endswith(line)


def test_names_in_the_library() -> None:
    assert closest("Cifar_10", data.NAMES) == "did you mean cifar10?"
    assert closest("something else", data.NAMES) is None
    for call in (lambda: of_preset("frozen-sck", {}), lambda: of_recipe("shrt", "search", {})):
        with pytest.raises(Exception, match=r"did you mean (frozen-skc|short)\?$"):
            call()


def test_the_name_of_a_ticket_stands_for_it_whatever_a_file_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(TICKET).write_bytes(b"mine")
    shown = sltpack("verify", TICKET)
    assert shown.stdout.startswith(f"{TICKET}: ok\n")
    assert shown.stderr == (
        f"note: {TICKET} is the ticket that comes with sltpack; the file of that name is .{os.sep}{TICKET}\n"
    )
    assert sltpack("verify", f".{os.sep}{TICKET}", status=1).stderr.startswith(f"Error: {TICKET}: expected")


def test_pack_takes_the_folder_of_a_run(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    paths = tmp_path / "a.slt", tmp_path / "b.slt"
    for given, path in zip((run[0], run[0] / pack.BEST), paths, strict=True):
        sltpack("pack", given, "-o", path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    line = sltpack("pack", tmp_path, "-o", tmp_path / "c.slt", status=2).stderr
    assert line.startswith(f"Error: {tmp_path / pack.BEST}: expected")


def test_verify_names_the_file_in_every_error(tmp_path: Path) -> None:
    content = bytearray(bundled.locate(TICKET).read_bytes())
    path = tmp_path / "a.slt"
    for at in (0, 20, 200, len(content) // 2, len(content) - 1):
        content[at] ^= 1
        path.write_bytes(content)
        content[at] ^= 1
        assert sltpack("verify", path, status=1).stderr.startswith(f"Error: {path}: ")
        told = json.loads(sltpack("verify", path, "--json", status=1).stdout)
        assert told["error"].startswith(f"{path}: ")
