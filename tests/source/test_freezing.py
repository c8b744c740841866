"""The freezing mask: golden numbers, thresholds, ties, and stretches of a layer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.format.records import THRESHOLD_ONE, Layer
from sltpack.source import streams
from sltpack.source.freezing import LOCKED, PRUNED, SEARCHED, below, freeze, mask, threshold
from sltpack.source.ratios import Counts
from sltpack.source.streams import FREEZING, Stream

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())

keys_of_few_kinds = st.lists(st.integers(0, 4) | st.integers(2**32 - 3, 2**32 - 1), min_size=1, max_size=40)


def layer_of(size: int, prune_threshold: int, freeze_threshold: int) -> Layer:
    return Layer(("layer",), (size, 1), prune_threshold, freeze_threshold, 0, 0, 0)


@pytest.mark.parametrize("vector", VECTORS["freezing"])
def test_golden_thresholds_counts_and_masks(vector: dict[str, Any]) -> None:
    index, size = vector["layer"], vector["n"]
    nothing = Counts(0, 0)
    wanted = [nothing] * index + [Counts(vector["pruned"], vector["locked"])]
    shapes = [(1, 1)] * index + [(size, 1)]
    layer = freeze(vector["seed"], [f"layer{number}" for number in range(index + 1)], shapes, wanted)[index]
    assert (layer.prune_threshold, layer.freeze_threshold) == (vector["T_p"], vector["T_f"])
    assert (layer.pruned, layer.locked, layer.kept) == (vector["pruned"], vector["locked"], vector["locked"])
    assert (layer.name, layer.shape) == (f"layer{index}", (size, 1))
    found = mask(vector["seed"], index, layer, 0, size)
    assert found.dtype == np.int8
    assert found[:24].tolist() == vector["first"]
    assert hashlib.sha256(found.tobytes()).hexdigest() == vector["sha256_of_int8"]


@given(keys_of_few_kinds, st.data())
@settings(deadline=None, derandomize=True)
def test_the_threshold_is_the_next_key_in_order(keys: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(keys)))
    found = threshold(np.array(keys, np.uint32), count)
    assert found == [*sorted(keys), THRESHOLD_ONE][count]
    frozen = below(np.array(keys, np.uint32), found)
    assert frozen.dtype == np.bool_
    assert frozen.tolist() == [key < found for key in keys]
    assert frozen.sum() <= count


@given(keys_of_few_kinds, st.data())
@settings(deadline=None, derandomize=True)
def test_where_keys_tie_the_true_counts_are_told(keys: list[int], data: st.DataObject) -> None:
    pruned = data.draw(st.integers(0, len(keys)))
    locked = data.draw(st.integers(0, len(keys) - pruned))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "draws", lambda _, start, stop: np.array(keys[start:stop], np.uint32))
        (layer,) = freeze(0, ["layer"], [(len(keys), 1)], [Counts(pruned, locked)])
        found = mask(0, 0, layer, 0, len(keys)).tolist()
    assert layer.pruned == found.count(PRUNED) <= pruned
    assert layer.locked == layer.kept == found.count(LOCKED)
    assert layer.searched == found.count(SEARCHED) >= len(keys) - pruned - locked
    if len(set(keys)) == len(keys):
        assert (layer.pruned, layer.locked) == (pruned, locked)


def test_a_tie_at_the_threshold_freezes_none_of_the_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [9, 5, 5, 1, 7, 7]
    monkeypatch.setattr(Stream, "draws", lambda _, start, stop: np.array(keys[start:stop], np.uint32))
    (layer,) = freeze(0, ["layer"], [(6, 1)], [Counts(2, 2)])
    assert (layer.prune_threshold, layer.freeze_threshold, layer.pruned, layer.locked) == (5, 7, 1, 2)
    assert mask(0, 0, layer, 0, 6).tolist() == [SEARCHED, LOCKED, LOCKED, PRUNED, SEARCHED, SEARCHED]


@pytest.mark.parametrize(
    "prune, freeze_at, value",
    [(THRESHOLD_ONE, THRESHOLD_ONE, PRUNED), (0, THRESHOLD_ONE, LOCKED), (0, 0, SEARCHED)],
)
def test_thresholds_of_nothing_and_of_all(prune: int, freeze_at: int, value: int) -> None:
    highest = np.array([0, 2**32 - 1], np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "draws", lambda *_: highest)
        assert mask(0, 0, layer_of(2, prune, freeze_at), 0, 2).tolist() == [value, value]


@given(st.integers(0, 2**64 - 1), st.integers(0, 300), st.integers(0, 300), st.lists(st.integers(0, 2**32), min_size=2))
@settings(deadline=None, derandomize=True)
def test_a_stretch_of_the_mask_is_a_slice_of_it(seed: int, start: int, length: int, limits: list[int]) -> None:
    layer = layer_of(600, *sorted(limits)[:2])
    keys = Stream(seed, 5, FREEZING).draws(0, 600).tolist()
    whole = [PRUNED if u < layer.prune_threshold else LOCKED if u < layer.freeze_threshold else 0 for u in keys]
    assert mask(seed, 5, layer, start, start + length).tolist() == whole[start : start + length]


def test_the_size_of_a_piece_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = freeze(3, ["a", "b"], [(50, 7), (9, 9)], [Counts(100, 50), Counts(0, 30)])
    masks = [mask(3, index, layer, 0, layer.size) for index, layer in enumerate(layers)]
    monkeypatch.setattr(streams, "PIECE", 13)
    assert freeze(3, ["a", "b"], [(50, 7), (9, 9)], [Counts(100, 50), Counts(0, 30)]) == layers
    for index, layer in enumerate(layers):
        np.testing.assert_array_equal(mask(3, index, layer, 0, layer.size), masks[index])
