"""What traits are called: in legends, as few words as tell lines apart; in tables, one each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import one_line
from .runs import Value

SOURCE = "source"
"""The trait that stands for p and l together, in words already."""
_FIRST = ("method", "init", SOURCE, "ratios", "threshold")
"""Traits in the order in which a legend names them; the others follow."""
_MOST = 40
"""Characters of a value in a picture or a table; the CSV has more."""
_ALWAYS = ("data", "model", "width", "method", "init", "ratios", SOURCE)
"""Those that are named wherever they differ, and not only where nothing else tells two lines apart."""


def source(traits: Mapping[str, Value]) -> str | None:
    """Names a source network by what of it is frozen, as the paper does.

    Args:
        traits: of a run.

    Returns:
        Dense, sparse, locked or frozen, with the ratio; None of weight training.
    """
    freeze, prune, lock = (traits[name] for name in ("freeze", "prune", "lock"))
    if freeze is None:
        return None
    if not freeze:
        return "dense"
    if not lock:
        return f"sparse, p = {plain(prune)}"
    return f"frozen, f = {plain(freeze)}" if prune else f"locked, l = {plain(lock)}"


def word(name: str, value: Value) -> str:
    """Writes one trait for a legend.

    Args:
        name: of the trait.
        value: its value.

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
        return f"k = {plain(value)}"
    if name in ("method", "init", "ratios", SOURCE):
        return told(name, value)
    return f"{name.replace('_', ' ')} {plain(value)}"


def told(name: str, value: Value) -> str:
    """Writes the value of one trait for a table."""
    return str(value).upper() if name in ("init", "ratios") and value is not None else plain(value)


def plain(value: Value) -> str:
    """Writes a value for people: at most four digits or some words, and nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value), _MOST)


def labels(lines: Sequence[Mapping[str, Value]]) -> list[str]:
    """Finds a name for each of some lines.

    Args:
        lines: the traits of each, no two the same.

    Returns:
        Names of those traits that differ, as few of them as make the names different.
    """
    telltale = telling(lines)
    order = [*(name for name in _FIRST if name in telltale), *(name for name in telltale if name not in _FIRST)]
    found = [", ".join(filter(None, (word(name, line.get(name)) for name in order))) for line in lines]
    return [label or "edge-popup" for label in found]


def telling(lines: Sequence[Mapping[str, Value]]) -> list[str]:
    """Chooses the traits that tell some things apart.

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
