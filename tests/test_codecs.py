"""One battery that every codec passes: whatever the bits, what was written is read back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack import header
from sltpack.codecs import CODECS
from sltpack.header import THRESHOLD_ONE, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.supermask import Supermask

layers_of_bits = st.lists(st.lists(st.booleans(), max_size=60), min_size=1, max_size=5)


def source_of(layers: list[list[bool]]) -> Source:
    """A source whose layers have as many searched positions as there are bits, and as many kept ones as ones."""
    rows = []
    for number, bits in enumerate(layers):
        # A layer has at least one weight: where nothing is searched, all of it is pruned.
        threshold, pruned = (0, 0) if bits else (THRESHOLD_ONE, 1)
        shape = (max(len(bits), 1), 1)
        rows.append(Layer(f"layer{number}", shape, threshold, threshold, pruned, 0, sum(bits)))
    return Source(ModelSpec("test", {}), "skc", "none", Seeds(1, 2), Ratios("epl", 0.0, 0.0), tuple(rows))


def assert_round_trip(codec: str, layers: list[list[bool]]) -> None:
    supermask = Supermask.from_layers([np.array(bits, np.bool_) for bits in layers])
    source = source_of(layers)
    data = CODECS[codec].encode(supermask, source)
    assert isinstance(data, bytes)
    assert CODECS[codec].encode(supermask, source) == data
    assert CODECS[codec].decode(data, source) == supermask


def scattered(length: int, density: float) -> list[bool]:
    rng = random.Random(length)
    return [rng.random() < density for _ in range(length)]


PATTERNS = {
    "zeros": lambda length: [False] * length,
    "ones": lambda length: [True] * length,
    "alternating": lambda length: [j % 2 == 1 for j in range(length)],
    "a zero at the end": lambda length: [j < length - 1 for j in range(length)],
    "a one at the end": lambda length: [j == length - 1 for j in range(length)],
    "runs": lambda length: [j // 9 % 2 == 1 for j in range(length)],
    **{f"density {d}": lambda length, d=d: scattered(length, d) for d in (0.01, 0.1, 0.5, 0.9, 0.99)},
}


def test_the_codecs_are_those_that_the_header_knows() -> None:
    assert tuple(CODECS) == header.CODECS


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_at_all_short_lengths(codec: str, pattern: str) -> None:
    for length in range(71):
        assert_round_trip(codec, [PATTERNS[pattern](length)])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_of_layers_of_different_lengths(codec: str, pattern: str) -> None:
    assert_round_trip(codec, [PATTERNS[pattern](length) for length in (0, 1, 7, 8, 0, 5000, 9, 0)])


@pytest.mark.parametrize("codec", CODECS)
@given(layers=layers_of_bits)
@settings(deadline=None, derandomize=True)
def test_round_trip_of_anything(codec: str, layers: list[list[bool]]) -> None:
    assert_round_trip(codec, layers)


def test_raw_is_the_bits_themselves() -> None:
    layers = [[True, True, False], [True, False, False, False, False, True, False, True]]
    supermask = Supermask.from_layers([np.array(bits, np.bool_) for bits in layers])
    assert CODECS["raw"].encode(supermask, source_of(layers)) == bytes([0b00001011, 0b101])
