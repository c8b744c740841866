"""One battery that every codec passes: whatever the bits, what was written is read back, and nothing else is read.

The golden payloads in tests/golden are never made again: files out there have to be read for ever. What a codec writes
today may change, and is pinned apart from them.
"""

from __future__ import annotations

import hashlib
import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack.errors import FormatError, RequestError
from sltpack.format import payload as payloads
from sltpack.format import records as header
from sltpack.format.accounting import entropy_bits
from sltpack.format.records import CODECS, LayerBits
from sltpack.source.streams import WEIGHTS, Stream
from sltpack.supermask import codecs, rans
from sltpack.supermask.bits import Bits

GOLDEN = Path(__file__).parents[1] / "golden"
DENSITIES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.125, 0.3, 0.499, 0.5)
ALL_DENSITIES = (*DENSITIES, *(1 - density for density in reversed(DENSITIES[:-1])))

layers_of_bits = st.lists(st.lists(st.booleans(), max_size=60), min_size=1, max_size=5)
uneven_layers = st.lists(
    st.tuples(st.integers(0, 3000), st.sampled_from(ALL_DENSITIES), st.integers(0, 2**32)).map(
        lambda drawn: (np.random.default_rng(drawn[2]).random(drawn[0]) < drawn[1]).tolist()
    ),
    min_size=1,
    max_size=5,
)

Bools = NDArray[np.bool_]


Layers = tuple[LayerBits, ...]


def layers_of(lengths_and_ones: list[tuple[int, int]]) -> Layers:
    """Layers of as many bits and ones."""
    return tuple(LayerBits(length, ones) for length, ones in lengths_and_ones)


def taken(layers: list[list[bool]] | list[Bools]) -> tuple[Bits, Layers]:
    """The bits of a plane, and what is known of its layers."""
    arrays = [np.array(bits, np.bool_) for bits in layers]
    return Bits.from_layers(arrays), layers_of([(bits.size, int(np.count_nonzero(bits))) for bits in arrays])


def encode(codec: str, bits: Bits, layers: Layers) -> tuple[str, bytes]:
    """The one plane of a ticket that has no other."""
    name, planes = codecs.encode(codec, {"kept": (bits, layers)})
    assert list(planes) == ["kept"]
    return name, planes["kept"]


