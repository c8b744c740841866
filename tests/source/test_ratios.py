"""Global ratios to whole numbers for each layer, against golden numbers and exact fractions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.errors import RequestError
from sltpack.source.ratios import Counts, edges_per_layer, erdos_renyi_kernel, layer_counts, place, round_share

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())

shapes_of_networks = st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=4).map(tuple), min_size=1, max_size=8)
decimals = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


def exact_shares(sizes: Sequence[int], parts: Sequence[int], stay: int) -> list[Fraction]:
    """Water-filling in fractions: min(size, level * part) in each layer, the level chosen so that they sum to stay."""
    shares = [Fraction(0)] * len(sizes)
    left, whole = Fraction(stay), sum(parts)
    for i in sorted(range(len(sizes)), key=lambda i: Fraction(sizes[i], parts[i])):
        shares[i] = min(Fraction(sizes[i]), left * parts[i] / whole)
        left -= shares[i]
        whole -= parts[i]
    return shares


def by_largest_remainder(shares: Sequence[Fraction], stay: int) -> tuple[int, ...]:
    whole = [math.floor(share) for share in shares]
    for i in sorted(range(len(shares)), key=lambda i: (whole[i] - shares[i], i))[: stay - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


def sizes_of(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    return [math.prod(shape) for shape in shapes]


@pytest.mark.parametrize("vector", VECTORS["edges_per_layer"])
def test_golden_edges_per_layer(vector: dict[str, Any]) -> None:
    shapes = [(size, 1) for size in vector["sizes"]]
    total = sum(vector["sizes"])
    pruned = [size - stay for size, stay in zip(vector["sizes"], vector["stay"], strict=True)]
    assert edges_per_layer(shapes, total - round_share(vector["ratio"], total)) == tuple(vector["stay"])
    assert [c.pruned for c in layer_counts("epl", shapes, vector["ratio"], 0.0)] == pruned
    assert [c.locked for c in layer_counts("epl", shapes, 0.0, vector["ratio"])] == pruned


@given(shapes_of_networks, st.data())
@settings(deadline=None, derandomize=True)
def test_edges_per_layer_lies_at_the_exact_shares(shapes: list[tuple[int, ...]], data: st.DataObject) -> None:
    sizes = sizes_of(shapes)
    stay = data.draw(st.integers(0, sum(sizes)))
    found = edges_per_layer(shapes, stay)
    assert sum(found) == stay
    assert all(0 <= share <= size for share, size in zip(found, sizes, strict=True))
    # Each round of sharing rounds once, and there are no more rounds than layers.
    exact = exact_shares(sizes, [1] * len(sizes), stay)
    assert all(abs(share - wanted) < len(sizes) for share, wanted in zip(found, exact, strict=True))


@given(shapes_of_networks, st.data())
@settings(deadline=None, derandomize=True)
def test_erdos_renyi_kernel_is_the_exact_solution_rounded(shapes: list[tuple[int, ...]], data: st.DataObject) -> None:
    sizes = sizes_of(shapes)
    stay = data.draw(st.integers(0, sum(sizes)))
    exact = exact_shares(sizes, [sum(shape) for shape in shapes], stay)
    assert erdos_renyi_kernel(shapes, stay) == by_largest_remainder(exact, stay)


def test_erdos_renyi_kernel_by_hand() -> None:
    # The sums of the dimensions are 11, 20 and 14; from the second line on, the first layer is full.
    shapes = [(10, 1), (10, 10), (7, 7)]
    assert erdos_renyi_kernel(shapes, 22) == (5, 10, 7)
    assert erdos_renyi_kernel(shapes, 44) == (10, 20, 14)
    assert erdos_renyi_kernel(shapes, 112) == (10, 60, 42)


@pytest.mark.parametrize("share_out", [edges_per_layer, erdos_renyi_kernel])
@given(shapes=shapes_of_networks, data=st.data())
@settings(deadline=None, derandomize=True)
def test_one_more_takes_no_more_than_a_rounding_from_any_layer(
    share_out: Any, shapes: list[tuple[int, ...]], data: st.DataObject
) -> None:
    stay = data.draw(st.integers(0, sum(sizes_of(shapes)) - 1))
    fewer, more = share_out(shapes, stay), share_out(shapes, stay + 1)
    assert all(after >= before - 1 for before, after in zip(fewer, more, strict=True))


@pytest.mark.parametrize("method", ["epl", "erk"])
@given(shapes=shapes_of_networks, prune=decimals, lock=decimals)
@settings(deadline=None, derandomize=True)
def test_counts_add_up_exactly(method: str, shapes: list[tuple[int, ...]], prune: float, lock: float) -> None:
    total = sum(sizes_of(shapes))
    freeze = Fraction(str(prune)) + Fraction(str(lock))
    if freeze > 1:
        return
    try:
        counts = layer_counts(method, shapes, prune, lock)
    except RequestError as error:
        assert error.expected == "at least as many frozen weights as pruned ones in each layer"
        return
    assert sum(count.pruned for count in counts) == round(Fraction(str(prune)) * total)
    assert sum(count.pruned + count.locked for count in counts) == round(freeze * total)
    for shape, count in zip(shapes, counts, strict=True):
        assert 0 <= count.pruned <= count.pruned + count.locked <= math.prod(shape)
    if lock == 0:
        assert all(count.locked == 0 for count in counts)


def test_shares_are_of_the_decimal_that_was_written() -> None:
    assert round_share(0.35, 10) == round_share(0.45, 10) == 4  # halves go to the even number
    assert round_share(1.15, 10**17) == 115 * 10**15  # the float beside it is 1.149999999999999911...


def test_the_freezing_ratio_is_added_in_decimals() -> None:
    assert 0.34 + 0.56 > 0.9
    assert layer_counts("epl", [(5, 1)], 0.34, 0.56) == (Counts(2, 2),)  # 1.7 and 4.5, of which 4 is even


@pytest.mark.parametrize(
    "sparsity, freeze, prune, lock",
    [
        (0.5, 0.8, 0.4, 0.4),
        (0.5, 0.5, 0.25, 0.25),
        (0.3, 0.9, 0.25, 0.65),
        (0.7, 0.6, 0.5, 0.1),
        (0.5, 1.0, 0.5, 0.5),
        (0.5, 0.0, 0.0, 0.0),
        (0.1, 0.5, 0.0, 0.5),  # p would be -0.15
        (0.9, 0.5, 0.5, 0.0),  # l would be -0.15
        (0.0, 0.25, 0.0, 0.25),
        (1.0, 0.25, 0.25, 0.0),
    ],
)
def test_placing_the_search_space(sparsity: float, freeze: float, prune: float, lock: float) -> None:
    assert place(sparsity, freeze) == (prune, lock)


@given(decimals, decimals)
@settings(deadline=None, derandomize=True)
def test_the_sparsity_lies_in_the_middle_or_the_search_space_at_an_edge(sparsity: float, freeze: float) -> None:
    prune, lock = (Fraction(str(ratio)) for ratio in place(sparsity, freeze))
    assert prune + lock == Fraction(str(freeze))
    assert prune >= 0 and lock >= 0
    middle = (prune + 1 - lock) / 2
    wanted = Fraction(str(sparsity))
    assert middle == wanted or (prune == 0 and middle > wanted) or (lock == 0 and middle < wanted)


@pytest.mark.parametrize(
    "prune, lock, message",
    [
        (-0.1, 0.5, "the pruning ratio: expected a share in 0..1, found -0.1; choose another"),
        (1.5, 0.0, "the pruning ratio: expected a share in 0..1, found 1.5; choose another"),
        (0.0, float("nan"), "the locking ratio: expected a share in 0..1, found nan; choose another"),
        (
            0.6,
            0.5,
            "the freezing ratio: expected pruning and locking ratios of at most 1 together, found 0.6 + 0.5; "
            "lower one of them",
        ),
    ],
)
def test_ratios_that_cannot_be(prune: float, lock: float, message: str) -> None:
    with pytest.raises(RequestError) as error:
        layer_counts("epl", [(10, 10)], prune, lock)
    assert str(error.value) == message


def test_locking_is_never_negative() -> None:
    # 10 of 26 stay unpruned as 4, 4, 2, of which 9 are searched as 3, 3, 3: by rounding alone, one more in a layer.
    shapes = [(5, 2), (5, 2), (3, 2)]
    assert erdos_renyi_kernel(shapes, 9) == (3, 3, 3)
    assert erdos_renyi_kernel(shapes, 10) == (4, 4, 2)
    with pytest.raises(RequestError) as error:
        layer_counts("erk", shapes, 16 / 26, 1 / 26)
    assert str(error.value) == (
        "ratios 0.615385 and 0.0384615 by ERK: expected at least as many frozen weights as pruned ones in each layer, "
        "found 3 frozen and 4 pruned in a layer (3, 2); "
        "raise the locking ratio, or set it to 0 with another pruning ratio"
    )
