"""What is drawn reaches any standard output: of another encoding, narrow, or closed too early."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sltpack import save
from sltpack.checkpoints.records import Checkpoint
from sltpack.searching.run_folder import BEST

COMMAND = [sys.executable, "-c", "from sltpack_cli.main import cli; cli()"]


@pytest.fixture(scope="module")
def packed(run: tuple[Path, Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "m\u00e9.slt"
    save(replace(run[1].ticket(), about={"note": "\u2713"}), path)
    return path


def printed(encoding: str, *words: object) -> str:
    ended = subprocess.run(
        [*COMMAND, *map(str, words)],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "40"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_another_encoding(encoding: str, packed: Path, run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    shown = printed(encoding, "info", packed, "--layers")
    assert "25.0 %  #######\n" in shown
    assert "note \\u2713\n" in shown
    packing = printed(encoding, "pack", run[0] / BEST, "-o", tmp_path / "\u2713.slt")
    assert "\\u2713.slt  " in packing
    assert "  #####" in packing


def test_blocks_where_they_can_be_written(packed: Path) -> None:
    shown = printed("utf-8", "info", packed, "--layers")
    assert "25.0 %  \u2588\u2588\u2588\u2588\u2588\u2588\u2588\n" in shown
    assert "\u2713" in shown and "\\u2713" not in shown
    assert "\u2026" not in shown  # no column is cut
    assert "weights  pruned  locked  searched   kept  entropy  written\n" in shown


def test_a_reader_that_leaves_early(packed: Path) -> None:
    """As `head` does: no traceback, and the status that a shell has for it."""
    for words in (["info", str(packed)], ["info", str(packed), "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing) as closed:
            ended = subprocess.run([*COMMAND, *words], stdout=closed, stderr=subprocess.PIPE, check=False)
        assert (ended.returncode, ended.stderr) == (141, b"")
