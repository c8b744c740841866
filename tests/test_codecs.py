"""One battery that every codec passes: whatever the bits, what was written is read back, and nothing else is read.

The golden payloads in tests/golden were written by the first version of each codec. They are never made anew: files out
there have to be read for ever.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack import classes, codecs, header, payloads, rans
from sltpack.accounting import entropy_bits
from sltpack.codecs import CODECS
from sltpack.errors import FormatError
from sltpack.header import THRESHOLD_ONE, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.supermask import Supermask

GOLDEN = Path(__file__).with_name("golden")
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

Bits = NDArray[np.bool_]


def source_of(lengths_and_ones: list[tuple[int, int]], init: str = "skc") -> Source:
    """A source whose layers have as many searched positions and as many kept ones among them."""
    rows = []
    for number, (length, ones) in enumerate(lengths_and_ones):
        # A layer has at least one weight: where nothing is searched, all of it is pruned.
        threshold, pruned = (0, 0) if length else (THRESHOLD_ONE, 1)
        rows.append(Layer(f"layer{number}", (max(length, 1), 1), threshold, threshold, pruned, 0, ones))
    return Source(ModelSpec("test", {}), init, "none", Seeds(1, 2), Ratios("epl", 0.0, 0.0), tuple(rows))


def taken(layers: list[list[bool]] | list[Bits], init: str = "skc") -> tuple[Supermask, Source]:
    """Bits by the layer as a supermask, and a source that they fit."""
    arrays = [np.array(bits, np.bool_) for bits in layers]
    source = source_of([(bits.size, int(np.count_nonzero(bits))) for bits in arrays], init)
    return Supermask.from_layers(arrays), source


def most_bytes(codec: str, source: Source) -> float:
    """What a codec promises: raw, a bit each; an entropy code, 0.1 % and 64 bytes above the entropy."""
    if codec == "raw":
        return -(-source.searched // 8)
    entropy = sum(entropy_bits(layer.searched, layer.searched_kept) for layer in source.layers)
    return 1.001 * entropy / 8 + 64


def assert_round_trip(codec: str, layers: list[list[bool]] | list[Bits], init: str = "skc") -> None:
    supermask, source = taken(layers, init)
    name, data = codecs.encode(codec, supermask, source)
    assert (name, type(data)) == (codec, bytes)
    assert codecs.encode(codec, supermask, source) == (name, data)
    assert codecs.decode(codec, data, source, "test") == supermask
    assert len(data) <= most_bytes(codec, source)


def by_weight(number: int, length: int, init: str = "skc") -> Bits:
    """Bits of a layer that go with the weights: 1 rather for the positive ones, or for those of the highest draws."""
    source = source_of([(0, 0)] * number + [(length, 0)], init)
    chance = classes.of_layer(source, number) / (payloads.CLASSES[init] - 1) * 0.8 + 0.1
    return np.random.default_rng(number).random(length) < chance


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


def test_the_codecs_are_those_that_the_header_knows() -> None:
    assert tuple(CODECS) == header.CODECS


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


@pytest.mark.parametrize("init", header.INITS)
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 3000, 70_000, 1_000_001])
def test_round_trip_of_bits_that_go_with_the_weights(length: int, init: str) -> None:
    layers = [by_weight(0, 300, init), by_weight(1, length, init), by_weight(2, 50, init)]
    for codec in CODECS:
        assert_round_trip(codec, layers, init)
    supermask, source = taken(layers, init)
    data = codecs.encode("rans", supermask, source)[1]
    way = payloads.take_apart(data, source, "test").ways[1]
    assert way == payloads.DIVIDED or length < 1000
    if length > 50_000:
        assert 8 * len(data) < 0.9 * entropy_bits(length, source.layers[1].searched_kept)


@pytest.mark.parametrize("init", header.INITS)
@pytest.mark.parametrize("codec", CODECS)
@given(layers=layers_of_bits | uneven_layers)
@settings(deadline=None, derandomize=True)
def test_round_trip_of_anything(codec: str, init: str, layers: list[list[bool]]) -> None:
    assert_round_trip(codec, layers, init)


def test_raw_is_the_bits_themselves() -> None:
    supermask, source = taken([[True, True, False], [True, False, False, False, False, True, False, True]])
    assert CODECS["raw"].encode(supermask, source) == bytes([0b00001011, 0b101])


def test_auto_takes_what_is_smaller() -> None:
    for density, best in ((0.5, "raw"), (0.3, "rans")):
        supermask, source = taken([np.random.default_rng(7).random(5000) < density])
        sizes = {name: len(codecs.encode(name, supermask, source)[1]) for name in CODECS}
        name, data = codecs.encode("auto", supermask, source)
        assert (name, len(data)) == (best, min(sizes.values()))


def test_auto_takes_raw_where_nothing_is_gained() -> None:
    """Two bytes tell that there are no lanes, so that a supermask of nothing is shorter without them."""
    supermask, source = taken([[], [True, True]])
    assert codecs.encode("auto", supermask, source) == ("raw", b"\3")
    assert codecs.encode("rans", supermask, source) == ("rans", b"\0\0")  # no lanes


@pytest.mark.parametrize(
    ("length", "ones", "way"),
    [
        (0, 0, payloads.EMPTY),
        (9, 0, payloads.EMPTY),
        (9, 9, payloads.EMPTY),
        (10_000, 5000, payloads.RAW),
        (10_000, 5050, payloads.RAW),
        (10_000, 5200, payloads.CODED),
        (10_000, 4800, payloads.CODED),
    ],
)
def test_which_layers_are_coded(length: int, ones: int, way: str) -> None:
    layer = source_of([(length, ones)]).layers[0]
    assert payloads.way_of(layer) == way


@pytest.mark.parametrize("length", [100, 3000, 70_000, 1_000_000])
def test_a_layer_is_coded_from_where_that_is_smaller(length: int) -> None:
    """At the first counts beyond the rule, coding saves; just within it, the entropy has no 2 bytes in 10,000 to save."""
    ones = next(
        ones for ones in range(length // 2, length) if payloads.way_of(source_of([(length, ones)]).layers[0]) != "raw"
    )
    assert length - entropy_bits(length, ones) > 0.5
    assert length - entropy_bits(length, ones - 1) < 2 + length / 2**14


MIXED = [
    np.random.default_rng(number).random(length) < density
    for number, (length, density) in enumerate([(700, 0.5), (0, 0.5), (901, 0.2), (33, 0.0), (5000, 0.01), (77, 0.93)])
]
MIXED.append(by_weight(len(MIXED), 1500))
"""Layers that are raw, empty, coded, coded in two levels, coded inverted, and divided by the weights' signs."""


