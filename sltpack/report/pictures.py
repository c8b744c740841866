"""The pictures of a section: accuracy over the sparsity, the search space, the size of the file, or the epochs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..charts import Line, Panel, Point
from ..source.ratios import place
from . import words
from .groups import Group, Section, count_of
from .runs import TRAINED, Value
from .words import SOURCE

_MOST_CURVES = 12
"""Lines of one picture over epochs: more cannot be told apart."""
_FEWEST_SPARSITIES = 3
"""On one line: two are a dense and a sparse source of the paper, which are no curve."""
_MOST_NAMED = 6
"""Groups that a caption names as left out; the others are counted."""
_ACCURACY = "test accuracy"
_FREEZING = ("freeze", "prune", "lock")


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        kind: what it is over, in a word.
        panel: what is drawn.
        groups: what it stands on.
        left_out: the names of the groups of the same model and data that are not in it.
    """

    kind: str
    panel: Panel
    groups: tuple[Group, ...]
    left_out: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """What the picture stands on, in a sentence."""
        runs = [run for group in self.groups for run in group.runs]
        seeds = count_of((len(group.runs) for group in self.groups), "seed")
        epochs = count_of((group.epochs for group in self.groups), "epoch")
        bars = any(point.deviation for line in self.panel.lines for point in line.points)
        told = f"{count_of([len(self.groups)], 'point')} from {count_of([len(runs)], 'run')}: {seeds}, {epochs}"
        told += "; the bars are the standard deviation over seeds" if bars else ""
        if not self.left_out:
            return told
        more = len(self.left_out) - _MOST_NAMED
        return f"{told}; not in this picture: {'; '.join(self.left_out[:_MOST_NAMED])}" + (
            f"; and {more} more" if more > 0 else ""
        )


Traits = Mapping[str, Value]
"""Of a line."""
_TraitsOf = Callable[[Group, int], Traits]
"""The traits of the line that a group is on, with ratios in words of so many digits."""


def pictures_of(section: Section) -> list[Picture]:
    """Choose what to draw.

    Args:
        section: the runs.

    Returns:
        For each model and data set a picture over whatever its runs differ in: the sparsity, and the width, by the
        search space and the bits of the file; where they differ otherwise, or are too few, over bits or epochs.
    """
    pictures: list[Picture] = []
    for groups in _split(section.groups, "data", "model"):
        found = [*_over_sparsity(groups), *_over_width(groups)] or [*_over_bits(groups)] or [*_over_epochs(groups)]
        pictures += _on_one_scale(_with_left_out(found, groups))
    return pictures


def _with_left_out(pictures: Sequence[Picture], groups: Sequence[Group]) -> list[Picture]:
    """Name what each picture leaves out, unless it is in a picture over the same beside it, as ERK beside EPL."""
    labels = words.labels([partial(_with_source, group) for group in groups])
    named = []
    for picture in pictures:
        beside = [group for other in pictures if other.panel.x_label == picture.panel.x_label for group in other.groups]
        drawn = {id(group) for group in beside}
        left_out = [label for label, group in zip(labels, groups, strict=True) if id(group) not in drawn]
        named.append(replace(picture, left_out=tuple(left_out)))
    return named


def names_of(pictures: Sequence[Picture]) -> list[str]:
    """Return the names of all lines, in the order in which they come: one name, one look."""
    return list(dict.fromkeys(line.name for picture in pictures for line in picture.panel.lines))


def _on_one_scale(pictures: Sequence[Picture]) -> list[Picture]:
    """Have the pictures of a model on a data set, such as EPL and ERK, tell an accuracy at the same height."""
    points = [point for picture in pictures for line in picture.panel.lines for point in line.points]
    reach = (
        min((point.y - point.deviation for point in points), default=0.0),
        max((point.y + point.deviation for point in points), default=1.0),
    )
    return [replace(picture, panel=replace(picture.panel, y_reach=reach)) for picture in pictures]


def _over_sparsity(groups: Sequence[Group]) -> Iterator[Picture]:
    searches = [group for group in groups if group.traits["sparsity"] is not None]
    parts = list(_split(searches, "ratios"))
    for part in parts:
        lines = _lines(part, _without_sparsity(part), lambda group: _number(group.traits["sparsity"]))
        if any(len(line.points) >= _FEWEST_SPARSITIES for line in lines):
            ratios = f", {str(part[0].traits['ratios']).upper()}" if len(parts) > 1 else ""
            panel = Panel(_title(part) + ratios, "sparsity k", _ACCURACY, lines, percent=True)
            yield Picture("sparsity" + ratios.replace(", ", "-").lower(), panel, tuple(part))


