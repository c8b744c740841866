"""The bits of a plane, such as the supermask: layer after layer, without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from bitarray import bitarray, frozenbitarray
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bits:
    """An immutable string of bits; bit j is bit (j mod 8), least significant first, of byte floor(j / 8)."""

    string: frozenbitarray = field(repr=False)

    @classmethod
    def from_layers(cls, layers: Sequence[NDArray[np.bool_]]) -> Bits:
        """Put the layers' bits one behind the other.

        Args:
            layers: for each layer, one bool for each position of the plane's population, in ascending order.

        Returns:
            The bits.
        """
        bits = np.concatenate([np.asarray(layer, np.bool_) for layer in layers]) if layers else np.zeros(0, np.bool_)
        return cls.from_bytes(np.packbits(bits, bitorder="little").tobytes(), bits.size)

    @classmethod
    def from_bytes(cls, data: bytes, length: int) -> Bits:
        """Read the bits back.

        Args:
            data: bytes as `to_bytes` gives them.
            length: how many of their bits there are.

        Returns:
            The bits.
        """
        string = bitarray(endian="little")
        string.frombytes(data)
        return cls(frozenbitarray(string[:length]))

    @classmethod
    def from_pieces(cls, pieces: Iterable[tuple[bytes, int]]) -> Bits:
        """Put strings of bits one behind the other.

        Args:
            pieces: bytes as `piece` gives them, and how many of their bits there are.

        Returns:
            The bits.
        """
        string = bitarray(endian="little")
        for data, length in pieces:
            added = bitarray(endian="little")
            added.frombytes(data)
            string += added[:length]
        return cls(frozenbitarray(string))

    def to_bytes(self) -> bytes:
        """Return the bytes; zero bits fill the last one."""
        return self.string.tobytes()

    def __len__(self) -> int:
        return len(self.string)

    def count(self, start: int, stop: int) -> int:
        """Count ones.

        Args:
            start: the first bit.
            stop: the bit behind the last one.

        Returns:
            How many of these bits are 1.
        """
        return self.string.count(1, start, stop)

    def piece(self, start: int, stop: int) -> bytes:
        """Return a stretch of the bits as bytes, of which the first begins with the first bit.

        Args:
            start: the first bit.
            stop: the bit behind the last one.

        Returns:
            The bytes; zero bits fill the last one.
        """
        return self.string[start:stop].tobytes()

    def read(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return a stretch of the bits.

        Args:
            start: the first bit.
            stop: the bit behind the last one.

        Returns:
            bool [stop - start].
        """
        # bitarray's own unpack branches on every bit, which random bits make slow.
        held = np.frombuffer(memoryview(self.string), np.uint8)[start // 8 : -(-stop // 8)]
        return np.unpackbits(held, bitorder="little")[start % 8 :][: stop - start].view(np.bool_)