@pytest.mark.parametrize("codec", CODECS)
def test_every_truncation_is_refused(codec: str) -> None:
    supermask, source = taken(MIXED)
    data = codecs.encode(codec, supermask, source)[1]
    for length in range(len(data)):
        with pytest.raises(FormatError):
            codecs.decode(codec, data[:length], source, "test")
    for more in (b"\0", b"\0\0\0\0", data):
        with pytest.raises(FormatError):
            codecs.decode(codec, data + more, source, "test")


@pytest.mark.parametrize("codec", CODECS)
def test_flipped_bits_are_refused_or_give_other_bits_of_the_same_counts(codec: str) -> None:
    """By the codec alone, which sees no digest: the few others exchange two blocks with equally many ones."""
    supermask, source = taken(MIXED)
    data = codecs.encode(codec, supermask, source)[1]
    accepted = []
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            accepted.append(codecs.decode(codec, bytes(flipped), source, "test"))
        except FormatError:
            continue
    assert supermask not in accepted
    assert len(accepted) <= 8 * len(data) / 100


@pytest.mark.parametrize("codec", CODECS)
@given(noise=st.binary(max_size=600))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_noise_is_refused(codec: str, noise: bytes) -> None:
    _, source = taken(MIXED)
    with pytest.raises(FormatError):
        codecs.decode(codec, noise, source, "test")


