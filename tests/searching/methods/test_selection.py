"""Exactly as many scores stay as are wanted, whatever the scores."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.checkpoints.version3 import largest
from sltpack.searching.methods.selection import Selector


def select(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, float]:
    """The supermask, bool [n], and the size of the smallest score kept."""
    selector = Selector(scores.numel(), count, scores.device)
    return selector.select(scores) > 0, float(selector.threshold)


def slow_select(scores: list[float], count: int) -> list[bool]:
    """Sorts by size, then by position."""
    order = sorted(range(len(scores)), key=lambda i: (-abs(scores[i]), i))
    kept = set(order[:count])
    return [i in kept for i in range(len(scores))]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data())
def test_the_largest_stay_and_ties_go_to_the_first(data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=40))
    count = data.draw(st.integers(0, len(scores)))
    kept, threshold = select(torch.tensor(scores), count)
    assert kept.tolist() == slow_select(scores, count)
    assert torch.equal(largest(torch.tensor(scores), count), kept)  # as older checkpoints are read
    sizes = sorted((abs(score) for score in scores), reverse=True)
    assert threshold == (sizes[count - 1] if count else float("inf"))


@pytest.mark.parametrize("count", [0, 1, 4999, 5000])
def test_equal_scores(count: int) -> None:
    kept, _ = select(torch.full((5000,), 0.25), count)
    assert int(kept.sum()) == count
    assert bool(kept[:count].all())


def test_none_to_choose_from() -> None:
    kept, threshold = select(torch.zeros(0), 0)
    assert kept.shape == (0,)
    assert threshold == float("inf")


@pytest.mark.parametrize("count", [0, 1, 40, 99, 100])
def test_a_selector_starts_afresh_each_time(count: int) -> None:
    selector = Selector(100, count, torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    for _ in range(5):
        scores = torch.randint(-20, 20, (100,), generator=random).float()
        before = scores.clone()
        assert selector.select(scores).bool().tolist() == slow_select(scores.tolist(), count)
        assert torch.equal(scores, before)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data())
def test_the_way_that_never_waits_for_a_device_selects_the_same(data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=40))
    selector = Selector(len(scores), data.draw(st.integers(0, len(scores))), torch.device("cpu"))
    here = selector.select(torch.tensor(scores)).clone(), float(selector.threshold)
    selector._on_cpu = False  # as on a GPU, but for where it is done
    assert torch.equal(selector.select(torch.tensor(scores)), here[0])
    assert float(selector.threshold) == here[1]
