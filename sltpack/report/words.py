"""What traits are called: in legends, as few words as tell lines apart; in tables, one each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import one_line
from .runs import Value

SOURCE = "source"
"""The trait that stands for p and l together, in words already."""
_FIRST = ("method", "init", SOURCE, "ratios", "threshold")
"""Traits in the order in which a legend names them; the others follow."""
FEW, ALL = 4, 17
"""Digits of a number for people, and those that tell any two numbers apart."""
TraitsAt = Callable[[int], Mapping[str, Value]]
"""The traits of a line, at a number of digits."""
_MOST = 40
"""Characters of a value in a picture or a table; the CSV has more."""
_ALWAYS = ("data", "model", "width", "method", "init", "ratios", SOURCE)
"""Those that are named wherever they differ, and not only where nothing else tells two lines apart."""


def source(traits: Mapping[str, Value], digits: int = FEW) -> str | None:
    """Name a source network by what of it is frozen, as the paper does.

    Args:
        traits: of a run.
        digits: of the ratio, at most.

    Returns:
        Dense, sparse, locked or frozen, with the ratio; None of weight training.
    """
    freeze, prune, lock = (traits[name] for name in ("freeze", "prune", "lock"))
    if freeze is None:
        return None
    if not freeze:
        return "dense"
    if not lock:
        return f"sparse, p = {plain(prune, digits)}"
    return f"frozen, f = {plain(freeze, digits)}" if prune else f"locked, l = {plain(lock, digits)}"


def word(name: str, value: Value, digits: int = FEW) -> str:
    """Write one trait for a legend.

    Args:
        name: of the trait.
        value: its value.
        digits: of a number, at most.

    Returns:
        A few words; none where the value is what one expects.
    """
    if value is None or value is False or value in ("edge-popup", "global"):
        return ""
    if value is True:
        return name.replace("_", " ")
    if name == "threshold":
        return "a threshold a layer"
    if name == "sparsity":
        return f"k = {plain(value, digits)}"
    if name in ("method", "init", "ratios", SOURCE):
        return told(name, value)
    return f"{name.replace('_', ' ')} {plain(value, digits)}"


def told(name: str, value: Value) -> str:
    """Write the value of one trait for a table."""
    return str(value).upper() if name in ("init", "ratios") and value is not None else plain(value)


def plain(value: Value, digits: int = FEW) -> str:
    """Write a value for people: a number of at most so many digits, or some words; nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}g}" if isinstance(value, float) else one_line(str(value), _MOST)


def labels(lines: Sequence[TraitsAt]) -> list[str]:
    """Find a name for each of some lines.

    Args:
        lines: for each, a function that returns its traits, with ratios in words of so many digits; no two the same at
            `ALL` digits.

    Returns:
        Names of those traits that differ, as few of them as make the names different.
    """
    for digits in (FEW, ALL):
        traits = [line(digits) for line in lines]
        found = _labels(traits, digits)
        if len(set(found)) == len(found):
            break
    return found


def _labels(lines: Sequence[Mapping[str, Value]], digits: int) -> list[str]:
    telltale = telling(lines)
    order = [*(name for name in _FIRST if name in telltale), *(name for name in telltale if name not in _FIRST)]
    found = [", ".join(filter(None, (word(name, line.get(name), digits) for name in order))) for line in lines]
    return [label or "edge-popup" for label in found]


def telling(lines: Sequence[Mapping[str, Value]]) -> list[str]:
    """Choose the traits that tell some things apart.

    Args:
        lines: the traits of each, no two the same.

    Returns:
        Names of traits that differ, as few as do, in their order: where one follows from those before it, as the scale
        does from the initialiser, it is left out.
    """
    names = dict.fromkeys(name for line in lines for name in line)
    varying = [name for name in names if len({line.get(name) for line in lines}) > 1]
    chosen = [name for name in varying if name in _ALWAYS and len({line.get(name) for line in lines} - {None}) > 1]

    def apart() -> int:
        return len({tuple(line.get(name) for name in chosen) for line in lines})

    for name in varying:
        if name not in chosen:
            before = apart()
            chosen.append(name)
            if apart() == before:
                chosen.remove(name)
    return [name for name in varying if name in chosen]
