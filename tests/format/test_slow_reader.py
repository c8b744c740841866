"""The fast writer and reader against the slow reader, which was written from docs/format.md alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import sltpack
from sltpack import bundled
from sltpack.errors import FormatError
from sltpack.format import container
from sltpack.format import payload as payloads
from sltpack.format import records as header
from sltpack.format.records import GraphInput, ImageInput, ModelSpec, Ratios, Result, Seeds, Source
from sltpack.source import freezing
from sltpack.source.ratios import Counts
from sltpack.tickets.buffers import store
from sltpack.tickets.ticket import Ticket

GOLDEN = (Path(__file__).parents[1] / "golden") / "two-layers.slt"
GOLDEN_SHA256 = "41daf85bd80bae616a4a7765a0d2fd7e3060bac57eb898a24e71ad0470e91470"
CODED = GOLDEN.with_name("coded.slt")
CODED_SHA256 = "ea949c84e56ba4b553c8b27d139aacb5688aef4d7613af1a1a03f6cacc3acd1a"
REMADE = "a missing or changed golden file is a fault, never made again: files out there have to be read for ever"


def load_slow_reader() -> Any:
    path = Path(__file__).parents[1] / "slow_reader.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slow_reader = load_slow_reader()

seeds = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**63, 2**64 - 1]))
shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
# Of 2 to 4 dimensions, and few enough weights for a reader that takes 10 microseconds for each.
shapes = st.tuples(st.integers(1, 7), st.integers(1, 7)) | st.tuples(*[st.integers(1, 4)] * 3)
shapes |= st.tuples(*[st.integers(1, 3)] * 4)
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts |= st.sampled_from(['"', "\\", "\n\r\t\0", "é😀\x7f"])


@st.composite
def sources(draw: st.DrawFn) -> Source:
    table = draw(st.dictionaries(names, shapes, min_size=1, max_size=4))
    f, share_pruned = draw(shares), draw(shares)
    counts = []
    for shape in table.values():
        frozen = round(f * math.prod(shape))
        pruned = round(share_pruned * frozen)
        counts.append(Counts(pruned, frozen - pruned))
    of_weights, of_freezing = draw(seeds), draw(seeds)
    return Source(
        ModelSpec("example", draw(st.sampled_from([{}, {"width": 0.25, "classes": 3, "input_shape": [1, 2, 2]}]))),
        draw(st.sampled_from(["ku", "skc"])),
        draw(st.sampled_from(["none", "layer", "global"])),
        Seeds(of_weights, of_freezing),
        Ratios("erk", draw(shares), draw(shares)),
        freezing.freeze(of_freezing, list(table), list(table.values()), counts),
    )


@st.composite
def tickets(draw: st.DrawFn) -> Ticket:
    source = draw(sources())
    random = np.random.default_rng(draw(st.integers(0, 9)))

    def masks(lengths: Sequence[int]) -> list[NDArray[np.bool_]]:
        density = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
        return [random.random(length) < density for length in lengths]

    def ones(plane: Sequence[NDArray[np.bool_]]) -> list[int]:
        return [int(np.count_nonzero(mask)) for mask in plane]

    kept = masks([layer.searched for layer in source.layers])
    further: dict[str, list[NDArray[np.bool_]]] = {}
    options: dict[str, Any] = {}
    valued = draw(st.sampled_from([None, None, np.float32, np.float16]))
    if valued is not None:
        options["values"] = random.standard_normal(sum(ones(kept))).astype(valued)
    else:
        before = kept
        for number in range(2, draw(st.integers(1, 5))):
            before = further[f"coat {number}"] = masks(ones(before))
        if source.init != "ku" and draw(st.booleans()):
            further["sign"] = masks(ones(kept))
    without_stream = source.locked == 0 and (valued is not None or "sign" in further)
    if without_stream and draw(st.booleans()):
        source = replace(source, init="none")
    if source.init == "none" and valued is not None:
        source = replace(source, scale="none")
    elif draw(st.booleans()):
        source = replace(source, scale="stored")
        options["steps"] = random.random(len(source.layers)).astype(np.float32) + np.float32(1e-3)
    if further and draw(st.booleans()):
        first, *others = source.layers
        source = replace(source, layers=(replace(first, names=(first.names[0], "shared", "=its.own")), *others))
    drawn = draw(
        st.lists(
            st.tuples(names, st.sampled_from(["f4", "f2"]), st.sampled_from([(), (1,), (3,), (2, 1, 2)])),
            max_size=4,
        )
    )
    buffers = {f"buffer.{name}": random.standard_normal(shape).astype(dtype) for name, dtype, shape in drawn}
    for number in range(draw(st.integers(0, 2))):
        buffers[f"norm{number}.running_mean"] = random.standard_normal(5).astype(np.float32)
        buffers[f"norm{number}.running_var"] = random.exponential(size=5).astype(np.float32)
    if draw(st.booleans()):  # of modules that are used under two names
        buffers |= {f"shared.{name}": values for name, values in buffers.items()}
    stored = store(buffers, draw(st.sampled_from([None, "f32", "f16", "q8"])))
    about = draw(st.dictionaries(texts, texts, max_size=3))
    return Ticket.create(source, kept, stored, about, further=further, **options)


def compare(ticket: Ticket, data: bytes) -> None:
    """Compares a ticket with what the slow reader finds in its file, bit by bit."""
    slow = slow_reader.read(data)
    layers = ticket.source.layers
    assert [slow_reader.parameters_of(row[0]) for row in slow.header["layers"]] == [
        list(layer.parameters) for layer in layers
    ]
    for index, layer in enumerate(layers):
        assert slow.freezing[index] == ticket.freezing_mask(index).ravel().tolist()
        for plane in ("kept", *ticket.source.planes):
            assert slow.planes[plane][index] == ticket.plane_bits(plane, index).tolist()
        assert slow.weights[index] == ticket.weights(index).astype("<f4").tobytes()
        assert tuple(slow.header["layers"][index][1]) == layer.shape
    assert slow.header["about"] == ticket.about
    assert slow.header["seeds"] == {"weights": ticket.source.seeds.weights, "freezing": ticket.source.seeds.freezing}
    assert slow.buffers == {
        name: ({4: "F32", 2: "F16"}[values.itemsize], list(values.shape), values.tobytes())
        for name, values in ticket.buffers.items()
    }


@given(tickets())
@settings(deadline=None, derandomize=True, max_examples=150)
def test_both_readers_find_the_same_bits(ticket: Ticket) -> None:
    for codec in header.CODECS:
        data = container.encode(ticket.to_container(codec))
        compare(ticket, data)
        compare(Ticket.from_container(container.decode(data), "test"), data)


def assert_layers_are_read_by_both(length: int, ones: Sequence[int]) -> None:
    """One layer of so many searched weights for each number of ones."""
    layers = freezing.freeze(5, [f"layer{n}" for n in ones], [(length, 1)] * len(ones), [Counts(0, 0)] * len(ones))
    source = Source(ModelSpec("example", {}), "skc", "layer", Seeds(4, 5), Ratios("epl", 0.0, 0.0), layers)
    random = np.random.default_rng(6)
    masks = [random.permutation(length) < kept for kept in ones]
    ticket = Ticket.create(source, masks, {}, {})
    compare(ticket, container.encode(ticket.to_container("rans")))


def test_both_readers_find_the_same_bits_at_every_density() -> None:
    """Blocks are coded in up to four steps; with 125 ones, the share of zeros is 7/8 itself, which is not yet sparse."""
    ones = (0, 1, 2, 7, 50, 124, 125, 126, 300, 497, 498, 500, 503, 800, 875, 876, 990, 999, 1000)
    assert_layers_are_read_by_both(1000, ones)


@pytest.mark.parametrize("length", [*range(1, 10), 16, 17, 63, 64, 65])
def test_both_readers_find_the_same_bits_of_short_layers(length: int) -> None:
    """At 64, the string that tells which blocks are not empty can be a block itself, and sparse."""
    assert_layers_are_read_by_both(length, range(length + 1))


@pytest.mark.parametrize("scale", ["none", "layer", "global"])
@pytest.mark.parametrize("init", ["ku", "skc"])
@pytest.mark.parametrize(("prune", "lock"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.0, 0.5), (0.5, 0.0)])
def test_edges_of_freezing(init: str, scale: str, prune: float, lock: float) -> None:
    table = {"conv": (4, 3, 3, 2), "linear": (2, 9)}
    sizes = [math.prod(shape) for shape in table.values()]
    counts = [Counts(int(prune * size), int(lock * size)) for size in sizes]
    layers = freezing.freeze(2**64 - 1, list(table), list(table.values()), counts)
    source = Source(ModelSpec("example", {}), init, scale, Seeds(0, 2**64 - 1), Ratios("epl", prune, lock), layers)
    masks = [np.arange(layer.searched) % 3 == index for index, layer in enumerate(layers)]
    ticket = Ticket.create(source, masks, {}, {})
    assert source.searched == sum(sizes) - int(prune * sum(sizes)) - int(lock * sum(sizes))
    compare(ticket, container.encode(ticket.to_container()))


def changed(data: bytes, key: str, value: object) -> bytes:
    """The file with another entry in its slt text, and a right file_sha256."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    slt = json.loads(header["__metadata__"]["slt"]) | {key: value}
    header["__metadata__"]["slt"] = json.dumps(slt, ensure_ascii=False, separators=(",", ":"))
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    found = struct.pack("<Q", len(encoded)) + encoded + body
    return found[:40] + hashlib.sha256(found[:40] + found[104:]).hexdigest().encode() + found[104:]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "version"),
        ("codec", "other", "codec"),
        ("scale", "other", "scale"),
        ("weights_sha256", "0" * 64, "weights_sha256"),
        ("seeds", {"weights": 1, "freezing": 1}, "frozen positions of conv"),
        ("seeds", {"weights": 2, "freezing": 20240220}, "weights_sha256"),
    ],
)
def test_the_slow_reader_refuses(key: str, value: object, message: str) -> None:
    data = GOLDEN.read_bytes()
    slow_reader.read(changed(data, "about", {}))
    with pytest.raises(slow_reader.SlowReaderError, match=message):
        slow_reader.read(changed(data, key, value))
    with pytest.raises(slow_reader.SlowReaderError, match="file_sha256"):
        slow_reader.read(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (slice(4, 7), [12, 21, 32]),  # another share of pruned and locked, the searched ones and the bits as before
        (slice(4, 7), [10, 23, 34]),
        (slice(2, 4), [0x10000000, 2972820578]),  # thresholds that lead to other counts
        (slice(2, 4), [1199726485, 0xC0000000]),
        (slice(2, 4), [1199726485, 0xA0000000]),
    ],
)
def test_counts_that_the_keys_contradict_are_refused_by_both(column: slice, values: list[int]) -> None:
    data = GOLDEN.read_bytes()
    rows = slow_reader.read(data).header["layers"]
    rows[0][column] = values
    lying = changed(data, "layers", rows)
    with pytest.raises(slow_reader.SlowReaderError, match="frozen positions of conv"):
        slow_reader.read(lying)
    ticket = Ticket.from_container(container.decode(lying), "file.slt")
    with pytest.raises(
        FormatError, match=r"layer conv: expected .*, as the layer table says, found .* by the thresholds"
    ):
        ticket.check(ticket.digest())


