"""Writing: a name stands for a whole, checked file or for what it stood for before, and nothing else is left."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sltpack import files
from sltpack.descriptors import open_regular
from sltpack.errors import FormatError, OutputError, RequestError
from sltpack.files import (
    home_expanded,
    make_folder,
    open_plain,
    refuse_existing,
    refuse_overwriting,
    require_free,
    temporary_prefix,
    write_atomically,
)

NOTHING = "what was there before is as it was; check the folder, its permissions and the free space"
OLD, NEW = b"old", b"new content" * 1000


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(os.listdir(folder))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that is there already."""
    path = tmp_path / "ticket.slt"
    path.write_bytes(OLD)
    return path


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_permission() -> PermissionError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ticket.slt"
    write_atomically(path, NEW)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == ["ticket.slt"]


def test_a_name_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically(Path("ticket.slt"), NEW)
    assert (tmp_path / "ticket.slt").read_bytes() == NEW


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "ticket.slt", NEW)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "ticket.slt").stat().st_mode) == 0o666 & ~mask


def test_an_existing_file_is_refused(old: Path) -> None:
    with pytest.raises(RequestError) as caught:
        write_atomically(old, NEW)
    assert str(caught.value) == (
        f"{old}: expected a name that is free, found a file of that name; choose another name or pass --force"
    )
    assert old.read_bytes() == OLD
    assert names(old.parent) == ["ticket.slt"]


def test_an_existing_file_is_replaced_where_asked(old: Path) -> None:
    write_atomically(old, NEW, force=True)
    assert old.read_bytes() == NEW
    assert names(old.parent) == ["ticket.slt"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_is_never_replaced(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "ticket.slt"
    path.mkdir()
    with pytest.raises(RequestError) as caught:
        write_atomically(path, NEW, force=force)
    assert str(caught.value) == (
        f"{path}: expected a name that is free, found a folder of that name; choose another name"
    )
    assert names(tmp_path) == ["ticket.slt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")
@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_never_replaced(tmp_path: Path, force: bool) -> None:
    # A pipe stands for /dev/null, whose place a forced renaming by root would take.
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(RequestError) as caught:
        write_atomically(path, NEW, force=force)
    assert str(caught.value) == (
        f"{path}: expected a name that is free, found a device of that name; choose another name"
    )
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_refuse_existing_lets_a_free_name_pass(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "ticket.slt")
    with pytest.raises(RequestError):
        refuse_existing(tmp_path)


@pytest.mark.parametrize("force", [False, True])
def test_a_missing_folder(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "none" / "ticket.slt"
    with pytest.raises(OutputError) as caught:
        write_atomically(path, NEW, force=force)
    assert str(caught.value) == (
        f"{path}: expected a place that can be written, found no such file or directory; {NOTHING}"
    )
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_the_folder(old: Path) -> None:
    with pytest.raises(OutputError) as caught:
        write_atomically(old / "ticket.slt", NEW)
    assert caught.value.found == "not a directory"
    assert old.read_bytes() == OLD


@pytest.mark.parametrize("force", [False, True])
def test_a_name_that_is_too_long(tmp_path: Path, force: bool) -> None:
    with pytest.raises(OutputError) as caught:
        write_atomically(tmp_path / ("n" * 300), NEW, force=force)
    assert caught.value.found == "file name too long"
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError) as caught:
        write_atomically(folder / "ticket.slt", NEW)
    assert caught.value.found == "permission denied"


@pytest.mark.parametrize("calls", [("open",), ("link", "replace"), ("fsync",)])
@pytest.mark.parametrize("force", [False, True])
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...], force: bool) -> None:
    path = tmp_path / "ticket.slt"
    if force:
        path.write_bytes(OLD)
    with monkeypatch.context() as patched:
        for call in calls:
            patched.setattr(os, call, raising(no_permission()))
        with pytest.raises(OutputError) as caught:
            write_atomically(path, NEW, force=force)
    assert str(caught.value) == f"{path}: expected a place that can be written, found permission denied; {NOTHING}"
    assert names(tmp_path) == (["ticket.slt"] if force else [])
    assert not force or path.read_bytes() == OLD


