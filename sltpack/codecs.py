"""How the supermask's bits are written into a file: a codec is an identifier, `encode` and `decode`."""

from __future__ import annotations

from typing import Protocol

from .header import Source
from .supermask import Supermask


class Codec(Protocol):
    """One way to write a supermask; the source tells how many bits each layer has and how many of them are ones."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes the bits.

        Args:
            supermask: all bits of the ticket.
            source: the layers they belong to.

        Returns:
            The bytes of the file's tensor `supermask`.
        """

    def decode(self, data: bytes, source: Source) -> Supermask:
        """Reads the bits back.

        Args:
            data: what `encode` gave, from a checked container.
            source: the layers they belong to.

        Returns:
            The supermask.
        """


class Raw:
    """One bit for each searched position."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes the bits as they are."""
        return supermask.to_bytes()

    def decode(self, data: bytes, source: Source) -> Supermask:
        """Reads the bits as they are; the container has checked their number and the padding."""
        return Supermask.from_bytes(data, source.searched)


CODECS: dict[str, Codec] = {"raw": Raw()}
