"""Tickets that come with sltpack, by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import RequestError

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Gives the names of the tickets in the package, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.slt")))


def list_tickets() -> list[str]:
    """Return the names of the tickets that come with sltpack.

    >>> "conv6-cifar10" in list_tickets()
    True
    """
    return list(names())


def locate(name: str | Path) -> Path:
    """Finds a ticket's file.

    Args:
        name: a path, or the name of a ticket in the package; a file of that name comes first.

    Returns:
        The path; whether there is a file is known only where no folder and no suffix `.slt` mark it as a path.

    Raises:
        RequestError: the name is none of a file or a ticket in the package.
    """
    path = Path(name)
    if os.path.exists(path) or path.name != str(name) or path.suffix == ".slt":
        return path
    packaged = _FOLDER / f"{name}.slt"
    if not os.path.exists(packaged):
        known = f" or the name of a ticket in the package ({', '.join(names())})" if names() else ""
        raise RequestError(
            name, expected=f"a .slt file{known}", found="no such file or directory", remedy="check the name"
        )
    return packaged
