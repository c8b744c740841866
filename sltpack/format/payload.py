"""The bytes of a plane: which parts each codec has in them, and whether those fit the header's counts.

The codec "raw" has only the bits. The codec "rans" has

    2 bytes    the number of lanes L, unsigned, little-endian; 0 where no layer is coded
    bytes      the bits of the raw layers, as the codec "raw" writes them
    8 L bytes  the states that the lanes begin with, unsigned, little-endian
    4 W bytes  the words, unsigned, little-endian, in the order in which they are read

Nothing is imported here but the standard library, so that a file can be checked before NumPy is started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import damaged
from .records import LayerBits

LANE_COUNT_BYTES = 2
STATE_BYTES = 8
WORD_BYTES = 4
MAX_LANES = (1 << (8 * LANE_COUNT_BYTES)) - 1
LANE_SPAN = 2**13
"""The most bytes of words for each lane, so that no file takes its reader many steps for a byte. Ours has five lanes
more, or one for each 3 KiB (`sltpack.supermask.rans.lane_count`)."""
RAW, CODED, EMPTY = "raw", "coded", "empty"
"""The ways in which a layer's bits are written: as they are, by their density, or, where all are alike, not at all."""
RAW_WITHIN = 181
"""A density apart from one half by d gains 2 d^2 / ln 2 of a bit for each bit. Where d is below 1 / 362, that is less
than 2^-15, which the rounding of frequencies can lose."""
MAX_CODED = 2**32
"""The most bits of a layer whose density 64 bits can tell; longer ones are raw."""


@dataclass(frozen=True)
class Payload:
    """The bytes of a plane, taken apart.

    Attributes:
        ways: how each layer is written.
        raw: the bits of the raw layers.
        states: the states that the lanes begin with.
        words: what the lanes read.
    """

    ways: tuple[str, ...]
    raw: bytes
    states: bytes = b""
    words: bytes = b""

    def to_rans(self) -> bytes:
        """Return the bytes that the codec "rans" writes; `take_apart` gives the parts again."""
        lanes = len(self.states) // STATE_BYTES
        return b"".join([lanes.to_bytes(LANE_COUNT_BYTES, "little"), self.raw, self.states, self.words])


def way_of(layer: LayerBits) -> str:
    """Tell how the codec "rans" writes a layer's bits, by its counts alone.

    Args:
        layer: its number of bits and ones.

    Returns:
        `RAW`, `CODED` or `EMPTY`.
    """
    n, ones = layer.length, layer.ones
    if ones in (0, n):
        return EMPTY
    return RAW if RAW_WITHIN * abs(n - 2 * ones) <= n or n > MAX_CODED else CODED


def take_apart(codec: str, data: bytes, layers: Sequence[LayerBits], where: object) -> Payload:
    """Take the bytes of a plane apart and check every length in them.

    Args:
        codec: one of `sltpack.format.records.CODECS`.
        data: the bytes of the plane's tensor.
        layers: how many bits they hold for each layer, and how many of them are ones.
        where: what to name in an error.

    Returns:
        Its parts.

    Raises:
        FormatError: the lengths do not fit each other or the layers, or bits that are written as they are do not end
            with zeros or have more or fewer ones.
    """
    return _READERS[codec](data, layers, where)


def fewest_lanes(word_bytes: int) -> int:
    """Return the fewest lanes that read so many bytes of words."""
    return min(MAX_LANES, 1 + word_bytes // LANE_SPAN)


def _take_raw_apart(data: bytes, layers: Sequence[LayerBits], where: object) -> Payload:
    _check_bits(data, layers, where)
    return Payload((RAW,) * len(layers), data)


def _take_rans_apart(data: bytes, layers: Sequence[LayerBits], where: object) -> Payload:
    lanes = int.from_bytes(data[:LANE_COUNT_BYTES], "little")
    ways = tuple(way_of(layer) for layer in layers)
    plain = [layer for layer, way in zip(layers, ways, strict=True) if way == RAW]
    states_at = LANE_COUNT_BYTES + -(-sum(layer.length for layer in plain) // 8)
    words_at = states_at + STATE_BYTES * lanes
    if len(data) < words_at or (len(data) - words_at) % WORD_BYTES:
        raise damaged(where, f"{words_at} bytes and whole words", f"{len(data)}")
    if CODED not in ways and len(data) > states_at:
        raise damaged(where, f"{states_at} bytes, as no layer is coded", f"{len(data)}")
    fewest = fewest_lanes(len(data) - words_at) if CODED in ways else 0
    if lanes < fewest:
        raise damaged(where, f"at least {fewest} lanes", f"{lanes}")
    _check_bits(data[LANE_COUNT_BYTES:states_at], plain, where)
    return Payload(ways, data[LANE_COUNT_BYTES:states_at], data[states_at:words_at], data[words_at:])


_Check = Callable[[bytes, Sequence[LayerBits], object], Payload]
_READERS: dict[str, _Check] = {"raw": _take_raw_apart, "rans": _take_rans_apart}


def _check_bits(data: bytes, layers: Sequence[LayerBits], where: object) -> None:
    """Check bits that are written as they are, against the layers whose they are."""
    length = sum(layer.length for layer in layers)
    ones = sum(layer.ones for layer in layers)
    if len(data) != -(-length // 8):
        raise damaged(where, f"{-(-length // 8)} bytes for {length} bits", f"{len(data)}")
    if length % 8 and data[-1] >> (length % 8):
        raise damaged(where, "zero bits behind the last one", "others")
    # Counted as one integer, since NumPy must not be started for this.
    found = int.from_bytes(data, "little").bit_count()
    if found != ones:
        raise damaged(where, f"{ones} ones", f"{found}")
