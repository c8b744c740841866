"""Strings of bits as blocks of 8 with a table of frequencies, all of which follows from the share of ones.

Where ones are few, many blocks are empty: which are
not is written first, as a string of bits like any other, and then only those (docs/format.md, "The codec rans").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .lanes import FREQUENCY_BITS, Reader, Segment, Symbols, Table

BLOCK_BITS = 8
"""Bits that are coded at a time."""
SHARE_BITS = 48
"""Shares of zeros are in units of 2^-48: fine enough for one bit in 2^28, the most weights that are read unasked."""
SPARSE = 7 << (SHARE_BITS - 3)
"""The share of zeros, 7/8, above which empty blocks are left out: a third of the blocks and more."""


@dataclass(frozen=True)
class Level:
    """A string of bits to be coded: a layer's own, or which blocks of such a string are not empty.

    Attributes:
        length: how many bits.
        zeros: the share of zeros to be expected, in units of 2^-48.
    """

    length: int
    zeros: int

    def tables(self, *, sparse: bool) -> Iterator[tuple[int, Table]]:
        """Gives for the whole blocks, then for the bits behind them where there are any: how many, and their table."""
        if whole := self.length // BLOCK_BITS:
            yield whole, table_of(self.zeros, BLOCK_BITS, sparse=sparse)
        if rest := self.length % BLOCK_BITS:
            yield 1, table_of(self.zeros, rest, sparse=sparse)


@lru_cache(maxsize=256)  # the same shares come again and again in divided layers
def table_of(zeros: int, bits: int, *, sparse: bool) -> Table:
    """Works out how often each value of a block comes.

    Args:
        zeros: the share of zeros, in units of 2^-48, in 1..2^48 - 1.
        bits: of the block, 1..8.
        sparse: whether empty blocks are left out.

    Returns:
        The table of the 2^bits values. A value with c ones has 1 and (2^24 - 2^bits) times its probability, rounded
        down; the empty one has nothing where it is left out; the last one has what is over.
    """
    ones, whole = (1 << SHARE_BITS) - zeros, 1 << (SHARE_BITS * bits)
    possible = whole - zeros**bits if sparse else whole
    shared = (1 << FREQUENCY_BITS) - (1 << bits)
    by_count = [1 + shared * ones**count * zeros ** (bits - count) // possible for count in range(bits + 1)]
    frequencies = [by_count[value.bit_count()] for value in range(1 << bits)]
    if sparse:
        frequencies[0] = 0
    frequencies[-1] += (1 << FREQUENCY_BITS) - sum(frequencies)
    return Table.of(frequencies)


@dataclass(frozen=True)
class String:
    """What is known of a string of bits before it is read.

    Attributes:
        level: its length, and the share of its more frequent bit as that of zeros.
        inverted: whether the more frequent bit is the one, so that all bits are inverted.
    """

    level: Level
    inverted: bool

    @classmethod
    def of_share(cls, length: int, ones: int, of: int) -> String:
        """Describes a string by its share of ones.

        Args:
            length: how many bits.
            ones: the share, in units of 1 / of, neither 0 nor all.
            of: all of them.

        Returns:
            The string.
        """
        rarer = min(ones, of - ones)
        return cls(Level(length, ((of - rarer) << SHARE_BITS) // of), 2 * ones > of)

    def levels(self) -> list[Level]:
        """Gives the strings that it is coded as, its own first; each other one is of the blocks of that before it."""
        levels = [self.level]
        while levels[-1].zeros > SPARSE and levels[-1].length > BLOCK_BITS:
            length, zeros = levels[-1].length, levels[-1].zeros
            levels.append(Level(-(-length // BLOCK_BITS), zeros**BLOCK_BITS >> (SHARE_BITS * (BLOCK_BITS - 1))))
        return levels

    def invert(self, data: Symbols) -> Symbols:
        """Inverts the bits where they are to be inverted, but not those that fill the last byte."""
        if not self.inverted:
            return data
        inverted = ~data
        if rest := self.level.length % BLOCK_BITS:
            inverted[-1] &= (1 << rest) - 1
        return inverted


def split(string: String, data: Symbols) -> Iterator[Segment]:
    """Splits a string of bits into segments, in the order in which they are read.

    Args:
        string: what is known of it.
        data: the bits, the least significant of each byte first, zeros filling the last one.

    Yields:
        Blocks and the table that they are coded with.
    """
    levels = string.levels()
    strings = [string.invert(data)]
    while len(strings) < len(levels):
        strings.append(np.packbits(strings[-1] != 0, bitorder="little"))
    sparse = False
    for level, blocks in zip(reversed(levels), reversed(strings), strict=True):
        start = 0
        for count, table in level.tables(sparse=sparse):
            part = blocks[start : start + count]
            yield (part[part != 0] if sparse else part), table
            start += count
        sparse = True


def join(string: String, reader: Reader) -> Symbols:
    """Reads what `split` gave back into a string of bits.

    Args:
        string: what is known of it.
        reader: what its blocks are read from.

    Returns:
        The bits, the least significant of each byte first, zeros filling the last one.

    Raises:
        FormatError: there are too few words.
    """
    coarsest, *finer = reversed(string.levels())
    blocks = np.concatenate([reader.read(count, table) for count, table in coarsest.tables(sparse=False)])
    length = coarsest.length
    for level in finer:
        present = np.unpackbits(blocks, count=length, bitorder="little").view(np.bool_)
        blocks, length, start = np.zeros(length, np.uint8), level.length, 0
        for count, table in level.tables(sparse=True):
            here = present[start : start + count]
            blocks[start : start + count][here] = reader.read(int(np.count_nonzero(here)), table)
            start += count
    return string.invert(blocks)
