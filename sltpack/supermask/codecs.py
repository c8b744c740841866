"""How a plane's bits are written into a file: a codec is an identifier, `encode` and `decode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..errors import RequestError, damaged
from ..format.records import LayerBits
from .bits import Bits
from .rans import Rans
from .raw import Raw

AUTO = "auto"
"""Not a codec of a file, but the choice of the one that makes the smaller file."""
Plane = tuple[Bits, Sequence[LayerBits]]
"""All bits of a plane, and how many bits and ones each layer has among them."""


class Codec(Protocol):
    """One way to write the bits of a plane, of which the number of bits and ones of each layer are known."""

    def encode(self, bits: Bits, layers: Sequence[LayerBits]) -> bytes:
        """Write the bits.

        Args:
            bits: of the whole plane.
            layers: how many bits each layer has, and how many of them are ones.

        Returns:
            The bytes of the plane's tensor.
        """

    def decode(self, data: bytes, layers: Sequence[LayerBits], where: object) -> Bits:
        """Read the bits back.

        Args:
            data: what `encode` returned, from a checked container.
            layers: how many bits each layer has, and how many of them are ones.
            where: what to name in an error.

        Returns:
            The bits; whether each layer has its ones is left to the caller.

        Raises:
            FormatError: no plane of these layers is written so.
        """


CODECS: dict[str, Codec] = {"raw": Raw(), "rans": Rans()}
"""Every codec by its name in the file; `sltpack.format.payload` checks the bytes of each."""


def encode(codec: str, planes: Mapping[str, Plane]) -> tuple[str, dict[str, bytes]]:
    """Write the planes of a ticket, all with one codec.

    Args:
        codec: one of `CODECS`, or `AUTO` for the one that takes fewer bytes.
        planes: by name.

    Returns:
        The codec's name, and the bytes of each plane's tensor.

    Raises:
        RequestError: there is no such codec.
    """
    if codec not in (AUTO, *CODECS):
        raise RequestError(
            "--codec", expected=" or ".join((AUTO, *CODECS)), found=repr(codec), remedy="choose one of these"
        )
    chosen = CODECS if codec == AUTO else {codec: CODECS[codec]}
    written = {
        name: {plane: each.encode(bits, layers) for plane, (bits, layers) in planes.items()}
        for name, each in chosen.items()
    }
    best = min(
        written, key=lambda name: sum(map(len, written[name].values()))
    )  # the first of them where they are alike
    return best, written[best]


def decode(codec: str, data: bytes, layers: Sequence[LayerBits], where: object) -> Bits:
    """Read a plane.

    Args:
        codec: one of `CODECS`.
        data: the bytes of the plane's tensor.
        layers: how many bits each layer has, and how many of them are ones.
        where: what to name in an error.

    Returns:
        The bits, of which each layer has as many ones as it must.

    Raises:
        FormatError: no plane of these layers is written so.
    """
    bits, start = CODECS[codec].decode(data, layers, where), 0
    for number, layer in enumerate(layers):
        ones = bits.count(start, start + layer.length)
        if ones != layer.ones:
            raise damaged(f"{where}: layer {number}", f"{layer.ones} ones", f"{ones}")
        start += layer.length
    return bits
