"""The supermask: one bit for each searched position, in the order that the format fixes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.supermask.bits import Bits

layers_of_bits = st.lists(st.lists(st.booleans(), max_size=40), max_size=6)


def supermask(layers: list[list[bool]]) -> Bits:
    return Bits.from_layers([np.array(layer, np.bool_) for layer in layers])


def slow_bytes(bits: list[bool]) -> bytes:
    return sum(bit << j for j, bit in enumerate(bits)).to_bytes(-(-len(bits) // 8), "little")


def test_the_bits_by_hand() -> None:
    found = supermask([[True, True, False], [], [True, False, False, False, False, True, False, True]])
    assert found.to_bytes() == bytes([0b00001011, 0b101])
    assert len(found) == 11


@given(layers_of_bits)
@settings(deadline=None, derandomize=True)
def test_layers_follow_each_other_without_padding(layers: list[list[bool]]) -> None:
    bits = [bit for layer in layers for bit in layer]
    found = supermask(layers)
    assert len(found) == len(bits)
    assert found.to_bytes() == slow_bytes(bits)
    assert found == Bits.from_bytes(slow_bytes(bits), len(bits))


@given(st.lists(st.booleans(), max_size=80), st.data())
@settings(deadline=None, derandomize=True)
def test_any_stretch_can_be_read_and_counted(bits: list[bool], data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(bits))] * 2)))
    found = supermask([bits])
    assert found.read(start, stop).dtype == np.bool_
    assert found.read(start, stop).tolist() == bits[start:stop]
    assert found.count(start, stop) == sum(bits[start:stop])


def test_bytes_behind_the_last_bit_play_no_part() -> None:
    assert Bits.from_bytes(b"\xff\xff", 3) == Bits.from_bytes(b"\x07", 3)
    assert Bits.from_bytes(b"\xff\xff", 3).to_bytes() == b"\x07"


def test_no_layers_and_empty_layers() -> None:
    assert supermask([]).to_bytes() == supermask([[], []]).to_bytes() == b""
    assert len(supermask([])) == 0
    assert supermask([]).read(0, 0).shape == (0,)


def test_it_cannot_be_changed() -> None:
    found = supermask([[True, False, True]])
    with pytest.raises(TypeError):
        found.string[0] = False  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.string = found.string  # type: ignore[misc]
    assert {found: 1}[supermask([[True, False, True]])] == 1
