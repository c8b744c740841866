"""Reading plain files, and writing so that a final name only ever stands for a whole, checked file."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .descriptors import open_regular, sync, take_lock
from .errors import OutputError, RequestError, reason
from .limits import FILE_NAME_BYTES

TEMPORARY = ".part"
"""How the name of a file ends that is not yet whole; in front stands what `temporary_prefix` returns."""
_STALE = 86_400.0
"""Seconds after which a temporary file counts as left behind where the file system has no locks that tell."""


def refuse_existing(path: Path) -> None:
    """Refuse to go on where something is in the way.

    Args:
        path: the name that is wanted.

    Raises:
        RequestError: the name is taken, if only by a link to nowhere.
    """
    if os.path.lexists(path):
        is_file, is_folder = os.path.isfile(path), os.path.isdir(path)
        kind = "link" if not os.path.exists(path) else "file" if is_file else "folder" if is_folder else "device"
        raise RequestError(
            path,
            expected="a name that is free",
            found=f"a {kind} of that name",
            remedy="choose another name or pass --force" if kind == "file" else "choose another name",
        )


def refuse_overwriting(path: Path, source: Path) -> None:
    """Refuse to write a result over what it is made from, whatever was allowed.

    Args:
        path: of the result.
        source: what is read for it.

    Raises:
        RequestError: they are one file.
    """
    if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise RequestError(
            path, expected="another file than the one that is read", found="the same", remedy="choose another name"
        )


def require_free(path: Path, source: Path, *, force: bool) -> None:
    """Make sure, before the work is done, that its result may be written.

    Args:
        path: of the result.
        source: what is read for it; it is never written over.
        force: whether another existing file may be replaced.

    Raises:
        RequestError: the name is taken, or is that of the source.
    """
    refuse_overwriting(path, source)
    if not force:
        refuse_existing(path)


def require_place(path: Path, *, force: bool) -> None:
    """Make sure, before the work is done, that a file can be written at a place.

    Args:
        path: the file that is to be written.
        force: whether an existing file may be replaced.

    Raises:
        RequestError: the name is taken, or is that of a folder or device.
        OutputError: its folder is missing or cannot be written, or its name is longer than file systems take.
    """
    if not force or (os.path.lexists(path) and not os.path.isfile(path)):
        refuse_existing(path)
    size = len(os.fsencode(path.name))
    folder_mode = 0
    found = ""
    if size > FILE_NAME_BYTES:
        found = f"a name of {size} bytes, of which {FILE_NAME_BYTES} are possible"
    else:
        try:
            folder_mode = os.stat(path.parent).st_mode
        except OSError as error:
            found = f"{path.parent}: {reason(error)}"
    if not found and not stat.S_ISDIR(folder_mode):
        found = f"{path.parent}, which is no folder"
    if not found and not os.access(path.parent, os.W_OK | os.X_OK):
        found = f"{path.parent}, which cannot be written"
    if found:
        raise OutputError(
            path, expected="a place that can be written", found=found, remedy="choose another place, or make the folder"
        )


def open_plain(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a file to read, and nothing that only looks like one: a pipe could make the reader wait for ever.

    Args:
        path: the file.
        follow: whether it may be a link to a file.

    Returns:
        The open file.

    Raises:
        OSError: there is none, or it cannot be read, or it is a folder, a pipe, a device or a link.
    """
    return open(open_regular(path, follow=follow), "rb")


