"""Tickets that come with sltpack, by name."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Gives the names of the tickets in the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.slt")))


def locate(name: str | Path) -> Path:
    """Finds a ticket's file.

    Args:
        name: a path, or the name of a ticket in the package; a file of that name comes first.

    Returns:
        The path, whether or not there is a file.
    """
    path = Path(name)
    packaged = _FOLDER / f"{name}.slt"
    if not path.exists() and path.name == str(name) and packaged.exists():
        return packaged
    return path
