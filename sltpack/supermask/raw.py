"""The codec "raw": a plane's bits as they are."""

from __future__ import annotations

from collections.abc import Sequence

from ..format import payload as payloads
from ..format.records import LayerBits
from .bits import Bits


class Raw:
    """One bit for each position of a plane's population."""

    def encode(self, bits: Bits, layers: Sequence[LayerBits]) -> bytes:
        """Write the bits as they are."""
        return bits.to_bytes()

    def decode(self, data: bytes, layers: Sequence[LayerBits], where: object) -> Bits:
        """Read the bits as they are, once their number and the padding have been checked."""
        found = payloads.take_apart("raw", data, layers, where).raw
        return Bits.from_bytes(found, sum(layer.length for layer in layers))
