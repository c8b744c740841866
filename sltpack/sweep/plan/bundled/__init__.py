"""Plans that come with sltpack, by name: the experiments of Otsuka et al. 2024, each also in a small form."""

from __future__ import annotations

from pathlib import Path

from ....errors import RequestError, closest

PREFIX = "paper:"
"""What the name of such a plan begins with, where a path would stand."""
_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the plans in the package, in alphabetical order."""
    return tuple(sorted(PREFIX + path.stem for path in _FOLDER.glob("*.toml")))


def name_of(name: str) -> str:
    """Return what a plan is called without its place and its ending.

    Args:
        name: a path, or the name of a plan in the package.
    """
    return Path(name.removeprefix(PREFIX)).stem


def locate(name: str) -> Path:
    """Find a plan's file.

    Args:
        name: a path, or the name of a plan in the package.

    Returns:
        The path; whether there is a file is known only of a plan in the package.

    Raises:
        RequestError: there is no plan of that name in the package.
    """
    if not name.startswith(PREFIX):
        return Path(name)
    if name not in names():
        raise RequestError(
            name,
            expected=f"a plan: {', '.join(names())}",
            found="none of that name",
            remedy=closest(name, names()) or "choose one of them",
        )
    return _FOLDER / f"{name.removeprefix(PREFIX)}.toml"
