"""Streams, against published vectors, golden numbers and a second implementation in plain integers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.source.streams import FREEZING, PIECE, WEIGHTS, Stream, pieces

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())
WORD = 2**64

seeds = st.integers(0, WORD - 1)
layers = st.integers(0, 2**20)
purposes = st.sampled_from([WEIGHTS, FREEZING])
starts = st.one_of(st.integers(0, 300), st.integers(0, 2**40))
lengths = st.integers(0, 300)


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 as Salmon et al. 2011 write it, in integers without a size."""
    first, second, third, fourth = counter
    for number in range(10):
        keys = [(key[0] + number * 0x9E3779B97F4A7C15) % WORD, (key[1] + number * 0xBB67AE8584CAA73B) % WORD]
        high_first, low_first = divmod(0xD2E7470EE14C6C93 * first, WORD)
        high_third, low_third = divmod(0xCA5A826395121157 * third, WORD)
        first, second = high_third ^ second ^ keys[0], low_third
        third, fourth = high_first ^ fourth ^ keys[1], low_first
    return [first, second, third, fourth]


def slow_read(stream: Stream, start: int, stop: int) -> bytes:
    key = [stream.seed, 2 * stream.layer + stream.purpose]
    blocks = range(start // 32, -(-stop // 32))
    words = [word for block in blocks for word in philox([block + 1, 0, 0, 0], key)]
    return b"".join(word.to_bytes(8, "little") for word in words)[start % 32 :][: stop - start]


def words(text: list[str]) -> list[int]:
    return [int(word, 16) for word in text]


@pytest.mark.parametrize("vector", VECTORS["philox4x64_10"])
def test_the_second_implementation_meets_the_published_vectors(vector: dict[str, Any]) -> None:
    assert philox(words(vector["counter"]), words(vector["key"])) == words(vector["out"])


@pytest.mark.parametrize("vector", VECTORS["streams"])
def test_golden_streams(vector: dict[str, Any]) -> None:
    stream = Stream(vector["seed"], vector["layer"], vector["purpose"])
    assert stream.read(0, 64).tobytes().hex() == vector["first_64_bytes"]
    assert hashlib.sha256(stream.read(0, 10_000)).hexdigest() == vector["sha256_of_first_10000_bytes"]


@given(seeds, layers, purposes, starts, lengths)
@settings(deadline=None, derandomize=True)
def test_any_stretch_is_what_plain_integers_give(seed: int, layer: int, purpose: int, start: int, length: int) -> None:
    stream = Stream(seed, layer, purpose)
    assert stream.read(start, start + length).tobytes() == slow_read(stream, start, start + length)


@given(seeds, layers, purposes, st.integers(0, 3000), lengths)
@settings(deadline=None, derandomize=True)
def test_entering_anywhere_gives_the_bytes_of_reading_from_the_start(
    seed: int, layer: int, purpose: int, start: int, length: int
) -> None:
    stream = Stream(seed, layer, purpose)
    whole = stream.read(0, start + length)
    np.testing.assert_array_equal(stream.read(start, start + length), whole[start:])
    np.testing.assert_array_equal(stream.read(0, start), whole[:start])


@given(seeds, starts, lengths)
@settings(deadline=None, derandomize=True)
def test_draws_are_little_endian_groups_of_four_bytes(seed: int, start: int, length: int) -> None:
    stream = Stream(seed, 3, WEIGHTS)
    drawn = stream.draws(start, start + length)
    data = slow_read(stream, 4 * start, 4 * (start + length))
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


@given(seeds, starts, lengths)
@settings(deadline=None, derandomize=True)
def test_bits_come_least_significant_first(seed: int, start: int, length: int) -> None:
    stream = Stream(seed, 3, WEIGHTS)
    first = start // 8
    data = slow_read(stream, first, -(-(start + length) // 8) if length else first)
    bits = stream.bits(start, start + length)
    assert bits.dtype == np.uint8
    assert bits.tolist() == [data[i // 8 - first] >> i % 8 & 1 for i in range(start, start + length)]


def test_what_is_read_may_be_written_over() -> None:
    stream = Stream(1, 2, WEIGHTS)
    for read in (stream.read, stream.draws, stream.bits):
        before = read(3, 40)
        copy = before.copy()
        before[:] = 0
        np.testing.assert_array_equal(read(3, 40), copy)


def test_seed_layer_and_purpose_each_make_another_stream() -> None:
    keys = [(0, 0, WEIGHTS), (1, 0, WEIGHTS), (0, 1, WEIGHTS), (0, 0, FREEZING), (0, 1, FREEZING), (2, 0, WEIGHTS)]
    assert len({Stream(*key).read(0, 32).tobytes() for key in keys}) == len(keys)


@given(st.integers(0, 5 * PIECE), st.integers(0, 5 * PIECE))
@settings(deadline=None, derandomize=True)
def test_pieces_follow_each_other_and_cover_the_stretch(start: int, length: int) -> None:
    cut = list(pieces(start, start + length))
    assert all(0 < last - first <= PIECE for first, last in cut)
    assert [first for first, _ in cut] == [start, *(last for _, last in cut)][: len(cut)]
    assert sum(last - first for first, last in cut) == length
