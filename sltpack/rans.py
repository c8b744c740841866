"""The codec "rans": an entropy code for the supermask (docs/format.md, "The codec rans").

A layer's only parameter is its density, which the header tells; or it is divided into classes by its weights, which
the seed tells, and the share of ones of each stands before the code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import blocks, classes, lanes, payloads
from .blocks import String
from .errors import FormatError
from .header import Layer, Source
from .lanes import Segment
from .payloads import CODED, DIVIDED, EMPTY, RAW, Layout
from .supermask import Supermask

SHARE_UNITS = 2**8
"""A class's share of ones takes a byte."""
WORTHWHILE = 2**8
"""A layer is divided where that saves more than a part of this size: its reader has to draw all weights to read it."""
LANE_SYMBOLS = 2**10
LANE_BITS = 2**16
FIRST_LANES = 6
"""A lane costs 6 bytes or so, and each one more makes for fewer, longer NumPy operations: at most six in a small
supermask, one more for each 8 KiB of a large one (0.07 %), and none with fewer than 1,024 blocks to itself."""


class Rans:
    """Fewer bits than one for each searched position, by the density of each layer, or of each class of its weights."""

    def encode(self, supermask: Supermask, source: Source) -> bytes:
        """Writes each layer in the way that takes the fewest bits."""
        ways, shares, raw, segments, start = [], [], [], list[Segment](), 0
        for index, layer in enumerate(source.layers):
            way, stop = payloads.way_of(layer), start + layer.searched
            piece = supermask.piece(start, stop)
            coded = list(blocks.split(_string(layer), np.frombuffer(piece, np.uint8))) if way == CODED else []
            if way != EMPTY:
                undivided = lanes.bits_of(coded) if coded else layer.searched
                its_shares, divided = _divided(supermask.read(start, stop), source, index)
                if lanes.bits_of(divided) + 8 * len(its_shares) < undivided - undivided // WORTHWHILE:
                    way, coded = DIVIDED, divided
                    shares.append(its_shares)
            if way == RAW:
                raw.append((piece, layer.searched))
            ways.append(way)
            segments += coded
            start = stop
        states, words = lanes.write(segments, _lane_count(segments))
        bits = Supermask.from_pieces(raw).to_bytes()
        return payloads.put_together(
            Layout(tuple(ways), tuple(shares), bits, states.astype("<u8").tobytes(), words.astype("<u4").tobytes())
        )

    def decode(self, data: bytes, source: Source, where: object) -> Supermask:
        """Reads the layers back, and makes sure that every lane ends where it has to."""
        layout = payloads.take_apart(data, source, where)
        states = np.frombuffer(layout.states, "<u8").astype(np.uint64)
        reader = lanes.Reader(states, np.frombuffer(layout.words, "<u4"), where)
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


def _divided(bits: NDArray[np.bool_], source: Source, index: int) -> tuple[bytes, list[Segment]]:
    """Divides a layer's bits into classes: the share of ones of each, and the segments of all."""
    shares, segments = [], list[Segment]()
    for string in classes.divide(bits, classes.of_layer(source, index), payloads.CLASSES[source.init]):
        share = 0
        if string.size:
            ones = int(np.count_nonzero(string))
            share = min(max((SHARE_UNITS * ones + string.size // 2) // string.size, 1), SHARE_UNITS - 1)
            known = String.of_share(string.size, share, SHARE_UNITS)
            segments += blocks.split(known, np.packbits(string, bitorder="little"))
        shares.append(share)
    return bytes(shares), segments


def _united(shares: bytes, source: Source, index: int, reader: lanes.Reader, where: object) -> bytes:
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


def _lane_count(segments: list[Segment]) -> int:
    if not segments:
        return 0
    by_symbols = 1 + sum(symbols.size for symbols, _ in segments) // LANE_SYMBOLS
    by_bits = FIRST_LANES + lanes.bits_of(segments) // LANE_BITS
    return min(by_symbols, by_bits, payloads.MAX_LANES)