def test_golden_file_is_read_by_both() -> None:
    assert GOLDEN.is_file(), REMADE
    data = GOLDEN.read_bytes()
    assert hashlib.sha256(data).hexdigest() == GOLDEN_SHA256, REMADE
    ticket = sltpack.load(GOLDEN)
    compare(ticket, data)
    ticket.check(ticket.digest())
    # Some of each kind: in the conv layer, pruned, locked, searched and kept, searched and not kept.
    layer = ticket.source.layers[0]
    assert (layer.pruned, layer.locked, layer.searched, layer.kept) == (11, 22, 21, 33)
    assert struct.pack(">4f", *ticket.weights(0).ravel()[:4]).hex() == "3df9641d000000003ecf21db3efa190d"
    assert {name: (values.dtype.name, values.tolist()) for name, values in ticket.buffers.items()} == {
        "norm.running_mean": ("float32", [0.5, -1.25, 2**-149]),
        "norm.running_var": ("float16", [1.0, 65504.0, 2**-24]),
    }


def test_golden_coded_file_is_read_by_both() -> None:
    """Its layers are coded, coded in two steps, and raw."""
    assert CODED.is_file(), REMADE
    data = CODED.read_bytes()
    assert hashlib.sha256(data).hexdigest() == CODED_SHA256, REMADE
    ticket = sltpack.load(CODED)
    compare(ticket, data)
    assert (
        ticket.digest() == ticket.weights_sha256 == "4244426bd07ffb82bebc0e29ff307c8886974d9249e5e20fc42883353cb008c6"
    )
    packed = container.read(CODED)
    ways = payloads.take_apart("rans", packed.kept, packed.header.source.bits_of("kept"), CODED).ways
    assert ways == (payloads.CODED, payloads.CODED, payloads.RAW)


