"""The rules by which other codes make masks, against slow forms that are written from the codes' descriptions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sltpack.checkpoints.importers import rules

Values = list[float]
scores = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=1, max_size=40)
shares = st.integers(0, 100).map(lambda n: n / 100)


def as_array(values: Values) -> np.ndarray:
    return np.array(values, np.float32)


@given(scores, shares)
def test_the_largest_of_a_layer(values: Values, kept: float) -> None:
    order = sorted(range(len(values)), key=lambda i: (abs(values[i]), i))
    removed = set(order[: math.trunc((1 - kept) * len(values))])
    expected = [i not in removed for i in range(len(values))]
    assert rules.largest_of_layer(as_array(values), kept).tolist() == expected


def test_the_share_is_cut_and_not_rounded() -> None:
    # 0.7 * 10 is 7.000000000000001 below and 6.999... above, depending on how it is computed: float64 decides.
    assert (~rules.largest_of_layer(np.arange(1, 11, dtype=np.float32), 0.3)).sum() == int((1 - 0.3) * 10) == 7
    assert (~rules.largest_of_layer(np.arange(1, 101, dtype=np.float32), 0.71)).sum() == int((1 - 0.71) * 100) == 29
    assert (~rules.largest_of_layer(np.arange(1, 11, dtype=np.float32), 0.9)).sum() == int((1 - 0.9) * 10) == 0


@given(scores, scores, st.integers(0, 80))
def test_above_a_rank_of_the_network(first: Values, second: Values, removed: int) -> None:
    sizes = sorted(abs(value) for value in first + second)
    threshold = -1.0 if removed == 0 else sizes[min(removed, len(sizes)) - 1]
    found = rules.above_rank([as_array(first), as_array(second)], removed)
    assert [mask.tolist() for mask in found] == [[abs(value) > threshold for value in each] for each in (first, second)]


@given(st.integers(1, 10**6), shares)
def test_the_rank_of_signed_scores(count: int, removed: float) -> None:
    rank = rules.signed_rank(count, removed)
    assert 1 <= rank <= count
    assert abs(rank - 1 - Fraction(removed) * (count - 1)) <= Fraction(1, 2) + Fraction(1, 10**6)


def test_halves_go_to_even() -> None:
    assert rules.signed_rank(2, 0.5) == 1  # 0.5 -> 0
    assert rules.signed_rank(4, 0.5) == 3  # 1.5 -> 2


@given(scores, shares)
def test_from_a_rank_on(values: Values, removed: float) -> None:
    threshold = sorted(values)[rules.signed_rank(len(values), removed) - 1]
    assert rules.from_rank(as_array(values), np.float32(threshold)).tolist() == [v >= threshold for v in values]


@given(scores, st.lists(shares, min_size=1, max_size=4))
def test_coats_are_counted_and_nested(values: Values, removed: list[float]) -> None:
    sizes = sorted(abs(value) for value in values)
    ranks = [1 + math.floor(share * (len(values) - 1)) for share in removed]
    expected = [sum(k < len(sizes) and abs(value) >= sizes[k] for k in ranks) for value in values]
    found = rules.coats(as_array(values), tuple(removed))
    assert found.tolist() == expected
    if len(removed) > 1:  # each coat lies in the one before
        fewer = rules.coats(as_array(values), tuple(sorted(removed)[:-1]))
        assert ((found > 1) <= (fewer > 0)).all()


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 3, 3)])
def test_masks_have_the_shape_of_the_scores(shape: tuple[int, ...]) -> None:
    drawn = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    assert rules.largest_of_layer(drawn, 0.5).shape == shape
    assert rules.above_rank([drawn], 3)[0].shape == shape
    assert rules.coats(drawn, (0.5, 0.9)).shape == shape
