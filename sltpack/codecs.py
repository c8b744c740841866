"""How the supermask's bits are written into a file: a codec is an identifier, `encode` and `decode`."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from . import blocks, payloads, rans
from .errors import FormatError
from .header import Layer, Source
from .payloads import CODED, RAW, way_of
from .supermask import Supermask

AUTO = "auto"
"""Not a codec of a file, but the choice of the one that makes the smaller file."""
LANE_SYMBOLS = 2**10
LANE_BITS = 2**17
FIRST_LANES = 4
"""A lane costs 6 bytes or so, and each one more makes for fewer, longer NumPy operations: at most four in a small
supermask, one more for each 16 KiB of a large one (0.04 %), and none with fewer than 1,024 blocks to itself."""


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
        payloads.check_bits(data, source.layers, where)
        return Supermask.from_bytes(data, source.searched)


class Rans:
    """Fewer bits than one for each searched position, by the density of each layer."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes the layers whose density says little as they are, the others as words of the lanes."""
        plain, segments, start = [], list[rans.Segment](), 0
        for layer in source.layers:
            stop = start + layer.searched
            if way_of(layer) == RAW:
                plain.append((supermask.piece(start, stop), layer.searched))
            elif way_of(layer) == CODED:
                segments += blocks.split(layer, np.frombuffer(supermask.piece(start, stop), np.uint8))
            start = stop
        states, words = rans.write(segments, _lanes(segments))
        head = states.size.to_bytes(payloads.LANE_COUNT_BYTES, "little")
        bits = Supermask.from_pieces(plain).to_bytes()
        return head + bits + states.astype("<u8").tobytes() + words.astype("<u4").tobytes()

    def decode(self, data: bytes, source: Source, where: object) -> Supermask:
        """Reads the layers back, and makes sure that every lane ends where it has to."""
        layout = payloads.take_apart(data, source, where)
        states = np.frombuffer(layout.states, "<u8").astype(np.uint64)
        reader = rans.Reader(states, np.frombuffer(layout.words, "<u4"), where)
        plain, start = Supermask.from_bytes(layout.raw, payloads.raw_bits(source)), 0
        pieces = []
        for layer in source.layers:
            if way_of(layer) == RAW:
                piece = plain.piece(start, start + layer.searched)
                start += layer.searched
            elif way_of(layer) == CODED:
                piece = blocks.join(layer, reader).tobytes()
            else:
                piece = (b"\xff" if layer.searched_kept else b"\0") * -(-layer.searched // 8)
            pieces.append((piece, layer.searched))
        reader.finish()
        return Supermask.from_pieces(pieces)


CODECS: dict[str, Codec] = {"raw": Raw(), "rans": Rans()}


def encode(codec: str, supermask: Supermask, source: Source) -> tuple[str, bytes]:
    """Writes a supermask.

    Args:
        codec: one of `CODECS`, or `AUTO` for the one that takes fewer bytes.
        supermask: all bits of the ticket.
        source: the layers they belong to.

    Returns:
        The codec's name, and the bytes of the file's tensor `supermask`.
    """
    if codec != AUTO:
        return codec, CODECS[codec].encode(supermask, source)
    written = {name: each.encode(supermask, source) for name, each in CODECS.items()}
    best = min(written, key=lambda name: len(written[name]))  # the first of them where they are alike
    return best, written[best]


def decode(codec: str, data: bytes, source: Source, where: object) -> Supermask:
    """Reads a supermask.

    Args:
        codec: one of `CODECS`.
        data: the bytes of the file's tensor `supermask`.
        source: the layers they belong to.
        where: what to name in an error.

    Returns:
        The supermask, in which each layer has as many ones as the source says.

    Raises:
        FormatError: no supermask of these layers is written so.
    """
    supermask, start = CODECS[codec].decode(data, source, where), 0
    for layer in source.layers:
        _check_ones(layer, supermask.count(start, start + layer.searched), where)
        start += layer.searched
    return supermask


def _check_ones(layer: Layer, ones: int, where: object) -> None:
    if ones != layer.searched_kept:
        raise FormatError(
            f"{where}: layer {layer.name}",
            expected=f"{layer.searched_kept} ones in its part of the supermask",
            found=f"{ones}",
            remedy="the file is damaged; get it anew",
        )


def _lanes(segments: list[rans.Segment]) -> int:
    if not segments:
        return 0
    by_symbols = 1 + sum(symbols.size for symbols, _ in segments) // LANE_SYMBOLS
    by_bits = FIRST_LANES + rans.bits_of(segments) // LANE_BITS
    return min(by_symbols, by_bits, payloads.MAX_LANES)
