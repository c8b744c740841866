"""One process at a time in a folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sltpack import locks
from sltpack.errors import OutputError, RequestError
from sltpack.locks import LOCK, locked, token_of, wait_until_free

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


@pytest.mark.parametrize("text", [b"precious", b"0" * 33, b"# a lock of another program\n"])
def test_a_lock_that_is_another_name_of_a_file_does_not_empty_it(tmp_path: Path, text: bytes) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(text)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / LOCK).symlink_to(mine)
    with pytest.raises(OutputError) as unwritable, locked(tmp_path / "link"):
        raise AssertionError("a link was locked")
    assert str(unwritable.value).startswith(
        f"{tmp_path / 'link' / LOCK}: expected a place that can be written, found a link; "
    )
    (tmp_path / "hard").mkdir()
    os.link(mine, tmp_path / "hard" / LOCK)
    with pytest.raises(RequestError) as caught, locked(tmp_path / "hard"):
        raise AssertionError("somebody's file was locked")
    assert str(caught.value) == (
        f"{tmp_path / 'hard' / LOCK}: expected a lock file, found a file of another kind; "
        "remove it, or choose another folder"
    )
    assert mine.read_bytes() == text
    assert token_of(tmp_path / "link") == token_of(tmp_path / "hard") == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOCK)
    with pytest.raises(OutputError, match="a pipe or device"), locked(tmp_path):
        raise AssertionError("a pipe was locked")
    assert token_of(tmp_path) == ""


def test_where_there_are_no_locks_none_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock.lock_descriptor", refuse)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_waiting_for_a_folder(tmp_path: Path) -> None:
    wait_until_free(tmp_path, 0)
    with locked(tmp_path), pytest.raises(RequestError):
        wait_until_free(tmp_path, 0.2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such processes on this system")
def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = HOLDER.replace(
        "    sys.stdin",
        "    if not os.fork():\n        print('forked', flush=True)\n        time.sleep(60)\n    sys.stdin",
    )
    words = [sys.executable, "-c", "import os, time\n" + script, str(tmp_path)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        assert holder.stdout.readline() == b"forked\n"
        holder.kill()
        holder.wait()
        wait_until_free(tmp_path, 30)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.stdin.close()
        holder.stdout.close()
    assert not locks._HELD


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_fsync_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with locked(tmp_path):
        assert token_of(tmp_path)
