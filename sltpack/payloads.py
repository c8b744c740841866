"""How the payload of the codec "rans" is laid out, all of which can be checked against the header's counts alone.

    2 bytes       the number of lanes L, unsigned, little-endian; 0 where no layer is coded
    a bit each    for the layers whose bits are not all alike: whether the layer is divided into classes
    C bytes each  for the divided layers: each class's share of ones, in units of 1/256; 0 for a class of no bits
    bytes         the bits of the raw layers, as the codec "raw" writes them
    8 L bytes     the states that the lanes begin with, unsigned, little-endian
    4 W bytes     the words, unsigned, little-endian, in the order in which they are read

Nothing is imported here but the standard library, so that a file can be checked before NumPy is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import FormatError
from .header import Layer, Source

LANE_COUNT_BYTES = 2
STATE_BYTES = 8
WORD_BYTES = 4
MAX_LANES = (1 << (8 * LANE_COUNT_BYTES)) - 1
LANE_SPAN = 2**16
"""The most bytes of words for each lane, so that no file takes its reader many steps for a byte."""
CLASSES = {"ku": 16, "skc": 2}
"""How many classes a layer is divided into, by the initialiser that its weights come from."""
BITS_BYTE = 2**11
"""The most bits of divided layers for each byte of states and words: no class's bits take less than log2(256 / 255) of
a bit each, which is more than 1/256. So a small file has few weights drawn before its lack of words is seen."""
RAW, CODED, DIVIDED, EMPTY = "raw", "coded", "divided", "empty"
"""The ways in which a layer's bits are written: as they are, by one density or one for each class, or, where they are
all alike, not at all."""
_PRECISION = 15
"""Coding loses less than 2^-15 of a bit for each bit, mostly since frequencies are rounded."""


@dataclass(frozen=True)
class Layout:
    """A payload, taken apart.

    Attributes:
        ways: how each layer is written.
        shares: of ones in each class, in units of 1/256, one string of bytes for each divided layer.
        raw: the bits of the raw layers.
        states: the states that the lanes begin with.
        words: what the lanes read.
    """

    ways: tuple[str, ...]
    shares: tuple[bytes, ...]
    raw: bytes
    states: bytes
    words: bytes


def way_of(layer: Layer) -> str:
    """Tells how a layer's bits are written where it is not divided, by its counts.

    A density d apart from one half gains about (1 - 2 d)^2 / (2 ln 2) of a bit for each bit. Where that is less than
    what is lost by rounding, or than one bit in all, the bits are written raw.

    Args:
        layer: any.

    Returns:
        `RAW`, `CODED` or `EMPTY`.
    """
    n, ones = layer.searched, layer.searched_kept
    if ones in (0, n):
        return EMPTY
    return RAW if (n - 2 * ones) ** 2 << _PRECISION <= n * (n + (1 << _PRECISION)) else CODED


def put_together(layout: Layout) -> bytes:
    """Gives the bytes of a payload; `take_apart` gives the layout again."""
    lanes = len(layout.states) // STATE_BYTES
    divided = [way == DIVIDED for way in layout.ways if way != EMPTY]
    flags = sum(flag << number for number, flag in enumerate(divided)).to_bytes(-(-len(divided) // 8), "little")
    lane_count = lanes.to_bytes(LANE_COUNT_BYTES, "little")
    return b"".join([lane_count, flags, *layout.shares, layout.raw, layout.states, layout.words])


def take_apart(payload: bytes, source: Source, where: object) -> Layout:
    """Takes a payload apart and checks every length in it.

    Args:
        payload: the bytes of the tensor `supermask`.
        source: the layers whose bits it holds.
        where: what to name in an error.

    Returns:
        Its parts.

    Raises:
        FormatError: the lengths do not fit each other or the layers, or the raw bits are not as many ones as there
            have to be.
    """
    lanes = int.from_bytes(payload[:LANE_COUNT_BYTES], "little")
    undivided = [way_of(layer) for layer in source.layers]
    written = len(undivided) - undivided.count(EMPTY)
    shares_at = LANE_COUNT_BYTES + -(-written // 8)
    flags = int.from_bytes(payload[LANE_COUNT_BYTES:shares_at], "little")
    if flags >> written:
        raise _damaged(where, f"{written} layers that may be divided in the supermask", "more")
    ways = []
    for way in undivided:
        ways.append(DIVIDED if way != EMPTY and flags & 1 else way)
        flags >>= way != EMPTY
    plain = [layer for layer, way in zip(source.layers, ways, strict=True) if way == RAW]
    classes, divided = CLASSES[source.init], ways.count(DIVIDED)
    raw_at = shares_at + classes * divided
    states_at = raw_at + -(-sum(layer.searched for layer in plain) // 8)
    words_at = states_at + STATE_BYTES * lanes
    if len(payload) < words_at or (len(payload) - words_at) % WORD_BYTES:
        raise _damaged(where, f"{words_at} bytes and whole words in the supermask", f"{len(payload)}")
    coded = divided or CODED in ways
    fewest = 1 + (len(payload) - words_at) // LANE_SPAN if coded else 0
    if lanes < fewest:
        raise _damaged(where, f"at least {fewest} lanes in the supermask", f"{lanes}")
    drawn = sum(layer.searched for layer, way in zip(source.layers, ways, strict=True) if way == DIVIDED)
    if len(payload) - states_at < drawn // BITS_BYTE:
        expected = (
            f"{drawn // BITS_BYTE} bytes of states and words for {drawn} searched weights in the supermask, or more"
        )
        raise _damaged(where, expected, f"{len(payload) - states_at}")
    if not coded and len(payload) > states_at:
        raise _damaged(where, f"{states_at} bytes in the supermask, as no layer is coded", f"{len(payload)}")
    check_bits(payload[raw_at:states_at], plain, where)
    return Layout(
        tuple(ways),
        tuple(payload[start : start + classes] for start in range(shares_at, raw_at, classes)),
        payload[raw_at:states_at],
        payload[states_at:words_at],
        payload[words_at:],
    )


def check_bits(data: bytes, layers: Sequence[Layer], where: object) -> None:
    """Checks bits that are written as they are, against the layers whose they are.

    Args:
        data: their bytes.
        layers: one behind the other.
        where: what to name in an error.

    Raises:
        FormatError: the bytes are more or fewer, the last one is not filled with zeros, or there are more or fewer
            ones.
    """
    searched = sum(layer.searched for layer in layers)
    ones = sum(layer.searched_kept for layer in layers)
    if len(data) != -(-searched // 8):
        raise _damaged(where, f"{-(-searched // 8)} bytes for {searched} searched weights", f"{len(data)}")
    if searched % 8 and data[-1] >> (searched % 8):
        raise _damaged(where, "zero bits behind the last one of the supermask", "others")
    # Counted as one integer, since NumPy must not be started for this.
    found = int.from_bytes(data, "little").bit_count()
    if found != ones:
        raise _damaged(where, f"{ones} ones in the supermask", f"{found}")


def _damaged(where: object, expected: str, found: str) -> FormatError:
    return FormatError(where, expected=expected, found=found, remedy="the file is damaged; get it anew")