MORE_GOLDEN = {
    "coats": (
        "rans",
        "b6bed45f9cb3a24d49eed2a41da17623ac795305a8c77b1a749ae1b68c733812",
        "b0365286e934727a2d75e6fa2a5c0909b4bc280f2e2bbc9e6975cc5657015ac4",
    ),
    "signs": (
        "raw",
        "a61283fd6f6486ef85b9a8c02692065c4982f404789d08f7d31b03ffb050eccc",
        "c0604d11507d8550351ddcca3a6a2710b17644f887089c0dd9b1ea398956c002",
    ),
    "values-f32": (
        "rans",
        "f5028cc63627aeb829b2e677753e9f8657e969321adc95487feb6b0778dc5e5b",
        "37e2c06d417b847589301ea2fb269d3bdb6a8fadcc3470d3193abef6313883c9",
    ),
    "values-f16": (
        "rans",
        "9ab33df21be514c6becc3746bb50ba08d758f5db3d0e1fbd4a9ca7cf584c5bde",
        "e7851d7895a586c45f4c9d16f7c664b59b9ef8a98842c8631318846953560b45",
    ),
    "shared": (
        "raw",
        "0a3e140df90bc4deb0d0b55d28ba9d4b4dec67aad48853eb5f07e77ac0898e83",
        "4142ba4c9ce9f6496b020bf3efd97afd81bb728c398762d5e8c3124c9451e563",
    ),
}
"""Codec, SHA-256 of the file and of the weights by the file's name: coats and a shared row; signs, stored steps and
statistics of 8 bits; trained weights beside locked ones; half-precision weights without any stream; rows of layers and
buffers with several names."""


