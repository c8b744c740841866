"""Writing a file so that its final name only ever stands for a whole, checked file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import OutputError, RequestError


def refuse_existing(path: Path) -> None:
    """Refuses to go on where a file is in the way.

    Raises:
        RequestError: the path exists.
    """
    if path.exists():
        kind = "file" if path.is_file() else "folder" if path.is_dir() else "device"
        raise RequestError(
            path,
            expected="a name that is free",
            found=f"a {kind} of that name",
            remedy="choose another name or pass --force" if kind == "file" else "choose another name",
        )


def write_atomically(
    path: Path, data: bytes, *, force: bool = False, check: Callable[[Path], None] | None = None
) -> None:
    """Writes a file under a temporary name beside its place, checks it, and only then gives it its name.

    Args:
        path: the final name.
        data: the bytes of the whole file.
        force: whether an existing file of that name is replaced.
        check: called with the temporary file's path before the renaming; what it raises stops the writing.

    Raises:
        RequestError: the file exists and `force` is not set.
        OutputError: the folder is missing or cannot be written, the disk is full, or the file reads back otherwise.
    """

    def produce(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if temporary.read_bytes() != data:
            raise OutputError(
                path,
                expected=f"{len(data)} bytes to read back as they were written",
                found="other bytes",
                remedy="check the disk",
            )
        if check is not None:
            check(temporary)

    produce_atomically(path, produce, force=force)


def produce_atomically(path: Path, produce: Callable[[Path], None], *, force: bool = False) -> None:
    """Lets a function write a file under a temporary name beside its place, and gives it its name once it is done.

    Args:
        path: the final name.
        produce: called with the temporary path, which it has to fill.
        force: whether an existing file of that name is replaced.

    Raises:
        RequestError: the file exists and `force` is not set, or the name is a folder's or a device's.
        OutputError: the operating system refused the writing; nothing is left behind.
    """
    with _told_as_output_error(path):
        # The renaming would put a file in the place of a device, such as /dev/null, too.
        if not force or not path.is_file():
            refuse_existing(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            produce(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            path,
            expected="a place that can be written",
            found=(error.strerror or str(error)).lower(),
            remedy="nothing was written under that name; check the folder, its permissions and the free space",
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