class FullDisk(io.FileIO):
    """A file that takes ten bytes and no more."""

    def write(self, data: Any) -> int:
        super().write(bytes(data)[:10])
        raise no_space()


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    path = tmp_path / "ticket.slt"
    if force:
        path.write_bytes(OLD)
    monkeypatch.setattr(files, "open", FullDisk, raising=False)
    with pytest.raises(OutputError) as caught:
        write_atomically(path, NEW, force=force)
    assert str(caught.value) == (
        f"{path}: expected a place that can be written, found no space left on device; {NOTHING}"
    )
    assert names(tmp_path) == (["ticket.slt"] if force else [])
    assert not force or path.read_bytes() == OLD


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_real_limit_of_the_system(tmp_path: Path) -> None:
    """A file may not grow beyond a limit: the nearest to a full disk that a test can have."""
    import resource
    import signal

    path = tmp_path / "ticket.slt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError) as caught:
            write_atomically(path, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.found == "file too large"
    assert names(tmp_path) == []


class Forgetful(io.FileIO):
    """A file that reads back otherwise than it was written."""

    def read(self, size: int | None = -1) -> bytes:
        return (super().read(-1) or b"")[:-1] + b"?"


def test_a_disk_that_forgets(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "open", Forgetful, raising=False)
    with pytest.raises(OutputError) as caught:
        write_atomically(old, NEW, force=True)
    assert str(caught.value) == (
        f"{old}: expected 11000 bytes to read back as they were written, found other bytes; check the disk"
    )
    assert old.read_bytes() == OLD
    assert names(old.parent) == ["ticket.slt"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        FormatError("file", expected="a ticket", found="none", remedy="try again"),
        ZeroDivisionError("an error nobody thought of"),
        KeyboardInterrupt(),
        MemoryError(),
    ],
)
def test_a_check_that_fails(tmp_path: Path, error: BaseException, force: bool) -> None:
    path = tmp_path / "ticket.slt"
    if force:
        path.write_bytes(OLD)
    with pytest.raises(type(error)) as caught:
        write_atomically(path, NEW, force=force, check=raising(error))
    assert caught.value is error
    assert names(tmp_path) == (["ticket.slt"] if force else [])
    assert not force or path.read_bytes() == OLD


def test_the_check_sees_the_whole_file_before_it_has_its_name(old: Path) -> None:
    seen = []

    def check(written: bytes) -> None:
        seen.append((written, old.read_bytes()))
        assert len(names(old.parent)) == 2

    write_atomically(old, NEW, force=True, check=check)
    assert seen == [(NEW, OLD)]
    assert old.read_bytes() == NEW


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ticket.slt"
    with pytest.raises(RequestError):
        write_atomically(path, NEW, check=lambda _: path.write_bytes(OLD) and None)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["ticket.slt"]


def test_links_are_followed_with_force_and_refused_without(old: Path) -> None:
    link, dangling = old.with_name("link"), old.with_name("dangling")
    link.symlink_to(old)
    dangling.symlink_to(old.with_name("nowhere"))
    write_atomically(link, NEW, force=True)
    assert link.is_symlink()
    assert old.read_bytes() == NEW
    with pytest.raises(RequestError) as caught:
        write_atomically(dangling, NEW)
    assert str(caught.value) == (
        f"{dangling}: expected a name that is free, found a link of that name; choose another name"
    )
    assert dangling.is_symlink()


def test_folders_are_made_or_the_reason_is_told(old: Path) -> None:
    make_folder(old.parent / "a" / "b")
    make_folder(old.parent / "a" / "b")
    with pytest.raises(OutputError) as caught:
        make_folder(old)
    assert str(caught.value) == (
        f"{old}: expected a folder, or a place for one, found file exists; choose another name"
    )


