"""Runs that differ in their seeds alone, as one point with a mean and a deviation; and what sets points apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .runs import LeftOut, Run, Value


@dataclass(frozen=True)
class Group:
    """Runs of the same traits.

    Attributes:
        traits: of each of them.
        runs: at least one.
    """

    traits: Mapping[str, Value]
    runs: tuple[Run, ...]

    @cached_property
    def accuracies(self) -> tuple[float, ...]:
        """The test accuracy of each run."""
        return tuple(run.result.test_accuracy for run in self.runs)

    @cached_property
    def accuracy(self) -> float:
        """The mean of the test accuracies."""
        return statistics.fmean(self.accuracies)

    @cached_property
    def deviation(self) -> float | None:
        """The standard deviation of the test accuracies over seeds, that of a sample; None of a single run."""
        return statistics.stdev(self.accuracies) if len(self.runs) > 1 else None

    @property
    def epochs(self) -> int:
        """The epochs of each run, as they were asked for."""
        epochs = self.traits.get("epochs")
        return epochs if isinstance(epochs, int) else max(len(run.curve) for run in self.runs)

    @cached_property
    def searched(self) -> float:
        """The mean size of the search space."""
        return statistics.fmean(run.result.searched for run in self.runs)

    @cached_property
    def bits(self) -> float | None:
        """The mean bits of the files; None where one of the runs has no file."""
        bits = [run.result.bits for run in self.runs]
        return None if None in bits else statistics.fmean(one for one in bits if one is not None)


@dataclass(frozen=True)
class Section:
    """The runs of one folder, as one sweep makes them.

    Attributes:
        name: the folder, as seen from the one that all runs were looked for in; empty where it is that one.
        groups: at least one.
    """

    name: str
    groups: tuple[Group, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of all groups."""
        return tuple(run for group in self.groups for run in group.runs)


@dataclass(frozen=True)
class Report:
    """All runs that were found.

    Attributes:
        title: the folder's name.
        sections: at least one.
        left_out: the runs that are in none.
    """

    title: str
    sections: tuple[Section, ...]
    left_out: tuple[LeftOut, ...]


def sections_of(runs: Iterable[Run]) -> tuple[Section, ...]:
    """Put runs of one folder into a section, and those that differ in their seeds alone into a group.

    Args:
        runs: in any order.

    Returns:
        Sections by name; groups by their traits, numbers by their size.
    """
    sections: dict[str, dict[frozenset[tuple[str, Value]], list[Run]]] = {}
    for run in runs:
        groups = sections.setdefault(run.section, {})
        groups.setdefault(frozenset(run.traits.items()), []).append(run)
    return tuple(Section(name, _in_order(groups.values())) for name, groups in sorted(sections.items()))


def _in_order(groups: Iterable[Sequence[Run]]) -> tuple[Group, ...]:
    made = [Group(runs[0].traits, tuple(sorted(runs, key=lambda run: sorted(run.seeds.items())))) for runs in groups]
    return tuple(sorted(made, key=lambda group: [_order(value) for value in group.traits.values()]))


def _order(value: Value) -> tuple[bool, bool, float, str]:
    """Sort numbers by size, then texts, then what is not there."""
    number = isinstance(value, int | float)
    return value is None, not number, float(value) if isinstance(value, int | float) else 0.0, str(value)


def varying(groups: Sequence[Group]) -> tuple[str, ...]:
    """Name the traits that are not the same in all groups.

    Args:
        groups: at least one.

    Returns:
        Names, in the order of the traits.
    """
    names = dict.fromkeys(name for group in groups for name in group.traits)
    return tuple(name for name in names if len({group.traits.get(name) for group in groups}) > 1)


def count_of(numbers: Iterable[int], what: str) -> str:
    """Tell how many there are of something, where that may differ.

    Args:
        numbers: at least one.
        what: in the plural without its s, as "seed".

    Returns:
        Such as "1 seed", "3 seeds" or "1 to 3 seeds".
    """
    counted = list(numbers)
    low, high = min(counted), max(counted)
    told = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{told} {what}{'' if high == 1 else 's'}"
