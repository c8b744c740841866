"""One process at a time in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sltpack.errors import OutputError, RequestError
from sltpack.locks import LOCK, locked, token_of

pytest.importorskip("fcntl", reason="this system has no such locks")

HOLDER = """
import sys
from pathlib import Path
from sltpack.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(RequestError) as caught, locked(tmp_path):
            raise AssertionError("two had the folder")
        assert str(caught.value) == (
            f"{tmp_path}: expected a folder that nothing else works in, found another search, training or sweep at "
            "work there; wait for its end, or choose another folder"
        )
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(RequestError), locked(tmp_path):
            raise AssertionError("two had the folder")
        holder.kill()
    with locked(tmp_path, patience=30):
        pass


def test_a_token_is_another_each_time_and_read_from_anywhere(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        with locked(tmp_path):
            tokens.append(token_of(tmp_path))
    assert len(set(tokens)) == 2
    assert token_of(tmp_path / "none") == ""


def test_no_place_for_a_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(OutputError) as caught, locked(tmp_path):
        raise AssertionError("a folder was locked")
    assert str(caught.value).startswith(f"{tmp_path / LOCK}: expected a place that can be written, found a folder; ")