def test_a_result_never_overwrites_what_it_is_made_from(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    refuse_overwriting(old.with_name("other"), old)
    for path in (old, link):
        with pytest.raises(RequestError) as caught:
            refuse_overwriting(path, old)
        assert str(caught.value) == (
            f"{path}: expected another file than the one that is read, found the same; choose another name"
        )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="a pipe or device, which is no plain file"):
        open_plain(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_that_comes_after_a_look_is_not_waited_for_either(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for flags in (os.O_RDONLY, os.O_RDWR):
        with pytest.raises(OSError, match="a pipe or device"):
            open_regular(path, flags)


def test_links_are_read_unless_the_name_is_one_of_our_own(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    with open_plain(link) as stream:
        assert stream.read() == OLD
    with pytest.raises(OSError, match="a link"):
        open_plain(link, follow=False)
    with open_plain(old, follow=False) as stream:
        assert stream.read() == OLD


def test_home_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_expanded("~/data", "--data") == tmp_path / "data"
    assert home_expanded("data/~", "--data") == Path("data/~")
    for text in ("~nosuchuser/x", "~nosuchuser"):
        with pytest.raises(RequestError) as caught:
            home_expanded(text, "graph:" + text)
        assert str(caught.value) == (
            f"graph:{text}: expected a home folder for ~, found none; write the path out, or set HOME"
        )


WRITER = """
import sys
from pathlib import Path
from sltpack.errors import RequestError
from sltpack.files import write_atomically

def check(_):
    print("written", flush=True)
    sys.stdin.readline()

try:
    write_atomically(Path(sys.argv[1]), sys.argv[2].encode() * 1000, force=sys.argv[3:] == ["force"], check=check)
except RequestError as error:
    sys.exit(str(error))
"""


def writer(path: Path, text: str, *force: str) -> subprocess.Popen[str]:
    """A process that has written its temporary file, and gives it its name when a line is sent to it."""
    words = [sys.executable, "-c", WRITER, str(path), text, *force]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None and process.stdout.readline() == "written\n"
    return process


def test_of_two_writers_the_second_loses_whichever_began_first(tmp_path: Path) -> None:
    path = tmp_path / "ticket.slt"
    one, other = writer(path, "a"), writer(path, "b")
    assert other.communicate("\n") == ("", "")
    _, told = one.communicate("\n")
    assert (one.returncode, other.returncode) == (1, 0)
    assert (
        told
        == f"{path}: expected a name that is free, found a file of that name; choose another name or pass --force\n"
    )
    assert path.read_bytes() == b"b" * 1000
    assert names(tmp_path) == ["ticket.slt"]


@pytest.mark.parametrize("force", [(), ("force",)])
def test_the_next_writer_clears_what_a_killed_one_left_but_not_a_living_ones(
    tmp_path: Path, force: tuple[str, ...]
) -> None:
    path = tmp_path / "ticket.slt"
    killed, living = writer(path, "a", "force"), writer(path, "b", "force")
    elsewhere = writer(tmp_path / "other.slt", "c")
    for process in (killed, elsewhere):
        process.kill()
        process.communicate()
    left = names(tmp_path)
    assert len(left) == 3 and all(name.endswith(".part") for name in left)
    write_atomically(path, NEW, force=bool(force))
    assert path.read_bytes() == NEW
    prefixes = sorted(name[:18] for name in names(tmp_path) if name.startswith("."))
    assert prefixes == sorted(map(temporary_prefix, ("ticket.slt", "other.slt")))
    assert living.communicate("\n") == ("", "")
    assert path.read_bytes() == b"b" * 1000
    assert [name[:18] for name in names(tmp_path) if name.startswith(".")] == [temporary_prefix("other.slt")]


def test_leftovers_where_there_are_no_locks_go_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "take_lock", lambda _: None)
    fresh, stale = (tmp_path / f"{temporary_prefix('ticket.slt')}{number}.part" for number in "12")
    for path in (fresh, stale):
        path.touch()
    os.utime(stale, (0, 0))
    write_atomically(tmp_path / "ticket.slt", NEW)
    assert names(tmp_path) == sorted([fresh.name, "ticket.slt"])


def test_leftovers_that_are_no_files_are_left_alone(tmp_path: Path) -> None:
    prefix = temporary_prefix("ticket.slt")
    (tmp_path / f"{prefix}link.part").symlink_to(tmp_path / "mine")
    (tmp_path / f"{prefix}folder.part").mkdir()
    (tmp_path / "mine").write_bytes(OLD)
    write_atomically(tmp_path / "ticket.slt", NEW)
    assert len(names(tmp_path)) == 4
    assert (tmp_path / "mine").read_bytes() == OLD


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ticket.slt"
    monkeypatch.setattr(os, "link", raising(OSError(errno.EPERM, os.strerror(errno.EPERM))))
    write_atomically(path, NEW)
    assert path.read_bytes() == NEW
    path.unlink()
    with pytest.raises(RequestError):
        write_atomically(path, NEW, check=lambda _: path.write_bytes(OLD) and None)
    assert path.read_bytes() == OLD
    path.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, NEW)
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_fsync_and_chmod(old: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    for call in ("fsync", "chmod", "chown"):
        monkeypatch.setattr(os, call, raising(OSError(number, os.strerror(number))), raising=False)
    write_atomically(old, NEW, force=True)
    write_atomically(old.with_name("second"), NEW)
    assert old.read_bytes() == old.with_name("second").read_bytes() == NEW


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_what_is_replaced_keeps_its_permissions(old: Path, mode: int) -> None:
    old.chmod(mode)
    seen = []

    def check(_: bytes) -> None:
        seen.extend(stat.S_IMODE(path.stat().st_mode) for path in old.parent.glob("*.part"))

    write_atomically(old, NEW, force=True, check=check)
    assert stat.S_IMODE(old.stat().st_mode) == mode
    assert seen == [0o600]  # nobody else could read it before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_what_is_replaced_keeps_its_owner(old: Path) -> None:
    os.chown(old, 12345, 54321)
    write_atomically(old, NEW, force=True)
    assert (old.stat().st_uid, old.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("force", [False, True])
def test_the_longest_names(tmp_path: Path, force: bool) -> None:
    for length in (240, 241, 255):
        write_atomically(tmp_path / ("n" * length), NEW, force=force)
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_loop_of_links(tmp_path: Path, force: bool) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(RequestError) as caught:
        write_atomically(loop, NEW, force=force)
    assert str(caught.value) == (
        f"{loop}: expected a name that is free, found a link of that name; choose another name"
    )
    with pytest.raises(OutputError, match="too many levels of symbolic links"):
        write_atomically(loop / "x", NEW, force=force)
    require_free(tmp_path / "other", loop, force=False)


def test_the_folder_is_synced_after_the_name_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, sync = [], os.fsync

    def noted(descriptor: int) -> None:
        kinds.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "ticket.slt").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write_atomically(tmp_path / "ticket.slt", NEW)
    assert kinds == [(False, False), (True, True)]
