"""Seeded byte streams: the only randomness in a ticket (DESIGN of the format: docs/format.md, "Streams").

A stream is an endless string of bytes. Its block b, 32 bytes, is Philox4x64-10 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") at counter (b + 1, 0, 0, 0) and key (seed, 2 * layer + purpose). Being counter-based, it
can be entered anywhere at the same cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEIGHTS = 0
"""The purpose of a stream that weights are read from."""
FREEZING = 1
"""The purpose of a stream that freezing keys are read from."""
PIECE = 1 << 16
"""Positions that are worked on at a time: enough that the start of a generator costs little beside their draws, few
enough that draws and masks stay in a core's caches."""
_BLOCK_BYTES = 32
_WORD_BYTES = 8


@dataclass(frozen=True)
class Stream:
    """The stream of one layer for one purpose.

    Attributes:
        seed: 64 bits.
        layer: the searchable layer's number, from 0.
        purpose: `WEIGHTS` or `FREEZING`.
    """

    seed: int
    layer: int
    purpose: int

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read a stretch of the stream.

        Args:
            start: the first byte.
            stop: the byte behind the last one.

        Returns:
            The bytes, uint8 [stop - start].
        """
        block = start // _BLOCK_BYTES
        skipped = start - block * _BLOCK_BYTES
        words = -(-(stop - start + skipped) // _WORD_BYTES)
        # NumPy counts up before it draws, so this counter gives the block at counter block + 1.
        key = np.array([self.seed, 2 * self.layer + self.purpose], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=block).random_raw(words)
        return raw.astype("<u8", copy=False).view(np.uint8)[skipped : skipped + stop - start]

    def draws(self, start: int, stop: int) -> NDArray[np.uint32]:
        """Read 32 bits for each position.

        Args:
            start: the first position.
            stop: the position behind the last one.

        Returns:
            Draw i from the bytes 4i..4i+3, little-endian, uint32 [stop - start].
        """
        return self.read(4 * start, 4 * stop).view("<u4").astype(np.uint32, copy=False)

    def bits(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read one bit for each position.

        Args:
            start: the first position.
            stop: the position behind the last one.

        Returns:
            Bit (i mod 8), least significant first, of byte floor(i / 8): 0 or 1, uint8 [stop - start].
        """
        first = start // 8
        unpacked = np.unpackbits(self.read(first, -(-stop // 8)), bitorder="little")
        return unpacked[start - 8 * first : stop - 8 * first]


def pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut a stretch of positions into pieces that fit the cache.

    Yields:
        The first position of each piece and the one behind its last.
    """
    for first in range(start, stop, PIECE):
        yield first, min(first + PIECE, stop)
