"""Tickets that come with sltpack, by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import RequestError, closest

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the tickets in the package, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.slt")))


def list_tickets() -> list[str]:
    """Return the names of the tickets that come with sltpack.

    >>> "conv6-cifar10" in list_tickets()
    True
    """
    return list(names())


def locate(name: str | Path) -> Path:
    """Find a ticket's file.

    Args:
        name: a path, or the name of a ticket in the package. The name of a ticket in the package stands for that
            ticket, whatever else is called so: a file of that name in the working folder is "./name".

    Returns:
        The path; whether there is a file is known only where no folder and no suffix `.slt` mark it as a path.

    Raises:
        RequestError: the name is none of a file or a ticket in the package.
    """
    if str(name) in names():
        return _FOLDER / f"{name}.slt"
    path = Path(name)
    if os.path.lexists(path) or path.name != str(name) or path.suffix == ".slt":
        return path
    raise RequestError(
        name,
        expected=f"a .slt file or the name of a ticket in the package ({', '.join(names())})",
        found="no such file or directory",
        remedy=closest(str(name), names()) or "check the name",
    )