def test_a_payload_of_other_counts_is_refused() -> None:
    """A supermask that is in order but belongs to other counts."""
    supermask, source = taken(MIXED)
    data = codecs.encode("rans", supermask, source)[1]
    for number, change in ((0, 1), (2, 1), (2, -1), (4, 1), (5, -1)):
        counts = [(layer.searched, layer.searched_kept) for layer in source.layers]
        counts[number] = (counts[number][0], counts[number][1] + change)
        with pytest.raises(FormatError):
            codecs.decode("rans", data, source_of(counts), "test")


def layout(lanes: int, raw: bytes, states: list[int], words: list[int], divided: bytes = b"\0") -> bytes:
    """A payload, by default one with up to 8 layers that are not divided."""
    return b"".join(
        [
            lanes.to_bytes(2, "little"),
            divided,
            raw,
            *(state.to_bytes(8, "little") for state in states),
            *(word.to_bytes(4, "little") for word in words),
        ]
    )


ONE = source_of([(100, 3)])
NONE = source_of([(9, 0)])
HALF = source_of([(4, 2)])
STATE = 1 << 32


@pytest.mark.parametrize(
    ("data", "source", "message"),
    [
        (b"", ONE, "3 bytes and whole words in the supermask, found 0"),
        (layout(0, b"", [], []), ONE, "at least 1 lanes in the supermask, found 0"),
        (layout(0, b"", [], [], b"\2"), ONE, "1 layers that may be divided in the supermask, found more"),
        (layout(0, b"", [], [], b"\1"), ONE, "5 bytes and whole words in the supermask, found 3"),
        (layout(0, b"", [], [], b"\1\x80\x80"), ONE, "at least 1 lanes in the supermask, found 0"),
        (layout(2, b"", [STATE], []), ONE, "19 bytes and whole words in the supermask, found 11"),
        (layout(1, b"", [STATE], [1])[:-1], ONE, "11 bytes and whole words in the supermask, found 14"),
        (layout(1, b"", [STATE], [0] * 16384), ONE, "at least 2 lanes in the supermask, found 1"),
        (layout(1, b"", [STATE - 1], []), ONE, "states of at least 2\\^32 in the supermask, found a smaller one"),
        (layout(1, b"", [STATE + 5], []), ONE, "more words in the supermask, found only 0"),
        (layout(1, b"", [STATE], [7], b""), NONE, "2 bytes in the supermask, as no layer is coded, found 14"),
        (layout(0, b"", [], [7], b""), NONE, "2 bytes in the supermask, as no layer is coded, found 6"),
        (layout(0, b"\x10", [], []), HALF, "zero bits behind the last one of the supermask, found others"),
        (layout(0, b"\x01", [], []), HALF, "2 ones in the supermask, found 1"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, source: Source, message: str) -> None:
    with pytest.raises(FormatError, match=f"^test: expected {message}; the file is damaged; get it anew$"):
        codecs.decode("rans", data, source, "test")


def encoded(bits: list[bool], source: Source) -> tuple[list[int], list[int]]:
    """The states and words of bits that are written with the densities of a source which they may not have."""
    data = CODECS["rans"].encode(Supermask.from_layers([np.array(bits, np.bool_)]), source)
    parts = payloads.take_apart(data, source, "test")
    return (
        [int.from_bytes(parts.states[i : i + 8], "little") for i in range(0, len(parts.states), 8)],
        [int.from_bytes(parts.words[i : i + 4], "little") for i in range(0, len(parts.words), 4)],
    )


def test_forged_payloads_with_other_ones_ends_or_words_are_refused() -> None:
    source = source_of([(2000, 300)])
    bits = [j % 20 < 3 for j in range(2000)]
    states, words = encoded(bits, source)
    assert codecs.decode("rans", layout(len(states), b"", states, words), source, "test").count(0, 2000) == 300
    states, words = encoded(bits[:-20] + [True] * 20, source)
    with pytest.raises(FormatError, match=r"^test: layer layer0: expected 300 ones in its part .* found 317; the file"):
        codecs.decode("rans", layout(len(states), b"", states, words), source, "test")
    states, words = encoded(bits, source)
    with pytest.raises(FormatError, match=f"expected {len(words)} words in the supermask, found {len(words) + 1}; "):
        codecs.decode("rans", layout(len(states), b"", states, [*words, 0]), source, "test")


def test_a_lane_that_reads_nothing_has_to_end_as_the_others() -> None:
    source = source_of([(8, 1)])
    states, words = encoded([False] * 7 + [True], source)
    expected = Supermask.from_bytes(b"\x80", 8)
    assert codecs.decode("rans", layout(2, b"", [*states, STATE], words), source, "test") == expected
    with pytest.raises(FormatError, match="lanes of the supermask that end with the state 2\\^32, found another state"):
        codecs.decode("rans", layout(2, b"", [*states, STATE + 1], words), source, "test")


@pytest.mark.parametrize("shares", [b"\0\x80", b"\x80\0"])
def test_a_share_is_told_of_every_class(shares: bytes) -> None:
    data = layout(1, b"", [STATE], [], b"\1" + shares)
    with pytest.raises(
        FormatError, match=r"^test: layer layer0: expected a share of ones for a class of \d+ weights, fou"
    ):
        codecs.decode("rans", data, source_of([(100, 50)]), "test")


def test_no_share_is_told_of_a_class_of_no_weights() -> None:
    data = layout(1, b"", [STATE], [], b"\1" + b"\x80" * 16)
    with pytest.raises(FormatError, match=r"^test: layer layer0: expected none for a class of no weights, found 128; "):
        codecs.decode("rans", data, source_of([(2, 1)], "ku"), "test")


def test_thresholds_that_lead_to_other_counts_are_told() -> None:
    supermask, source = taken([by_weight(0, 3000)])
    data = codecs.encode("rans", supermask, source)[1]
    more = replace(source.layers[0], shape=(3001, 1), pruned=1)
    fewer = replace(source.layers[0], prune_threshold=2**31, freeze_threshold=2**31)
    for layer, found in ((more, "more"), (fewer, "fewer")):
        with pytest.raises(FormatError, match=f"layer layer0: expected 3000 searched weights, .* found {found} by the"):
            codecs.decode("rans", data, replace(source, layers=(layer,)), "test")


def test_any_number_of_lanes_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many there are is the writer's choice, and an idle one costs nothing but its bytes."""
    supermask, source = taken(MIXED)
    written = set()
    for lanes in (1, 2, 3, 64, 5000):
        monkeypatch.setattr(rans, "_lane_count", lambda segments, lanes=lanes: lanes)
        data = CODECS["rans"].encode(supermask, source)
        assert int.from_bytes(data[:2], "little") == lanes
        assert codecs.decode("rans", data, source, "test") == supermask
        written.add(data)
    assert len(written) == 5


def golden_layers() -> list[Bits]:
    """The bits of the golden payloads, by arithmetic alone; one layer of each kind."""

    def bits(length: int, below: int) -> Bits:
        numbers = (np.arange(length, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(12)
        return (numbers * numbers) % np.uint64(1000) < np.uint64(below)

    layers = [bits(*row) for row in ((2000, 500), (7, 200), (3001, 300), (0, 0), (12_345, 20), (640, 950), (9, 1000))]
    signs = classes.of_layer(source_of([(0, 0)] * len(layers) + [(2222, 0)]), len(layers)) == 1
    return [*layers, signs & bits(2222, 700)]


@pytest.mark.parametrize(
    ("codec", "sha256"),
    [
        ("raw", "e25498340ca7b5f4ccf02949b67f374964270e2aa14a1fdbfbb30d8c69326be6"),
        ("rans", "9baee40a78359f2cd40eabbedee0ecde3f358e3417981300740776cefb776faa"),
    ],
)
def test_golden_payloads(codec: str, sha256: str) -> None:
    supermask, source = taken(golden_layers())
    path = GOLDEN / f"supermask.{codec}"
    assert path.is_file(), "a missing golden file is a fault, never made anew"
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == sha256
    assert codecs.decode(codec, data, source, "golden") == supermask
    assert codecs.encode(codec, supermask, source) == (codec, data)
    if codec == "rans":
        ways = payloads.take_apart(data, source, "golden").ways
        assert set(ways) == {payloads.RAW, payloads.CODED, payloads.EMPTY, payloads.DIVIDED}
