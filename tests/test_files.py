"""Writing: a name stands for a whole, checked file or for what it stood for before, and nothing else is left."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sltpack import files
from sltpack.errors import FormatError, OutputError, RequestError
from sltpack.files import make_folder, open_plain, refuse_existing, refuse_overwriting, write_atomically

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


@pytest.mark.parametrize(("module", "call"), [(tempfile, "mkstemp"), (os, "replace"), (os, "chmod"), (os, "fsync")])
@pytest.mark.parametrize("force", [False, True])
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, call: str, force: bool) -> None:
    path = tmp_path / "ticket.slt"
    if force:
        path.write_bytes(OLD)
    monkeypatch.setattr(module, call, raising(no_permission()))
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


def test_a_disk_that_forgets(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda _: NEW[:-1] + b"?")
    with pytest.raises(OutputError) as caught:
        write_atomically(old, NEW, force=True)
    monkeypatch.undo()
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
