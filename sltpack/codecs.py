"""How the supermask's bits are written into a file: a codec is an identifier, `encode` and `decode`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import blocks, classes, payloads, rans
from .blocks import String
from .errors import FormatError
from .header import Layer, Source
from .payloads import CODED, DIVIDED, EMPTY, RAW, Layout
from .supermask import Supermask

AUTO = "auto"
"""Not a codec of a file, but the choice of the one that makes the smaller file."""
SHARE_UNITS = 2**8
"""A class's share of ones takes a byte."""
WORTHWHILE = 2**8
"""A layer is divided where that saves more than a part of this size: its reader has to draw all weights to read it."""
LANE_SYMBOLS = 2**10
LANE_BITS = 2**16
FIRST_LANES = 6
"""A lane costs 6 bytes or so, and each one more makes for fewer, longer NumPy operations: at most six in a small
supermask, one more for each 8 KiB of a large one (0.07 %), and none with fewer than 1,024 blocks to itself."""


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
    """Fewer bits than one for each searched position, by the density of each layer, or of each class of its weights."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes each layer in the way that takes the fewest bits."""
        ways, shares, raw, segments, start = [], [], [], list[rans.Segment](), 0
        for index, layer in enumerate(source.layers):
            way, stop = payloads.way_of(layer), start + layer.searched
            piece = supermask.piece(start, stop)
            coded = list(blocks.split(_string(layer), np.frombuffer(piece, np.uint8))) if way == CODED else []
            if way != EMPTY:
                undivided = rans.bits_of(coded) if coded else layer.searched
                its_shares, divided = _divided(supermask.read(start, stop), source, index)
                if rans.bits_of(divided) + 8 * len(its_shares) < undivided - undivided // WORTHWHILE:
                    way, coded = DIVIDED, divided
                    shares.append(its_shares)
            if way == RAW:
                raw.append((piece, layer.searched))
            ways.append(way)
            segments += coded
            start = stop
        states, words = rans.write(segments, _lanes(segments))
        bits = Supermask.from_pieces(raw).to_bytes()
        return payloads.put_together(
            Layout(tuple(ways), tuple(shares), bits, states.astype("<u8").tobytes(), words.astype("<u4").tobytes())
        )

    def decode(self, data: bytes, source: Source, where: object) -> Supermask:
        """Reads the layers back, and makes sure that every lane ends where it has to."""
        layout = payloads.take_apart(data, source, where)
        states = np.frombuffer(layout.states, "<u8").astype(np.uint64)
        reader = rans.Reader(states, np.frombuffer(layout.words, "<u4"), where)
        raw, start = Supermask.from_bytes(layout.raw, 8 * len(layout.raw)), 0
        shares, pieces = iter(layout.shares), []
        for index, (layer, way) in enumerate(zip(source.layers, layout.ways, strict=True)):
            if way == RAW:
                piece = raw.piece(start, start + layer.searched)
                start += layer.searched
            elif way == DIVIDED:
                piece = _united(next(shares), source, index, reader, where)
            elif way == CODED:
                piece = blocks.join(_string(layer), reader).tobytes()
            else:
                piece = (b"\xff" if layer.searched_kept else b"\0") * -(-layer.searched // 8)
            pieces.append((piece, layer.searched))
        reader.finish()
        return Supermask.from_pieces(pieces)


def _string(layer: Layer) -> String:
    return String.of_share(layer.searched, layer.searched_kept, layer.searched)


def _divided(bits: NDArray[np.bool_], source: Source, index: int) -> tuple[bytes, list[rans.Segment]]:
    """Divides a layer's bits into classes: the share of ones of each, and the segments of all."""
    shares, segments = [], list[rans.Segment]()
    for string in classes.divide(bits, classes.of_layer(source, index), payloads.CLASSES[source.init]):
        share = 0
        if string.size:
            ones = int(np.count_nonzero(string))
            share = min(max((SHARE_UNITS * ones + string.size // 2) // string.size, 1), SHARE_UNITS - 1)
            known = String.of_share(string.size, share, SHARE_UNITS)
            segments += blocks.split(known, np.packbits(string, bitorder="little"))
        shares.append(share)
    return bytes(shares), segments


def _united(shares: bytes, source: Source, index: int, reader: rans.Reader, where: object) -> bytes:
    """Reads a layer that was divided."""
    of_each = classes.of_layer(source, index)
    sizes = classes.sizes(of_each, len(shares))
    for share, size in zip(shares, sizes, strict=True):
        if (share == 0) != (size == 0):
            raise FormatError(
                f"{where}: layer {source.layers[index].name}",
                expected=f"a share of ones for a class of {size} weights" if size else "none for a class of no weights",
                found=f"{share}",
                remedy="the file is damaged; get it anew",
            )
    strings = []
    for share, size in zip(shares, sizes, strict=True):
        read = blocks.join(String.of_share(size, share, SHARE_UNITS), reader) if size else np.zeros(0, np.uint8)
        strings.append(np.unpackbits(read, count=size, bitorder="little").view(np.bool_))
    return np.packbits(classes.unite(strings, of_each), bitorder="little").tobytes()


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