@pytest.mark.parametrize("name", MORE_GOLDEN)
def test_more_golden_files_are_read_by_both(name: str) -> None:
    path, (_, file_sha256, weights_sha256) = GOLDEN.with_name(f"{name}.slt"), MORE_GOLDEN[name]
    assert path.is_file(), REMADE
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == file_sha256, REMADE
    ticket = sltpack.load(path)
    compare(ticket, data)
    assert ticket.digest() == ticket.weights_sha256 == weights_sha256


def test_the_shared_rows_of_a_golden_file() -> None:
    """A module under two names, in each kind of row; its numbers stand in the file once."""
    ticket = sltpack.load(GOLDEN.with_name("shared.slt"))
    assert [layer.names for layer in ticket.source.layers] == [("a.0", "b.0"), ("last",)]
    assert [(row.names, row.kind) for row in ticket.stored_buffers.rows] == [
        (("a.1", "b.1"), "norm-f32"),
        (("c", "d", "é"), "norm-f16"),
        (("e", "f"), "norm-q8"),
        (("own", "b.own"), "f32"),
        (("half", "b.half"), "f16"),
        (("alone",), "f32"),
    ]
    found = {name: values.tolist() for name, values in ticket.state().items()}
    for first, second in (("a.1", "b.1"), ("c", "é"), ("e", "f")):
        for end in (".running_mean", ".running_var"):
            assert found[first + end] == found[second + end]
    assert found["a.0.weight"] == found["b.0.weight"]
    assert found["b.1.running_mean"] == [0.5, -1.25, 2**-149, 3]
    assert found["d.running_var"] == [1, 0.5]
    assert (found["b.own"], found["b.half"], found["alone"]) == ([7.5, -1], 3, [1])


