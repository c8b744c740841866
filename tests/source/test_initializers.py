"""Initial weights, against golden numbers and the formula in exact fractions."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.format.records import INITS, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.source.initializers import scale_of, step, step_of, units
from sltpack.source.streams import WEIGHTS, Stream

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())

counts = st.integers(1, 2**62)


def layer_of(shape: tuple[int, ...], kept: int) -> Layer:
    return Layer(("layer",), shape, 0, 0, 0, 0, kept)


def source_of(init: str, scale: str, *layers: Layer) -> Source:
    return Source(ModelSpec("test", {}), init, scale, Seeds(1, 2), Ratios("epl", 0.0, 0.0), layers)


def float32(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


@pytest.mark.parametrize("vector", VECTORS["weights"])
def test_golden_weights(vector: dict[str, Any]) -> None:
    shape = vector["shape"]
    factor = step(vector["init"], math.prod(shape[1:]), tuple(vector["scale_squared"]))
    weights = units(vector["init"], vector["seed"], vector["layer"], 0, math.prod(shape)) * factor
    assert weights.dtype == np.float32
    assert [struct.pack(">f", weight).hex() for weight in weights[:12]] == vector["first"]
    assert hashlib.sha256(weights.astype("<f4").tobytes()).hexdigest() == vector["sha256"]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2000), st.integers(0, 200))
@settings(deadline=None, derandomize=True)
def test_ku_units_are_the_odd_integers_of_the_draws(seed: int, start: int, length: int) -> None:
    drawn = Stream(seed, 4, WEIGHTS).draws(start, start + length).tolist()
    found = units("ku", seed, 4, start, start + length)
    assert found.dtype == np.float32
    assert found.tolist() == [2 * (draw >> 8) + 1 - 2**24 for draw in drawn]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2000), st.integers(0, 200))
@settings(deadline=None, derandomize=True)
def test_skc_units_are_the_signs_of_the_bits(seed: int, start: int, length: int) -> None:
    bits = Stream(seed, 4, WEIGHTS).bits(start, start + length).tolist()
    found = units("skc", seed, 4, start, start + length)
    assert found.dtype == np.float32
    assert found.tolist() == [-1.0 if bit else 1.0 for bit in bits]


def test_every_draw_gives_an_exact_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    extremes = np.array([0, 255, 256, 2**31 - 1, 2**31, 2**32 - 257, 2**32 - 256, 2**32 - 1], np.uint32)
    monkeypatch.setattr(Stream, "draws", lambda *_: extremes.copy())
    wanted = [1 - 2**24, 1 - 2**24, 3 - 2**24, -1, 1, 2**24 - 3, 2**24 - 1, 2**24 - 1]
    assert units("ku", 0, 0, 0, 8).tolist() == wanted


@given(st.integers(1, 2**40), counts, counts)
@settings(deadline=None, derandomize=True)
def test_the_step_is_one_exact_division_and_one_root(fan_in: int, a: int, b: int) -> None:
    skc = math.sqrt(float(Fraction(2 * a, fan_in * b)))
    ku = math.sqrt(float(Fraction(6 * a, fan_in * b))) * 2.0**-24
    assert step("skc", fan_in, (a, b)) == float32(skc)
    assert step("ku", fan_in, (a, b)) == float32(ku)
    assert step("ku", fan_in, (a, b)).dtype == step("skc", fan_in, (a, b)).dtype == np.float32


def test_nothing_is_rounded_before_the_one_division() -> None:
    # The root lies in the middle between two float32 numbers, so that any earlier rounding shows.
    root = 3 * 2**23 + 3
    a, b = 49 * root**2, 2**51
    assert step("skc", 49, (a, b)) == float32(root * 2.0**-25)
    assert step("skc", 49, (a, b)) != float32(math.sqrt(2 / 49 * a / b))
    assert step("ku", 3 * 49, (a, b)) == float32(root * 2.0**-49)
    assert step("ku", 3 * 49, (a, b)) != float32(math.sqrt(6 / (3 * 49) * a / b) * 2.0**-24)


@pytest.mark.parametrize("init", INITS)
def test_nothing_kept_gives_a_step_of_zero_where_the_scale_is_by_the_kept(init: str) -> None:
    layers = (layer_of((4, 9), 0), layer_of((4, 9), 3))
    assert step(init, 9, (100, 0)) == 0
    assert step_of(source_of(init, "layer", *layers), 0) == 0
    assert step_of(source_of(init, "none", *layers), 0) == step(init, 9, (1, 1)) > 0
    assert step_of(source_of(init, "global", *layers), 0) == step(init, 9, (72, 3)) > 0
    assert step_of(source_of(init, "global", layers[0]), 0) == 0


def test_scales() -> None:
    layers = (layer_of((4, 9), 12), layer_of((10, 4), 7))
    assert scale_of(source_of("ku", "none", *layers), layers[0]) == (1, 1)
    assert scale_of(source_of("ku", "layer", *layers), layers[0]) == (36, 12)
    assert scale_of(source_of("ku", "layer", *layers), layers[1]) == (40, 7)
    both = source_of("ku", "global", *layers)
    assert scale_of(both, layers[0]) == scale_of(both, layers[1]) == (76, 19)


@pytest.mark.parametrize("scale, a, b", [("none", 1, 1), ("layer", 40, 7), ("global", 76, 19)])
@pytest.mark.parametrize("init", INITS)
def test_the_step_of_a_layer_takes_its_fan_in_and_scale(init: str, scale: str, a: int, b: int) -> None:
    source = source_of(init, scale, layer_of((4, 9), 12), layer_of((10, 2, 2), 7))
    assert step_of(source, 1) == step(init, 4, (a, b))


def test_the_step_of_signs_without_a_stream_is_that_of_skc() -> None:
    layers = (layer_of((4, 9), 12),)
    assert step_of(source_of("none", "layer", *layers), 0) == step_of(source_of("skc", "layer", *layers), 0) > 0


def test_a_stored_step_is_used_as_it_is() -> None:
    source = source_of("ku", "stored", layer_of((4, 9), 12), layer_of((10, 4), 7))
    steps = np.array([0.25, 1e-42], np.float32)
    assert [step_of(source, index, steps) for index in (0, 1)] == steps.tolist()


@pytest.mark.parametrize("init", INITS)
def test_with_coats_the_scale_is_by_the_squares_of_the_multiplicities(init: str) -> None:
    layers = tuple(replace(layer, further=(3, 2)) for layer in (layer_of((4, 9), 12), layer_of((10, 4), 7)))
    source = replace(source_of(init, "layer", *layers), planes=("coat 2", "coat 3"))
    squares = [9 * 1 + 1 * 4 + 2 * 9, 4 * 1 + 1 * 4 + 2 * 9]
    assert [scale_of(source, layer) for layer in layers] == [(36, squares[0]), (40, squares[1])]
    assert scale_of(replace(source, scale="global"), layers[0]) == (76, sum(squares))
    signed = replace(source, planes=("coat 2", "sign"))  # signs do not count
    assert scale_of(signed, layers[0]) == (36, 9 * 1 + 3 * 4)
