"""Runs that differ in their seeds alone are one point."""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest

from sltpack.checkpoints.results import Result
from sltpack.report.groups import count_of, sections_of, varying
from sltpack.report.runs import Run


def made(name: str, accuracy: float, seed: int = 0, bits: int | None = 800, **traits: Any) -> Run:
    """A run that was never made."""
    result = Result(100, 50, 0.5, 0.25, 0.25, 3, accuracy + 0.01, accuracy, bits)
    return Run(name, traits, {"seed": seed}, result, (0.1, accuracy))


def test_seeds_are_one_group_with_mean_and_deviation() -> None:
    accuracies = [0.5, 0.6, 0.8]
    (section,) = sections_of(made(f"s/{seed}", one, seed, sparsity=0.5) for seed, one in enumerate(accuracies))
    (group,) = section.groups
    assert (section.name, group.accuracies) == ("s", (0.5, 0.6, 0.8))
    assert group.accuracy == pytest.approx(statistics.mean(accuracies))
    assert group.deviation == pytest.approx(statistics.stdev(accuracies))
    assert (group.searched, group.bits) == (50, 800)


def test_a_single_run_has_no_deviation() -> None:
    (section,) = sections_of([made("run", 0.5)])
    assert section.name == ""
    assert section.groups[0].deviation is None


def test_bits_are_known_where_all_are_packed() -> None:
    (section,) = sections_of([made("s/0", 0.5, 0), made("s/1", 0.5, 1, bits=None)])
    assert section.groups[0].bits is None


def test_folders_are_sections_and_traits_are_groups_whatever_the_order() -> None:
    runs = [made(f"{folder}/{k}", 0.5, sparsity=k) for folder in ("b", "a/deep", "a") for k in (0.1, 0.9, 0.5)]
    runs += [made("b/trained", 0.7, sparsity=None), made("b/10", 0.5, sparsity=10)]
    random.Random(0).shuffle(runs)
    sections = sections_of(runs)
    assert [section.name for section in sections] == ["a", "a/deep", "b"]
    assert [group.traits["sparsity"] for group in sections[2].groups] == [0.1, 0.5, 0.9, 10, None]
    assert sections == sections_of(sorted(runs, key=lambda run: run.name))
    assert len(sections[2].runs) == 5


def test_what_varies() -> None:
    (section,) = sections_of([made("s/0", 0.5, width=1.0, init="ku"), made("s/1", 0.5, width=0.5, init="ku")])
    assert varying(section.groups) == ("width",)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([1], "1 seed"), ([1, 1], "1 seed"), ([3, 3], "3 seeds"), ([1, 3, 2], "1 to 3 seeds"), ([2000], "2,000 seeds")],
)
def test_counts_in_words(numbers: list[int], text: str) -> None:
    assert count_of(numbers, "seed") == text
