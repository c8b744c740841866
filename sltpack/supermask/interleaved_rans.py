"""Range asymmetric numeral systems (Duda 2013, "Asymmetric numeral systems") over several lanes at a time.

Symbols are shared out over the lanes, each with a state of its own, so that one NumPy operation works on all of them.
Everything is in integers (docs/format.md, "The codec rans").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import damaged
from ..source.streams import pieces

FREQUENCY_BITS = 24
"""The frequencies of a table add up to 2^24."""
WORD_BITS = 32
LOWEST_STATE = 2**32
"""What every lane ends with; between two symbols, a state is in 2^32..2^64 - 1."""

Symbols = NDArray[np.uint8]


@dataclass(frozen=True)
class Table:
    """How often each symbol comes, in units of 2^-24.

    Attributes:
        frequencies: uint64, one for each symbol; they add up to 2^24.
        starts: uint64, the sum of the frequencies of all symbols before each.
    """

    frequencies: NDArray[np.uint64]
    starts: NDArray[np.uint64]

    @classmethod
    def of(cls, frequencies: Sequence[int]) -> Table:
        """Make a table of frequencies that add up to 2^24; a symbol with none is never coded."""
        values = np.array(frequencies, np.uint64)
        return cls(values, np.cumsum(values) - values)


Segment = tuple[Symbols, Table]
"""Symbols and the table that they are coded with."""


class Reader:
    """Reads symbols from words.

    Args:
        states: uint64 [lanes], what the lanes begin with; they change as symbols are read.
        words: uint32 [words].
        where: what to name in an error.

    Raises:
        FormatError: a state is too small.
    """

    def __init__(self, states: NDArray[np.uint64], words: NDArray[np.uint32], where: object) -> None:
        self._states, self._words, self._where, self._position = states, words, where, 0
        if np.any(states < LOWEST_STATE):
            raise damaged(self._where, "states of at least 2^32", "a smaller one")

    def read(self, count: int, table: Table) -> Symbols:
        """Read symbols, the first of them in the first lane.

        Args:
            count: how many.
            table: what they are coded with.

        Returns:
            uint8 [count].

        Raises:
            FormatError: there are too few words.
        """
        symbols = np.empty(count, np.uint8)
        frequencies, starts, words, position = table.frequencies, table.starts, self._words, self._position
        ends = starts + frequencies
        mask, shift = np.uint64((1 << FREQUENCY_BITS) - 1), np.uint64(FREQUENCY_BITS)
        word_shift, lowest = np.uint64(WORD_BITS), np.uint64(LOWEST_STATE)
        lanes = self._states.size
        for first in range(0, count, lanes):
            states = self._states[: count - first]
            slots = states & mask
            found = ends.searchsorted(slots, "right")
            symbols[first : first + lanes] = found
            states >>= shift
            states *= frequencies.take(found)
            slots -= starts.take(found)
            states += slots
            low = (states < lowest).nonzero()[0]
            if low.size:
                taken = words[position : position + low.size]
                if taken.size < low.size:
                    raise damaged(self._where, "more words", f"only {words.size}")
                states[low] = states[low] << word_shift | taken
                position += low.size
        self._position = position
        return symbols

    def finish(self) -> None:
        """Make sure that nothing is left: with this, no other words and states give the same symbols.

        Raises:
            FormatError: words are left, or a lane does not end as it has to.
        """
        if self._position != self._words.size:
            raise damaged(self._where, f"{self._position} words", f"{self._words.size}")
        if np.any(self._states != LOWEST_STATE):
            raise damaged(self._where, "lanes that end with the state 2^32", "another state")


def write(segments: Sequence[Segment], lanes: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Write symbols, the last one first, since a state gives back first what it took last.

    Args:
        segments: in the order in which they are read; each begins in the first lane.
        lanes: how many.

    Returns:
        The states that a reader begins with, uint64 [lanes], and the words in the order in which it takes them, uint32.
    """
    states = np.full(lanes, LOWEST_STATE, np.uint64)
    words = [np.zeros(0, np.uint32)]
    shift, word_shift = np.uint64(FREQUENCY_BITS), np.uint64(WORD_BITS)
    # From frequency * 2^40 on, the next state would need more than 64 bits.
    room = np.uint64(2 * WORD_BITS - FREQUENCY_BITS)
    for symbols, table in reversed(segments):
        for first in reversed(range(0, symbols.size, lanes)):
            part = symbols[first : first + lanes]
            here = states[: part.size]
            frequencies = table.frequencies.take(part)
            high = (here >> room >= frequencies).nonzero()[0]
            if high.size:
                full = here[high]
                words.append(full.astype(np.uint32))  # the low half
                here[high] = full >> word_shift
            quotients = here // frequencies
            here -= quotients * frequencies
            here += table.starts.take(part)
            quotients <<= shift
            here += quotients
    return states, np.concatenate(words[::-1])


def bits_of(segments: Sequence[Segment]) -> int:
    """Tell how many bits symbols take, or a few more, and in integers, so that it is the same on every machine."""
    total = 0
    for symbols, table in segments:
        counts = np.zeros(table.frequencies.size, np.int64)
        for start, stop in pieces(0, symbols.size):  # which NumPy makes eight times as large to count
            counts += np.bincount(symbols[start:stop], minlength=counts.size)
        by_frequency: dict[int, int] = {}
        for count, frequency in zip(counts.tolist(), table.frequencies.tolist(), strict=True):
            if count:
                by_frequency[frequency] = by_frequency.get(frequency, 0) + count
        for frequency, count in by_frequency.items():
            # The bits of a 256th power, less one, are 256 times the logarithm to base 2, rounded down.
            total += count * (256 * FREQUENCY_BITS + 1 - (frequency**256).bit_length())
    return -(-total // 256)
