"""The codec "rans": an entropy code for the bits of a plane (docs/format.md, "The codec rans").

A layer's only parameter is its density, which the header tells. Its bits are coded in blocks of 8, whose frequencies
follow from the density. Where ones are few, many blocks are empty: which are not is coded first, as a string of bits
like any other, and then only those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..format import payload as payloads
from ..format.payload import CODED, MAX_LANES, RAW, Payload
from ..format.records import LayerBits
from . import interleaved_rans as lanes
from .bits import Bits
from .interleaved_rans import FREQUENCY_BITS, Reader, Segment, Symbols, Table

BLOCK_BITS = 8
SHARE_BITS = 32
"""Shares of zeros are in units of 2^-32: fine enough for one bit in 2^32, and no product of two needs over 64 bits."""
SPARSE = 7 << (SHARE_BITS - 3)
"""The share of zeros, 7/8, above which empty blocks are left out: a third of the blocks and more."""
LANE_SYMBOLS = 2**10
LANE_BITS = 2**16
FIRST_LANES = 6
"""A lane costs 6 bytes or so, and each one more makes for fewer, longer NumPy operations: at most six in a small
supermask, one more for each 8 KiB of a large one (0.07 %), and none with fewer than 1,024 blocks to itself."""


class Rans:
    """Fewer bits than one for each position, by the density of each layer."""

    def encode(self, bits: Bits, layers: Sequence[LayerBits]) -> bytes:
        """Write each layer in the way that its counts call for."""
        ways = tuple(payloads.way_of(layer) for layer in layers)
        raw, segments, start = [], list[Segment](), 0
        for layer, way in zip(layers, ways, strict=True):
            part = bits.piece(start, start + layer.length)
            if way == RAW:
                raw.append((part, layer.length))
            elif way == CODED:
                segments += split(_string_of(layer), _with_fewer_ones(layer, np.frombuffer(part, np.uint8)))
            start += layer.length
        count = lane_count(sum(symbols.size for symbols, _ in segments), lanes.bits_of(segments))
        states, words = lanes.write(segments, count)
        plain = Bits.from_pieces(raw).to_bytes()
        return Payload(ways, plain, states.astype("<u8").tobytes(), words.astype("<u4").tobytes()).to_rans()

    def decode(self, data: bytes, layers: Sequence[LayerBits], where: object) -> Bits:
        """Read the layers back, and make sure that every lane ends where it has to."""
        found = payloads.take_apart("rans", data, layers, where)
        states = np.frombuffer(found.states, "<u8").astype(np.uint64)
        reader = Reader(states, np.frombuffer(found.words, "<u4"), where)
        raw, start, pieces = Bits.from_bytes(found.raw, 8 * len(found.raw)), 0, []
        for layer, way in zip(layers, found.ways, strict=True):
            if way == RAW:
                part = raw.piece(start, start + layer.length)
                start += layer.length
            elif way == CODED:
                part = _with_fewer_ones(layer, join(_string_of(layer), reader)).tobytes()
            else:
                part = (b"\xff" if layer.ones else b"\0") * -(-layer.length // 8)
            pieces.append((part, layer.length))
        reader.finish()
        return Bits.from_pieces(pieces)


def lane_count(symbols: int, bits: int) -> int:
    """Choose how many lanes are written.

    Args:
        symbols: of all segments.
        bits: that they take.

    Returns:
        A number that `payloads.fewest_lanes` of those bits does not pass; 0 where there are no symbols.
    """
    return min(1 + symbols // LANE_SYMBOLS, FIRST_LANES + bits // LANE_BITS, MAX_LANES) if symbols else 0


@dataclass(frozen=True)
class BitString:
    """What is known of a string of bits before it is read.

    Attributes:
        length: how many bits.
        zeros: the share of zeros to be expected, in units of 2^-32, in 1..2^32 - 1.
    """

    length: int
    zeros: int

    @property
    def sparse(self) -> bool:
        """Whether empty blocks are left out, and a string of its own tells which these are."""
        return self.zeros > SPARSE and self.length >= BLOCK_BITS

    def presence(self) -> BitString:
        """Return the string that tells which of the whole blocks are not empty."""
        return BitString(self.length // BLOCK_BITS, _chance(self.zeros, BLOCK_BITS, 0))


def table_of(zeros: int, bits: int, *, sparse: bool) -> Table:
    """Work out how often each value of a block comes.

    Args:
        zeros: the share of zeros, in units of 2^-32, in 1..2^32 - 1.
        bits: of the block, 1..8.
        sparse: whether empty blocks are left out.

    Returns:
        The table of the 2^bits values. A value with c ones has 1 and (2^24 - 2^bits) times its probability, rounded
        down; the empty one has nothing where it is left out; the last one has what is over.
    """
    shared = (1 << FREQUENCY_BITS) - (1 << bits)
    if sparse:
        # Every chance is divided by the share of ones, o, so that nothing is lost where that is a few units. Their sum
        # is then (1 - z^r) / o, with z for the share of zeros, which is 1 + z + ... + z^(r - 1).
        possible = sum(_chance(zeros, count, 0) for count in range(bits))
        chances = [0, *(_chance(zeros, bits - count, count - 1) for count in range(1, bits + 1))]
    else:
        possible = 1 << SHARE_BITS
        chances = [_chance(zeros, bits - count, count) for count in range(bits + 1)]
    by_ones = [1 + shared * chance // possible for chance in chances]
    frequencies = [by_ones[value.bit_count()] for value in range(1 << bits)]
    if sparse:
        frequencies[0] = 0
    frequencies[-1] += (1 << FREQUENCY_BITS) - sum(frequencies)
    return Table.of(frequencies)


def _chance(zeros: int, zero_count: int, one_count: int) -> int:
    """Return the probability of so many zeros and ones in units of 2^-32, rounded down after each, the zeros first."""
    chance = 1 << SHARE_BITS
    for _ in range(zero_count):
        chance = chance * zeros >> SHARE_BITS
    for _ in range(one_count):
        chance = chance * ((1 << SHARE_BITS) - zeros) >> SHARE_BITS
    return chance


def split(string: BitString, blocks: Symbols) -> Iterator[Segment]:
    """Split a string of bits into segments, in the order in which they are read.

    Args:
        string: what is known of it.
        blocks: its bits, the least significant of each byte first, zeros filling the last one.

    Yields:
        Blocks and the table that they are coded with: the whole ones, then the bits behind them, where there are any.
    """
    whole, rest = divmod(string.length, BLOCK_BITS)
    body = blocks[:whole]
    if string.sparse:
        present = body != 0
        yield from split(string.presence(), np.packbits(present, bitorder="little"))
        body = body[present]
    yield body, table_of(string.zeros, BLOCK_BITS, sparse=string.sparse)
    if rest:
        yield blocks[whole:], table_of(string.zeros, rest, sparse=False)


def join(string: BitString, reader: Reader) -> Symbols:
    """Read what `split` gave back into a string of bits.

    Args:
        string: what is known of it.
        reader: what its blocks are read from.

    Returns:
        The bits, the least significant of each byte first, zeros filling the last one.

    Raises:
        FormatError: there are too few words.
    """
    whole, rest = divmod(string.length, BLOCK_BITS)
    table = table_of(string.zeros, BLOCK_BITS, sparse=string.sparse)
    if string.sparse:
        present = np.unpackbits(join(string.presence(), reader), count=whole, bitorder="little").view(np.bool_)
        blocks = np.zeros(whole, np.uint8)
        blocks[present] = reader.read(int(np.count_nonzero(present)), table)
    else:
        blocks = reader.read(whole, table)
    return np.append(blocks, reader.read(1, table_of(string.zeros, rest, sparse=False))) if rest else blocks


def _string_of(layer: LayerBits) -> BitString:
    """Return what is known of a layer's bits as they are coded, inverted where most of them are ones."""
    return BitString(layer.length, (max(layer.ones, layer.length - layer.ones) << SHARE_BITS) // layer.length)


def _with_fewer_ones(layer: LayerBits, blocks: Symbols) -> Symbols:
    """Invert a layer's bits where most of them are ones, but not those that fill the last byte."""
    if 2 * layer.ones <= layer.length:
        return blocks
    inverted = ~blocks
    if rest := layer.length % BLOCK_BITS:
        inverted[-1] &= (1 << rest) - 1
    return inverted