def test_what_the_golden_files_hold() -> None:
    read = {name: sltpack.load(GOLDEN.with_name(f"{name}.slt")) for name in MORE_GOLDEN}
    coats, signs, wide, narrow = (read[name] for name in ("coats", "signs", "values-f32", "values-f16"))
    assert [ticket.origin for ticket in (coats, signs, wide, narrow)] == [
        "seeded",
        "signs stored",
        *["values stored"] * 2,
    ]
    assert [ticket.seeded for ticket in (coats, signs, wide, narrow)] == [True, False, False, False]
    assert coats.source.layers[0].parameters == ("conv.weight", "again.conv.weight", "own.parameter")
    state = coats.state()
    assert list(state) == ["conv.weight", "again.conv.weight", "own.parameter", "linear.weight"]
    assert set(np.unique(coats.multiplicities(0))) == {0, 1, 2, 3}
    assert set(np.abs(signs.weights(0)).ravel().tolist()) == {0.0, float(np.float32(0.1))}
    assert set(np.abs(signs.weights(1)).ravel().tolist()) == {0.0, 2.0**-140}
    assert signs.classes == ("kät", "dog") and signs.outputs == (0, 1, 1, 0)
    assert signs.input == ImageInput((0, 1), (0.5, 0.25, 0.125), (1, 0.5, 0.25), "cover")
    assert signs.results == (Result("cifar10", "test", 0.75, 10000, 40, "2026-11-28", "0.1.0"), Result(accuracy=0.5))
    assert narrow.input == GraphInput("unscaled", "undirected")
    assert wide.source.locked == 30 and narrow.values is not None and narrow.values.dtype == np.float16
    assert {name: values.tolist() for name, values in narrow.buffers.items()} == {
        "norm.running_mean": [0.5, -1.25, 0, 3],
        "norm.running_var": [1, float(np.float16(0.01)), 2.5, 0],
        "other": 7,
    }
    # The largest deviation is written within 0.4 %, a mean within a 128th of its deviation or the largest mean's share.
    assert signs.buffers["norm.running_var"][2] == pytest.approx(2.5, rel=0.01)
    assert signs.buffers["norm.running_mean"][0] == pytest.approx(0.5, abs=0.5)


@pytest.mark.parametrize(
    ("golden", "codec"),
    [
        (GOLDEN, "raw"),
        (CODED, "rans"),
        *((GOLDEN.with_name(f"{name}.slt"), MORE_GOLDEN[name][0]) for name in MORE_GOLDEN),
    ],
)
def test_what_is_written_today(golden: Path, codec: str, tmp_path: Path) -> None:
    """The golden files are still written as they are: where a change of the writer is meant, this test goes, not they."""
    sltpack.save(sltpack.load(golden), tmp_path / "copy.slt", codec=codec)
    assert (tmp_path / "copy.slt").read_bytes() == golden.read_bytes()


def coded_by_hand(payload: bytes) -> bytes:
    """The golden coded file with another supermask, its lengths and file_sha256 right."""
    packed = container.read(CODED)
    return container.encode(replace(packed, tensors={**packed.tensors, "kept": payload}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:1], "length of a plane"),
        (lambda data: data[:-1], "length of a plane"),
        (lambda data: data[:-4], "too few words"),
        (lambda data: data + bytes(4), "words behind the last layer"),
        (lambda data: bytes(2) + data[2:], "number of lanes"),
        (lambda data: data[:2] + bytes([data[2] ^ 0x80]) + data[3:], "padding of a plane"),
        (lambda data: data[:7] + bytes(4) + data[11:], "a state below 2"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "too few words|words behind|ones in|last states"),
    ],
)
def test_the_slow_reader_and_ours_refuse_coded_supermasks(change: Callable[[bytes], bytes], message: str) -> None:
    data = coded_by_hand(change(container.read(CODED).kept))
    with pytest.raises(slow_reader.SlowReaderError, match=message):
        slow_reader.read(data)
    with pytest.raises(FormatError):
        Ticket.from_container(container.decode(data, "file.slt"), "file.slt")


def test_the_tickets_of_the_package_are_read_in_plain_integers() -> None:
    """Two million weights: the slow reader makes them all and compares their digest."""
    for name in bundled.names():
        slow = slow_reader.read(bundled.locate(name).read_bytes())
        assert slow.header["weights_sha256"] == sltpack.load(name).digest()
