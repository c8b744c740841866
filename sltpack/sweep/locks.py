"""One process at a time works in a folder."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError, RequestError, reason

LOCK = ".lock"
"""The file that is locked. It stays where it is: to remove it would let two processes lock a file each."""
_LOOK_EVERY = 0.1
"""Seconds between two attempts."""
_TAKEN = (errno.EAGAIN, errno.EACCES)
"""What the system says where somebody else has the lock; all else says that it has no locks."""


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Has a folder to itself, among all that ask for it like this.

    The lock ends with the process that has it, however that ends. Where the system or the file system has no locks,
    none is taken.

    Args:
        folder: the folder.
        patience: the seconds to wait for whoever has it.

    Raises:
        RequestError: somebody else has it.
        OutputError: nothing can be written there.
    """
    path = folder / LOCK
    try:
        stream = open(path, "ab")  # noqa: SIM115 - closed below; not cut off, as it may be somebody else's
    except OSError as error:
        raise _unwritable(path, error) from error
    with stream:
        until = time.monotonic() + patience
        while not _takes(stream):
            if time.monotonic() >= until:
                raise RequestError(
                    folder,
                    expected="a folder that nothing else works in",
                    found="another sweep or run at work there",
                    remedy="wait for its end, or choose another folder",
                )
            time.sleep(_LOOK_EVERY)
        try:
            stream.truncate(0)
            stream.write(secrets.token_hex(16).encode())
            stream.flush()
            os.fsync(stream.fileno())  # other machines see it from now on
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def token_of(folder: Path) -> str:
    """Gives what whoever locked a folder last left in it, other each time: who reads the same sees the same folder.

    Args:
        folder: the folder.

    Returns:
        The token; empty where there is none.
    """
    try:
        return (folder / LOCK).read_text("ascii")
    except (OSError, ValueError):
        return ""


def _takes(stream: BinaryIO) -> bool:
    """Takes the lock, unless somebody else has it."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        path,
        expected="a place that can be written",
        found=reason(error),
        remedy="check the folder, its permissions and the free space",
    )
