"""Where the files of a data set lie, and what to say of those that are not there or cannot be read."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ...errors import DataError, reason


def find_folder(base: Path, places: Collection[str], files: Collection[str]) -> Path | None:
    """Find the folder with a data set's files.

    Args:
        base: what the places are within.
        places: folders to look in, the likeliest first; base itself comes last.
        files: their names.

    Returns:
        The first folder in which something stands under any of the names, be it what it may, so that a file that is
        missing or none is told by its own name; None where there is no such folder.

    Raises:
        DataError: a folder does not let itself be looked into.
    """
    for folder in (*(base / place for place in places), base):
        if any(_stands(folder / file) for file in files):
            return folder
    return None


def unfound(base: Path, places: Collection[str], file: str, remedy: str) -> DataError:
    """Say that no folder has a data set's files.

    Args:
        base: as it was looked through, together with the places within it.
        places: the others.
        file: one of the names.
        remedy: what the reader can do about it.

    Returns:
        The error.
    """
    found = "none of them" if os.path.isdir(base) else _instead(base) or "no such folder"
    return DataError(
        base, expected=f"{file} and its like, there or in {' or '.join(places)}", found=found, remedy=remedy
    )


def unreadable(path: Path, error: OSError, remedy: str) -> DataError:
    """Say that a file could not be opened or read.

    Args:
        path: the file.
        error: what the operating system raised.
        remedy: what the reader can do about it, where it is no matter of permissions.

    Returns:
        The error.
    """
    if isinstance(error, FileNotFoundError):
        return DataError(path, expected="a file", found=_instead(path) or "none of that name", remedy=remedy)
    if isinstance(error, PermissionError):
        remedy = "check its permissions and those of its folder"
    return DataError(path, expected="a file that can be read", found=reason(error), remedy=remedy)


def _stands(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error, "check its name") from error
    return True


def _instead(path: Path) -> str | None:
    """Tell what stands where a folder or a plain file was wanted, if anything does."""
    if not os.path.lexists(path):
        return None
    return "a file" if os.path.isfile(path) else "a pipe or device" if os.path.exists(path) else "a link to nothing"
