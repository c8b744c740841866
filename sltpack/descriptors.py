"""Opening files that a stranger may have put there, and locking what was opened."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_QUIET = (
    getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
"""A pipe without another end is opened at once, and then refused."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


_CANNOT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems say that have no fsync: nothing more can be done there, and nothing is lost."""


def sync(descriptor: int) -> None:
    """Have what was written outlive a loss of power, where the file system can see to that.

    Args:
        descriptor: of the open file.

    Raises:
        OSError: it could not be written.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def open_regular(path: Path, flags: int = os.O_RDONLY, *, follow: bool = True, mode: int = 0o666) -> int:
    """Open a regular file, and nothing that only looks like one: a pipe could make its reader wait for ever.

    Args:
        path: the file.
        flags: as for `os.open`.
        follow: whether the name may be a link to the file; links among the folders above it are always followed.
        mode: permissions of a new file, less the umask.

    Returns:
        The descriptor, which the caller closes.

    Raises:
        OSError: the file cannot be opened, or it is a folder, a pipe, a device, or a link that may not be followed.
    """
    if not follow and os.path.islink(path):  # not every system has O_NOFOLLOW, or names the reason
        raise OSError(errno.ELOOP, "a link", str(path))
    descriptor = os.open(path, flags | _QUIET | (0 if follow else _NO_LINK), mode)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "a pipe or device, which is no plain file", str(path))


def take_lock(descriptor: int) -> bool | None:
    """Take the lock of an open file, which ends when the file is closed or the process ends, however it ends.

    Args:
        descriptor: of the file, open for writing.

    Returns:
        Whether it was free; None where the system or the file system has no locks.
    """
    from filelock import lock_descriptor  # here, since most commands lock nothing

    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return None
