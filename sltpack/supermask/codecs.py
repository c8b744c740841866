"""How the supermask's bits are written into a file: a codec is an identifier, `encode` and `decode`."""

from __future__ import annotations

from typing import Protocol

from ..errors import RequestError, damaged
from ..format import payload as payloads
from ..format.records import Source
from .bits import Supermask
from .rans import Rans

AUTO = "auto"
"""Not a codec of a file, but the choice of the one that makes the smaller file."""


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

    def decode(self, data: bytes, source: Source, where: object) -> Supermask:
        """Reads the bits back.

        Args:
            data: what `encode` gave, from a checked container.
            source: the layers they belong to.
            where: what to name in an error.

        Returns:
            The supermask; whether each layer has its ones is left to the caller.

        Raises:
            FormatError: no supermask of these layers is written so.
        """


class Raw:
    """One bit for each searched position."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes the bits as they are."""
        return supermask.to_bytes()

    def decode(self, data: bytes, source: Source, where: object) -> Supermask:
        """Reads the bits as they are, once their number and the padding have been checked."""
        return Supermask.from_bytes(payloads.take_apart("raw", data, source, where).raw, source.searched)


_BY_NAME: dict[str, Codec] = {"raw": Raw(), "rans": Rans()}


def encode(codec: str, supermask: Supermask, source: Source) -> tuple[str, bytes]:
    """Writes a supermask.

    Args:
        codec: one of `sltpack.format.records.CODECS`, or `AUTO` for the one that takes fewer bytes.
        supermask: all bits of the ticket.
        source: the layers they belong to.

    Returns:
        The codec's name, and the bytes of the file's tensor `supermask`.

    Raises:
        RequestError: there is no such codec.
    """
    if codec not in (AUTO, *_BY_NAME):
        raise RequestError(
            "--codec", expected=" or ".join((AUTO, *_BY_NAME)), found=repr(codec), remedy="choose one of these"
        )
    if codec != AUTO:
        return codec, _BY_NAME[codec].encode(supermask, source)
    written = {name: each.encode(supermask, source) for name, each in _BY_NAME.items()}
    best = min(written, key=lambda name: len(written[name]))  # the first of them where they are alike
    return best, written[best]


def decode(codec: str, data: bytes, source: Source, where: object) -> Supermask:
    """Reads a supermask.

    Args:
        codec: one of `sltpack.format.records.CODECS`.
        data: the bytes of the file's tensor `supermask`.
        source: the layers they belong to.
        where: what to name in an error.

    Returns:
        The supermask, in which each layer has as many ones as the source says.

    Raises:
        FormatError: no supermask of these layers is written so.
    """
    supermask, start = _BY_NAME[codec].decode(data, source, where), 0
    for layer in source.layers:
        ones = supermask.count(start, start + layer.searched)
        if ones != layer.searched_kept:
            expected = f"{layer.searched_kept} ones in its part of the supermask"
            raise damaged(f"{where}: layer {layer.name}", expected, f"{ones}")
        start += layer.searched
    return supermask