def _over_width(groups: Sequence[Group]) -> Iterator[Picture]:
    if all(len(widths) == 1 for widths in _widths(groups)):
        return
    searches = [group for group in groups if group.traits["method"] != TRAINED and group.searched]
    lines = _lines(searches, _without_width, lambda group: group.searched)
    if any(len(line.points) > 1 for line in lines):
        label = "search space: weights that are searched"
        panel = Panel(_title(groups), label, _ACCURACY, lines, x_logarithmic=True, percent=True)
        yield Picture("space", panel, tuple(searches))
    yield from _over_bits(groups)


def _over_bits(groups: Sequence[Group]) -> Iterator[Picture]:
    sized = [group for group in groups if group.bits is not None]
    if len(sized) > 1:
        lines = _lines(sized, _without_width, lambda group: group.bits or 0.0)
        panel = Panel(_title(groups), "bits of the file", _ACCURACY, lines, x_logarithmic=True, percent=True)
        yield Picture("bits", panel, tuple(sized))


def _over_epochs(groups: Sequence[Group]) -> Iterator[Picture]:
    shown = [group for group in groups[:_MOST_CURVES] if any(run.curve for run in group.runs)]
    if shown:
        labels = words.labels([partial(_with_source, group) for group in shown])
        lines = tuple(Line(label, _curve(group)) for label, group in zip(labels, shown, strict=True))
        panel = Panel(_title(groups), "epoch", "validation accuracy", lines, x_whole=True, percent=True)
        yield Picture("epochs", panel, tuple(shown))


def _curve(group: Group) -> tuple[Point, ...]:
    """Return the mean validation accuracy after each epoch that all runs have."""
    curves = zip(*(run.curve for run in group.runs), strict=False)
    return tuple(Point(epoch, statistics.fmean(values)) for epoch, values in enumerate(curves, 1))


def _split(groups: Sequence[Group], *names: str) -> Iterator[list[Group]]:
    """Part groups by the values of some traits, in the order in which these come."""
    parts: dict[tuple[Value, ...], list[Group]] = {}
    for group in groups:
        parts.setdefault(tuple(group.traits[name] for name in names), []).append(group)
    yield from parts.values()


def _lines(groups: Sequence[Group], traits_of: _TraitsOf, x: Callable[[Group], float]) -> tuple[Line, ...]:
    """Put groups of the same line into one, and names the lines."""
    members: dict[frozenset[tuple[str, Value]], list[Group]] = {}
    for group in groups:
        members.setdefault(frozenset(traits_of(group, words.ALL).items()), []).append(group)
    labels = words.labels([partial(traits_of, line[0]) for line in members.values()])
    return tuple(
        Line(label, tuple(Point(x(group), group.accuracy, group.deviation or 0.0) for group in line))
        for label, line in zip(labels, members.values(), strict=True)
    )


def _without_sparsity(groups: Sequence[Group]) -> _TraitsOf:
    """Return what a line over the sparsity is made of: p and l where they vary by themselves, f where f tells both.

    Where the search space is placed around the sparsity, p and l move along the line.
    """

    def rest(group: Group) -> dict[str, Value]:
        return {name: value for name, value in group.traits.items() if name not in (*_FREEZING, "sparsity")}

    def placed(group: Group, digits: int) -> Traits:
        freeze = group.traits["freeze"]
        return {**rest(group), SOURCE: f"f = {words.plain(freeze, digits)}" if freeze else "dense"}

    def fixed(group: Group, digits: int) -> Traits:
        prune, lock = (words.plain(group.traits[name], digits) for name in ("prune", "lock"))
        return {**rest(group), SOURCE: f"p = {prune}, l = {lock}"}

    places = [(frozenset(placed(group, words.ALL).items()), group.traits["sparsity"]) for group in groups]
    return placed if len(set(places)) == len(places) and all(map(_is_placed, groups)) else fixed


def _is_placed(group: Group) -> bool:
    """Tell whether the search space lies around the sparsity."""
    sparsity, freeze, *asked = (_number(group.traits[name]) for name in ("sparsity", *_FREEZING))
    if not 0 <= sparsity <= 1 or not 0 <= freeze <= 1:
        return False
    return all(abs(ratio - wanted) < 1e-9 for ratio, wanted in zip(asked, place(sparsity, freeze), strict=True))


def _without_width(group: Group, digits: int) -> Traits:
    return {name: value for name, value in _with_source(group, digits).items() if name != "width"}


def _with_source(group: Group, digits: int) -> dict[str, Value]:
    rest = {name: value for name, value in group.traits.items() if name not in _FREEZING}
    return {**rest, SOURCE: words.source(group.traits, digits)}


def _widths(groups: Sequence[Group]) -> list[set[Value]]:
    """Return the widths of each line."""
    widths: dict[frozenset[tuple[str, Value]], set[Value]] = {}
    for group in groups:
        widths.setdefault(frozenset(_without_width(group, words.ALL).items()), set()).add(group.traits.get("width"))
    return list(widths.values())


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _title(groups: Sequence[Group]) -> str:
    traits = groups[0].traits
    return " on ".join(words.plain(traits[name]) for name in ("model", "data") if traits[name] is not None)
