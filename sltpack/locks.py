"""One process at a time works in a folder."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .descriptors import open_regular, sync, take_lock
from .errors import OutputError, RequestError, reason

LOCK = ".lock"
"""The file that is locked. It stays where it is: to remove it would let two processes lock a file each."""
_LOOK_EVERY = 0.1
"""Seconds between two attempts."""
_HELD: set[int] = set()
"""The descriptors of this process's locks; a process forked from it must not keep them when this one is killed."""
_TOKEN = re.compile(rb"[0-9a-f]{0,32}")
"""All that a lock file ever holds; a file with anything else in it is somebody's own."""


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Have a folder to itself, among all that ask for it like this, in this process too.

    The lock ends with the process that has it, however that ends. Where the system or the file system has no locks,
    none is taken.

    Args:
        folder: the folder.
        patience: the seconds to wait for whoever has it.

    Raises:
        RequestError: somebody else has it, or the lock's file is none.
        OutputError: nothing can be written there.
    """
    path = folder / LOCK
    try:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT, follow=False)
    except OSError as error:
        raise _unwritable(path, error) from error
    _HELD.add(descriptor)
    _part_at_fork()
    try:
        until = time.monotonic() + patience
        while take_lock(descriptor) is False:
            if time.monotonic() >= until:
                raise RequestError(
                    folder,
                    expected="a folder that nothing else works in",
                    found="another search, training or sweep at work there",
                    remedy="wait for its end, or choose another folder",
                )
            time.sleep(_LOOK_EVERY)
        _leave_token(path, descriptor)
        yield
    finally:
        _HELD.discard(descriptor)
        os.close(descriptor)


def wait_until_free(folder: Path, patience: float) -> None:
    """Wait until nobody has a folder.

    Args:
        folder: the folder.
        patience: the seconds to wait.

    Raises:
        SltpackError: as `locked`.
    """
    with locked(folder, patience):
        pass


def token_of(folder: Path) -> str:
    """Return what whoever locked a folder last left in it, different each time: equal tokens mean the same folder.

    Args:
        folder: the folder.

    Returns:
        The token; empty where there is none.
    """
    try:
        descriptor = open_regular(folder / LOCK, follow=False)
    except OSError:
        return ""
    with open(descriptor, "rb") as stream:
        found = stream.read(64)
    return found.decode("ascii") if _TOKEN.fullmatch(found) else ""


@cache
def _part_at_fork() -> None:
    """Have processes that are forked from this one, such as those that read images, close their copies of its locks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_copies)


def _close_copies() -> None:
    for descriptor in _HELD:
        with suppress(OSError):
            os.close(descriptor)
    _HELD.clear()


def _leave_token(path: Path, descriptor: int) -> None:
    """Write a new token, unless the file is none of ours: another name of a file that somebody needs, say."""
    try:
        if not _TOKEN.fullmatch(os.read(descriptor, 64)):
            raise RequestError(
                path,
                expected="a lock file",
                found="a file of another kind",
                remedy="remove it, or choose another folder",
            )
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, secrets.token_hex(16).encode())
        sync(descriptor)  # other machines see it from now on
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        path,
        expected="a place that can be written",
        found=reason(error),
        remedy="check the folder, its permissions and the free space",
    )