def home_expanded(path: str | os.PathLike[str], where: object) -> Path:
    """Return a path with `~` and `~user` at its beginning replaced by the home folder.

    Args:
        path: any path.
        where: what to name in an error, such as the option that the path comes from.

    Raises:
        RequestError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RequestError(
            where, expected="a home folder for ~", found="none", remedy="write the path out, or set HOME"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Args:
        path: the folder.

    Raises:
        OutputError: the operating system refused it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            path, expected="a folder, or a place for one", found=reason(error), remedy="choose another name"
        ) from error


def temporary_prefix(name: str) -> str:
    """Return how the names of temporary files begin: short, and the same for every writer of one final name.

    Args:
        name: the final name, without its folder; of any length that the file system takes.
    """
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}."


def write_atomically(
    path: Path, data: bytes, *, force: bool = False, check: Callable[[bytes], None] | None = None
) -> None:
    """Write a file under a temporary name beside its place, read it back, and only then give it its name.

    Of two that write one name at the same moment without `force`, the second fails. What a killed writer of this name
    left behind is removed.

    Args:
        path: the final name; with `force`, a link is followed.
        data: the bytes of the whole file.
        force: whether an existing file of that name is replaced; the new one keeps its permissions, and its owner where
            the system allows it.
        check: called with the bytes that were read back; what it raises stops the writing.

    Raises:
        RequestError: the file exists and `force` is not set, or the name is a folder's or a device's.
        OutputError: the folder is missing or cannot be written, the disk is full, or the file reads back otherwise;
            nothing is left behind.
    """
    try:
        final = Path(os.path.realpath(path)) if force else path
        # The renaming would put a file in the place of a device, such as /dev/null, too.
        replaced = os.stat(final) if force and os.path.isfile(final) else None
        if replaced is None:
            refuse_existing(final)
        _clear_leftovers(final)
        temporary, descriptor = _open_temporary(final, 0o666 if replaced is None else 0o600)
        try:
            with open(descriptor, "w+b") as stream:
                stream.write(data)
                stream.flush()
                sync(stream.fileno())
                stream.seek(0)
                written = stream.read()
                if written != data:
                    raise OutputError(
                        path,
                        expected=f"{len(data)} bytes to read back as they were written",
                        found="other bytes",
                        remedy="check the disk",
                    )
                if check is not None:
                    check(written)
                if replaced is not None:
                    _keep_rights(temporary, replaced)
                if os.name == "nt":
                    stream.close()  # there, an open file cannot be renamed; elsewhere it keeps its lock until it is
                _give_name(temporary, final, force=force)
        finally:
            with suppress(OSError):
                temporary.unlink()
        _sync_folder(final.parent)
    except OSError as error:
        raise OutputError(
            path,
            expected="a place that can be written",
            found=reason(error),
            remedy="what was there before is as it was; check the folder, its permissions and the free space",
        ) from error


def _open_temporary(final: Path, mode: int) -> tuple[Path, int]:
    """Open a new temporary file, and lock it for as long as it is open, so that others see that its writer lives."""
    while True:
        temporary = final.with_name(temporary_prefix(final.name) + secrets.token_hex(4) + TEMPORARY)
        descriptor = open_regular(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, follow=False, mode=mode)
        # Another writer may have taken it for a leftover before it was locked.
        if take_lock(descriptor) is not False and os.path.lexists(temporary):
            return temporary, descriptor
        os.close(descriptor)


def _clear_leftovers(final: Path) -> None:
    """Remove the temporary files of this name whose writers were killed."""
    with suppress(OSError):
        prefix = temporary_prefix(final.name)
        for name in os.listdir(final.parent):
            if name.startswith(prefix) and name.endswith(TEMPORARY):
                with suppress(OSError):
                    _remove_leftover(final.with_name(name))


def _remove_leftover(path: Path) -> None:
    if os.name == "nt":
        path.unlink()  # which fails there for as long as its writer has it open
        return
    descriptor = open_regular(path, os.O_RDWR, follow=False)
    try:
        is_free = take_lock(descriptor)
        if is_free is None:
            is_free = time.time() - os.fstat(descriptor).st_mtime > _STALE
        if is_free:
            path.unlink()
    finally:
        os.close(descriptor)


def _give_name(temporary: Path, final: Path, *, force: bool) -> None:
    """Rename a file; without `force`, only if the name is free at that very moment."""
    if force:
        os.replace(temporary, final)
        return
    try:
        os.link(temporary, final)
    except FileExistsError:
        refuse_existing(final)  # it came while this one was written
        raise
    except OSError:  # a file system without links: an empty file keeps the place
        _take_place(temporary, final)


def _take_place(temporary: Path, final: Path) -> None:
    try:
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        refuse_existing(final)
        raise
    try:
        os.replace(temporary, final)
    except BaseException:
        with suppress(OSError):
            final.unlink()
        raise


def _keep_rights(temporary: Path, replaced: os.stat_result) -> None:
    """Give a new file the owner and the permissions of the one that it replaces, as far as the system allows it."""
    mine = os.stat(temporary)
    if hasattr(os, "chown") and (mine.st_uid, mine.st_gid) != (replaced.st_uid, replaced.st_gid):
        with suppress(OSError):
            os.chown(temporary, replaced.st_uid, replaced.st_gid)
    with suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(replaced.st_mode))


def _sync_folder(folder: Path) -> None:
    """Have the new name, too, outlive a loss of power, where a system can sync folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