def most_bytes(codec: str, layers: Layers) -> float:
    """What a codec promises: raw, a bit each; an entropy code, 0.1 % and 64 bytes above the entropy, of however many layers."""
    if codec == "raw":
        return -(-sum(layer.length for layer in layers) // 8)
    entropy = sum(entropy_bits(layer.length, layer.ones) for layer in layers)
    return 1.001 * entropy / 8 + 64


def assert_round_trip(codec: str, layers: list[list[bool]] | list[Bools]) -> None:
    supermask, layers = taken(layers)
    name, data = encode(codec, supermask, layers)
    assert (name, type(data)) == (codec, bytes)
    assert encode(codec, supermask, layers) == (name, data)
    assert codecs.decode(codec, data, layers, "test") == supermask
    assert len(data) <= most_bytes(codec, layers)


def scattered(length: int, density: float) -> list[bool]:
    rng = random.Random(length)
    return [rng.random() < density for _ in range(length)]


PATTERNS = {
    "zeros": lambda length: [False] * length,
    "ones": lambda length: [True] * length,
    "alternating": lambda length: [j % 2 == 1 for j in range(length)],
    "a zero at the end": lambda length: [j < length - 1 for j in range(length)],
    "a one at the end": lambda length: [j == length - 1 for j in range(length)],
    "runs": lambda length: [j // 9 % 2 == 1 for j in range(length)],
    **{f"density {d}": lambda length, d=d: scattered(length, d) for d in (0.01, 0.1, 0.5, 0.9, 0.99)},
}


def test_every_codec_that_the_header_knows_is_written_and_taken_apart() -> None:
    supermask, layers = taken([[True, False, True]])
    for codec in header.CODECS:
        payloads.take_apart(codec, encode(codec, supermask, layers)[1], layers, "test")
    assert tuple(codecs.CODECS) == tuple(payloads._READERS) == header.CODECS


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_at_all_short_lengths(codec: str, pattern: str) -> None:
    for length in range(71):
        assert_round_trip(codec, [PATTERNS[pattern](length)])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_of_layers_of_different_lengths(codec: str, pattern: str) -> None:
    assert_round_trip(codec, [PATTERNS[pattern](length) for length in (0, 1, 7, 8, 0, 5000, 9, 0)])


@pytest.mark.parametrize("density", ALL_DENSITIES)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_at_every_density(codec: str, density: float) -> None:
    random_bits = np.random.default_rng(5)
    assert_round_trip(codec, [random_bits.random(length) < density for length in (1_000_003, 70_000, 1, 512)])


@pytest.mark.parametrize("density", [1e-6, 0.125, 0.49, 1 - 1e-6])
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_of_ten_million_bits(codec: str, density: float) -> None:
    assert_round_trip(codec, [np.random.default_rng(6).random(10_000_000, np.float32) < density])


@pytest.mark.parametrize("lengths", [(1, 8), (9, 20), (30, 60), (100, 300)])
@pytest.mark.parametrize("density", [0.01, 0.1, 0.3, 0.497])
def test_round_trip_of_a_thousand_small_layers(lengths: tuple[int, int], density: float) -> None:
    """No layer costs anything of its own: the promise is that of the whole supermask."""
    random_bits = np.random.default_rng(8)
    assert_round_trip("rans", [random_bits.random(int(random_bits.integers(*lengths))) < density for _ in range(1000)])


@pytest.mark.parametrize("codec", CODECS)
@given(layers=layers_of_bits | uneven_layers)
@settings(deadline=None, derandomize=True)
def test_round_trip_of_anything(codec: str, layers: list[list[bool]]) -> None:
    assert_round_trip(codec, layers)


def test_raw_is_the_bits_themselves() -> None:
    supermask, layers = taken([[True, True, False], [True, False, False, False, False, True, False, True]])
    assert encode("raw", supermask, layers) == ("raw", bytes([0b00001011, 0b101]))


def test_auto_takes_what_is_smaller() -> None:
    for density, best in ((0.5, "raw"), (0.3, "rans")):
        supermask, layers = taken([np.random.default_rng(7).random(5000) < density])
        sizes = {name: len(encode(name, supermask, layers)[1]) for name in CODECS}
        name, data = encode("auto", supermask, layers)
        assert (name, len(data)) == (best, min(sizes.values()))


def test_auto_takes_raw_where_nothing_is_gained() -> None:
    """Two bytes tell that there are no lanes, so that a supermask of nothing is shorter without them."""
    supermask, layers = taken([[], [True, True]])
    assert encode("auto", supermask, layers) == ("raw", b"\3")
    assert encode("rans", supermask, layers) == ("rans", b"\0\0")  # no lanes
    supermask, layers = taken([[position == 40 for position in range(73)]])
    assert {len(encode(name, supermask, layers)[1]) for name in CODECS} == {10}
    assert encode("auto", supermask, layers)[0] == "raw"


def test_all_planes_of_a_ticket_are_written_with_one_codec() -> None:
    """The one that is smaller for all of them together."""
    planes = {"kept": taken([[j % 2 == 0 for j in range(80)]]), "sign": taken([[j == 3 for j in range(5000)]])}
    name, found = codecs.encode("auto", planes)
    assert (name, list(found)) == ("rans", ["kept", "sign"])
    for plane, (bits, layers) in planes.items():
        assert found[plane] == codecs.CODECS["rans"].encode(bits, layers)
        assert codecs.decode(name, found[plane], layers, "test") == bits


def test_an_unknown_codec_is_told() -> None:
    supermask, layers = taken([[True, False]])
    with pytest.raises(
        RequestError, match=r"^--codec: expected auto or raw or rans, found 'zip'; choose one of these$"
    ):
        encode("zip", supermask, layers)


@pytest.mark.parametrize(
    ("length", "ones", "way"),
    [
        (0, 0, payloads.EMPTY),
        (9, 0, payloads.EMPTY),
        (9, 9, payloads.EMPTY),
        (10_000, 5000, payloads.RAW),
        (10_000, 5027, payloads.RAW),
        (10_000, 4973, payloads.RAW),
        (181, 90, payloads.RAW),  # 181 * 1 <= 181
        (181, 89, payloads.CODED),
        (180, 89, payloads.CODED),
        (10_000, 5028, payloads.CODED),
        (10_000, 4972, payloads.CODED),
        (2**32, 2135619098, payloads.RAW),
        (2**32, 2135619097, payloads.CODED),
        (2**32, 1, payloads.CODED),
        (2**32 + 1, 1, payloads.RAW),  # its density might not be told in 64 bits
    ],
)
def test_which_layers_are_coded(length: int, ones: int, way: str) -> None:
    assert payloads.way_of(LayerBits(length, ones)) == way


@pytest.mark.parametrize("length", [100, 3000, 70_000, 1_000_000, 2**32])
def test_raw_layers_have_next_to_nothing_to_gain(length: int) -> None:
    """Beyond the rule there is 2^-16 of a bit and more for each bit to gain, within it no 2^-15."""
    most = length // 2 + length // (2 * payloads.RAW_WITHIN)
    assert [payloads.way_of(LayerBits(length, most + more)) for more in (0, 1)] == ["raw", "coded"]
    assert entropy_bits(length, most) >= length * (1 - 2**-15)
    assert entropy_bits(length, most + 1) <= length * (1 - 2**-16)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("share", [1, 2, 2**20, 2**31, 7 * 2**29, 2**32 - 4295, 2**32 - 2, 2**32 - 1])
def test_tables_by_exact_fractions(share: int, sparse: bool) -> None:
    """No frequency is off by more than one and what is kept back for the others, however few ones or zeros there are."""
    for bits in range(1, 9):
        table = rans.table_of(share, bits, sparse=sparse)
        frequencies = table.frequencies.tolist()
        assert sum(frequencies) == 2**24
        assert (frequencies[0] == 0) == sparse and min(frequencies[1:]) >= 1
        zeros = Fraction(share, 2**32)
        possible = 1 - zeros**bits if sparse else Fraction(1)
        for value in range(int(sparse), 2**bits - 1):
            exact = zeros ** (bits - value.bit_count()) * (1 - zeros) ** value.bit_count() / possible
            assert abs(frequencies[value] - 2**24 * exact) <= 1 + Fraction(1, 16) + 2**bits * exact


@given(symbols=st.integers(1, 2**40), share=st.floats(0, 1))
@settings(deadline=None, derandomize=True)
def test_there_are_more_lanes_than_a_reader_asks_for(symbols: int, share: float) -> None:
    """Whatever is written, since a symbol takes 24 bits at most, and two lanes of margin from where there are eight."""
    bits = math.ceil(24 * symbols * share)
    lanes = rans.lane_count(symbols, bits)
    fewest = payloads.fewest_lanes(-(-bits // 8))
    assert fewest <= lanes <= payloads.MAX_LANES
    assert fewest + 2 <= lanes or lanes < 8 or lanes == payloads.MAX_LANES


def test_the_most_lanes() -> None:
    assert payloads.MAX_LANES == 65535
    assert rans.lane_count(2**60, 2**60) == payloads.fewest_lanes(2**57) == 65535
    assert (rans.lane_count(0, 0), rans.lane_count(1, 1)) == (0, 1)


MIXED = [np.arange(700) % 2 == 0]
MIXED += [
    np.random.default_rng(number).random(length) < density
    for number, (length, density) in enumerate([(0, 0.5), (901, 0.2), (33, 0.0), (5000, 0.01), (77, 0.93)])
]
"""Layers that are raw, empty, coded, coded in two steps and coded inverted."""


@pytest.mark.parametrize("codec", CODECS)
def test_every_truncation_is_refused(codec: str) -> None:
    supermask, layers = taken(MIXED)
    data = encode(codec, supermask, layers)[1]
    for length in range(len(data)):
        with pytest.raises(FormatError):
            codecs.decode(codec, data[:length], layers, "test")
    for more in (b"\0", b"\0\0\0\0", data):
        with pytest.raises(FormatError):
            codecs.decode(codec, data + more, layers, "test")


@pytest.mark.parametrize("codec", CODECS)
def test_flipped_bits_are_refused_or_give_other_bits_of_the_same_counts(codec: str) -> None:
    """By the codec alone, which sees no digest: the few others exchange two blocks with equally many ones."""
    supermask, layers = taken(MIXED)
    data = encode(codec, supermask, layers)[1]
    accepted = []
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            accepted.append(codecs.decode(codec, bytes(flipped), layers, "test"))
        except FormatError:
            continue
    assert supermask not in accepted
    assert len(accepted) <= 8 * len(data) / 100


@given(noise=st.binary(max_size=600))
@settings(deadline=None, derandomize=True, max_examples=200)
@pytest.mark.parametrize("codec", CODECS)
def test_noise_is_refused(codec: str, noise: bytes) -> None:
    _, layers = taken(MIXED)
    with pytest.raises(FormatError):
        codecs.decode(codec, noise, layers, "test")


@given(
    states=st.lists(st.integers(2**32, 2**64 - 1), min_size=1, max_size=8),
    words=st.lists(st.integers(0, 2**32 - 1), max_size=200),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_noise_in_states_and_words_is_refused(states: list[int], words: list[int]) -> None:
    """All that is checked before it is decoded is in order."""
    supermask, layers = taken(MIXED)
    raw = payloads.take_apart("rans", encode("rans", supermask, layers)[1], layers, "test").raw
    data = layout(len(states), raw, states, words)
    payloads.take_apart("rans", data, layers, "test")
    with pytest.raises(FormatError, match=r"more words|words|lanes that end|ones"):
        codecs.decode("rans", data, layers, "test")


def test_a_payload_of_other_counts_is_refused() -> None:
    """A supermask that is in order but belongs to other counts."""
    supermask, layers = taken(MIXED)
    data = encode("rans", supermask, layers)[1]
    for number, change in ((0, 1), (2, 1), (2, -1), (4, 1), (5, -1)):
        counts = [(layer.length, layer.ones) for layer in layers]
        counts[number] = (counts[number][0], counts[number][1] + change)
        with pytest.raises(FormatError):
            codecs.decode("rans", data, layers_of(counts), "test")


def layout(lanes: int, raw: bytes, states: list[int], words: list[int]) -> bytes:
    """A payload, whether its parts fit each other or not."""
    return b"".join(
        [
            lanes.to_bytes(2, "little"),
            raw,
            *(state.to_bytes(8, "little") for state in states),
            *(word.to_bytes(4, "little") for word in words),
        ]
    )


ONE = layers_of([(100, 3)])
NONE = layers_of([(9, 0)])
HALF = layers_of([(4, 2)])
STATE = 1 << 32


@pytest.mark.parametrize(
    ("data", "layers", "message"),
    [
        (b"", ONE, "2 bytes and whole words, found 0"),
        (layout(0, b"", [], []), ONE, "at least 1 lanes, found 0"),
        (layout(2, b"", [STATE], []), ONE, "18 bytes and whole words, found 10"),
        (layout(1, b"", [STATE], [1])[:-1], ONE, "10 bytes and whole words, found 13"),
        (layout(1, b"", [STATE], [0] * 2048), ONE, "at least 2 lanes, found 1"),
        (layout(4, b"", [STATE] * 4, [0] * 8192), ONE, "at least 5 lanes, found 4"),
        (layout(1, b"", [STATE - 1], []), ONE, "states of at least 2\\^32, found a smaller one"),
        (layout(1, b"", [STATE + 5], []), ONE, "more words, found only 0"),
        (layout(1, b"", [STATE], [7]), NONE, "2 bytes, as no layer is coded, found 14"),
        (layout(0, b"", [], [7]), NONE, "2 bytes, as no layer is coded, found 6"),
        (layout(0, b"\x10", [], []), HALF, "zero bits behind the last one, found others"),
        (layout(0, b"\x01", [], []), HALF, "2 ones, found 1"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, layers: Layers, message: str) -> None:
    with pytest.raises(FormatError, match=f"^test: expected {message}; the file is damaged; get it again$"):
        codecs.decode("rans", data, layers, "test")


def encoded(bits: list[bool], layers: Layers) -> tuple[list[int], list[int]]:
    """The states and words of bits that are written with the densities of a layers which they may not have."""
    data = encode("rans", Bits.from_layers([np.array(bits, np.bool_)]), layers)[1]
    parts = payloads.take_apart("rans", data, layers, "test")
    return (
        [int.from_bytes(parts.states[i : i + 8], "little") for i in range(0, len(parts.states), 8)],
        [int.from_bytes(parts.words[i : i + 4], "little") for i in range(0, len(parts.words), 4)],
    )


def test_forged_payloads_with_other_ones_ends_or_words_are_refused() -> None:
    layers = layers_of([(2000, 300)])
    bits = [j % 20 < 3 for j in range(2000)]
    states, words = encoded(bits, layers)
    assert codecs.decode("rans", layout(len(states), b"", states, words), layers, "test").count(0, 2000) == 300
    states, words = encoded(bits[:-20] + [True] * 20, layers)
    with pytest.raises(FormatError, match=r"^test: layer 0: expected 300 ones, found 317; the file"):
        codecs.decode("rans", layout(len(states), b"", states, words), layers, "test")
    states, words = encoded(bits, layers)
    with pytest.raises(FormatError, match=f"expected {len(words)} words, found {len(words) + 1}; "):
        codecs.decode("rans", layout(len(states), b"", states, [*words, 0]), layers, "test")


def test_a_lane_that_reads_nothing_has_to_end_as_the_others() -> None:
    layers = layers_of([(8, 1)])
    states, words = encoded([False] * 7 + [True], layers)
    expected = Bits.from_bytes(b"\x80", 8)
    assert codecs.decode("rans", layout(2, b"", [*states, STATE], words), layers, "test") == expected
    with pytest.raises(FormatError, match="lanes that end with the state 2\\^32, found another state"):
        codecs.decode("rans", layout(2, b"", [*states, STATE + 1], words), layers, "test")


def test_any_number_of_lanes_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many there are is the writer's choice, and an idle one costs nothing but its bytes."""
    supermask, layers = taken(MIXED)
    written = set()
    for lanes in (1, 2, 3, 64, payloads.MAX_LANES):
        monkeypatch.setattr(rans, "lane_count", lambda symbols, bits, lanes=lanes: lanes)
        data = encode("rans", supermask, layers)[1]
        assert int.from_bytes(data[:2], "little") == lanes
        assert codecs.decode("rans", data, layers, "test") == supermask
        written.add(data)
    assert len(written) == 5


def golden_layers(codec: str) -> list[Bools]:
    """The bits of the golden payload of a codec, by arithmetic alone; one layer of each kind."""

    def bits(length: int, below: int) -> Bools:
        numbers = (np.arange(length, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(12)
        return (numbers * numbers) % np.uint64(1000) < np.uint64(below)

    layers = [bits(*row) for row in ((2000, 500), (7, 200), (3001, 300), (0, 0), (12_345, 20), (640, 950), (9, 1000))]
    signs = Stream(1, len(layers), WEIGHTS).bits(0, 2222) == 1
    alternating = [np.arange(1001) % 2 == 0] if codec == "rans" else []  # so even that it is raw
    return [*layers, signs & bits(2222, 700), *alternating]


@pytest.mark.parametrize(
    ("codec", "sha256"),
    [
        ("raw", "e25498340ca7b5f4ccf02949b67f374964270e2aa14a1fdbfbb30d8c69326be6"),
        ("rans", "059d1039fe6339de96825e9a7f9e44e4d366bd979495a2fe10cc8a16e1122513"),
    ],
)
def test_golden_payloads_are_read(codec: str, sha256: str) -> None:
    supermask, layers = taken(golden_layers(codec))
    path = GOLDEN / f"supermask.{codec}"
    assert path.is_file(), "a missing golden file is a fault, never made again"
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == sha256
    assert codecs.decode(codec, data, layers, "golden") == supermask
    if codec == "rans":
        ways = payloads.take_apart(codec, data, layers, "golden").ways
        assert set(ways) == {payloads.RAW, payloads.CODED, payloads.EMPTY}


@pytest.mark.parametrize(
    ("codec", "sha256"),
    [
        ("raw", "e25498340ca7b5f4ccf02949b67f374964270e2aa14a1fdbfbb30d8c69326be6"),
        ("rans", "059d1039fe6339de96825e9a7f9e44e4d366bd979495a2fe10cc8a16e1122513"),
    ],
)
def test_what_is_written_today(codec: str, sha256: str) -> None:
    """A change here is a change of the writer, on this machine or all: where it is meant, the digest is renewed."""
    supermask, layers = taken(golden_layers(codec))
    assert hashlib.sha256(encode(codec, supermask, layers)[1]).hexdigest() == sha256
