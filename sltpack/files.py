"""Writing a file so that its final name only ever stands for a whole, checked file."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError, RequestError, reason
from .limits import FILE_NAME_BYTES

TEMPORARY = ".part"
"""How the name of a file ends that is not yet whole; in front stand a dot and the final name."""


def refuse_existing(path: Path) -> None:
    """Refuses to go on where something is in the way.

    Args:
        path: the name that is wanted.

    Raises:
        RequestError: the name is taken, if only by a link to nowhere.
    """
    if os.path.lexists(path):
        kind = "link" if not path.exists() else "file" if path.is_file() else "folder" if path.is_dir() else "device"
        raise RequestError(
            path,
            expected="a name that is free",
            found=f"a {kind} of that name",
            remedy="choose another name or pass --force" if kind == "file" else "choose another name",
        )


def refuse_overwriting(path: Path, source: Path) -> None:
    """Refuses to write a result over what it is made from, whatever was allowed.

    Args:
        path: of the result.
        source: what is read for it.

    Raises:
        RequestError: they are one file.
    """
    if path.exists() and source.exists() and path.samefile(source):
        raise RequestError(
            path, expected="another file than the one that is read", found="the same", remedy="choose another name"
        )


def require_free(path: Path, source: Path, *, force: bool) -> None:
    """Makes sure, before the work is done, that its result may be written.

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


def open_plain(path: Path) -> BinaryIO:
    """Opens a file to read, and nothing that only looks like one: a pipe could make the reader wait for ever.

    Args:
        path: the file.

    Returns:
        The open file.

    Raises:
        OSError: there is none, or it cannot be read, or it is a folder, a pipe or a device.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "a pipe or device, which is no plain file", str(path))
    return open(path, "rb")


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, unless it is there.

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


def write_atomically(
    path: Path, data: bytes, *, force: bool = False, check: Callable[[bytes], None] | None = None
) -> None:
    """Writes a file under a temporary name beside its place, reads it back, and only then gives it its name.

    Args:
        path: the final name; with `force`, a link is followed.
        data: the bytes of the whole file.
        force: whether an existing file of that name is replaced.
        check: called with the bytes that were read back; what it raises stops the writing.

    Raises:
        RequestError: the file exists and `force` is not set, or the name is a folder's or a device's.
        OutputError: the folder is missing or cannot be written, the disk is full, or the file reads back otherwise;
            nothing is left behind.
    """
    try:
        final = path.resolve() if force else path
        # The renaming would put a file in the place of a device, such as /dev/null, too.
        if not force or not final.is_file():
            refuse_existing(final)
        handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.", suffix=TEMPORARY)
        temporary = Path(name)
        try:
            with open(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            written = temporary.read_bytes()
            if written != data:
                raise OutputError(
                    path,
                    expected=f"{len(data)} bytes to read back as they were written",
                    found="other bytes",
                    remedy="check the disk",
                )
            if check is not None:
                check(written)
            os.chmod(temporary, 0o666 & ~_umask())
            if not force:
                refuse_existing(final)  # it may have come while the check ran
            os.replace(temporary, final)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            path,
            expected="a place that can be written",
            found=reason(error),
            remedy="what was there before is as it was; check the folder, its permissions and the free space",
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
