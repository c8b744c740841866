"""The slt entry: its text and back, and one sentence for each value that is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack import errors
from sltpack.errors import FormatError, LimitError
from sltpack.format import parsing as header_reader
from sltpack.format import records as header
from sltpack.format.parsing import from_text
from sltpack.format.records import (
    BufferRow,
    GraphInput,
    Header,
    ImageInput,
    Layer,
    LayerBits,
    ModelSpec,
    Ratios,
    Result,
    Seeds,
    Source,
    to_text,
)

NOT_WRITTEN = "the file is damaged or was not written by sltpack"
NEWER = "read the file with a newer sltpack, or get it again"

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
arguments = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.lists(st.integers(0, 2**64 - 1)),
)


inputs = st.one_of(
    st.none(),
    st.builds(GraphInput, names, names),
    st.integers(1, 3).flatmap(
        lambda channels: st.builds(
            ImageInput,
            st.sampled_from([(0.0, 1.0), (-1.0, 1.0)]),
            st.tuples(*[st.floats(-9, 9)] * channels),
            st.tuples(*[st.floats(1e-3, 9)] * channels),
            st.sampled_from(header.FITS),
        )
    ),
)
results = st.builds(
    Result,
    *(st.none() | each for each in (texts, st.sampled_from(header.PARTS), st.floats(0, 1).map(abs))),
    *(st.none() | st.integers(1, 10**9), st.none() | st.integers(0, 10**9), st.none() | st.dates().map(str)),
    st.none() | texts,
).filter(lambda result: result != Result())


@st.composite
def layers(draw: st.DrawFn, name: str, planes: tuple[str, ...], lockable: bool) -> Layer:
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=2, max_size=8).filter(lambda s: math.prod(s) < 10**6)))
    size = math.prod(shape)
    kind = draw(st.sampled_from(["nothing", "pruned", "locked", "all", "some"]))
    if kind == "nothing":
        T_p, T_f, pruned, locked = 0, 0, 0, 0
    elif kind == "pruned":
        T_p, T_f, pruned, locked = 2**32, 2**32, size, 0
    elif kind == "locked":
        T_p, T_f, pruned, locked = 0, 2**32, 0, size
    else:
        T_p = draw(st.integers(1, 2**32 - 2))
        T_f = 2**32 if kind == "all" else draw(st.integers(T_p + 1, 2**32 - 1))
        pruned = draw(st.integers(0, size))
        locked = size - pruned if kind == "all" else draw(st.integers(0, size - pruned))
    if not lockable and locked:
        T_p, T_f, pruned, locked = 0, 0, 0, 0
    kept, further = draw(st.integers(locked, size - pruned)), []
    most = kept - locked
    for plane in planes:
        most = kept - locked if plane == "sign" else most
        most = draw(st.integers(0, most))
        further.append(most)
    named = draw(st.sampled_from([(name,), (f"={name}",), (name, f"{name}.again", f"={name}.bias")]))
    return Layer(named, shape, T_p, T_f, pruned, locked, kept, tuple(further))


@st.composite
def headers(draw: st.DrawFn) -> Header:
    init = draw(st.sampled_from((*header.INITS, header.NO_INIT)))
    planes = header.COATS[: draw(st.integers(0, 3))] + draw(st.sampled_from([(), ("sign",)] if init != "ku" else [()]))
    named = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    rows = tuple(draw(layers(f"{n}{name}", planes, init != header.NO_INIT)) for n, name in enumerate(named))
    seeds = st.integers(0, 2**64 - 1)
    ratios = st.floats(0, 1).map(abs)  # -0.0 is no ratio
    source = Source(
        ModelSpec(draw(names), draw(st.dictionaries(texts.filter(lambda key: key != "name"), arguments, max_size=3))),
        init,
        draw(st.sampled_from((*header.SCALES, header.STORED))),
        Seeds(draw(seeds), draw(seeds)),
        Ratios(draw(st.sampled_from(header.METHODS)), draw(ratios), draw(ratios)),
        rows,
        planes,
    )
    kinds = st.tuples(st.lists(st.integers(1, 5), max_size=8), st.sampled_from(header.BUFFER_KINDS))
    buffers = draw(st.dictionaries(names.map(lambda name: f"norm.{name}"), kinds, max_size=3))
    digest = draw(st.text("0123456789abcdef", min_size=64, max_size=64))
    return Header(
        source,
        draw(st.sampled_from(header.CODECS)),
        digest,
        draw(st.dictionaries(texts, texts, max_size=3)),
        tuple(
            BufferRow((name, f"shared.{name}") if draw(st.booleans()) else (name,), tuple(shape), kind)
            for name, (shape, kind) in buffers.items()
        ),
        draw(inputs),
        tuple(draw(st.lists(texts, max_size=3))),
        tuple(draw(st.lists(results, max_size=2))),
        tuple(draw(st.lists(st.integers(0, 1000), max_size=32))),
        draw(st.sampled_from([{}, {"integers": {"bits": [8, None, True], "é": 0.5}}])),
    )


@given(headers())
@settings(deadline=None, derandomize=True, max_examples=100)
def test_text_and_back(given_header: Header) -> None:
    text = to_text(given_header)
    found = from_text(text, "file.slt")
    assert found == given_header
    assert to_text(found) == text
    keys = tuple(json.loads(text))
    known = tuple(key for key in keys if key in header.KEYS)
    assert known == tuple(key for key in header.KEYS if key in keys)
    assert set(header.KEYS) - set(keys) <= set(header.OPTIONAL)
    assert keys[len(known) :] == tuple(given_header.extra)


@given(headers())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_counts_of_the_source_are_sums_over_the_layers(given_header: Header) -> None:
    source = given_header.source
    assert source.size == sum(math.prod(layer.shape) for layer in source.layers)
    assert source.pruned + source.locked + source.searched == source.size
    assert source.locked + sum(layer.searched_kept for layer in source.layers) == source.kept
    assert source.sparsity == pytest.approx((source.size - source.kept) / source.size)


def test_values_of_a_layer() -> None:
    layer = Layer(("features.0",), (8, 3, 5, 2), 5, 9, pruned=100, locked=40, kept=50)
    assert (layer.size, layer.fan_in, layer.searched, layer.searched_kept) == (240, 30, 100, 10)
    assert layer.parameter == "features.0.weight"
    assert header.layer_row(layer) == ["features.0", [8, 3, 5, 2], 5, 9, 100, 40, 50]


def test_names_of_a_layer() -> None:
    layer = Layer(("conv", "=attention.in_proj_weight", "tied.conv"), (2, 2), 0, 0, 0, 0, 4, (3,))
    assert (layer.name, layer.parameter) == ("conv", "conv.weight")
    assert layer.parameters == ("conv.weight", "attention.in_proj_weight", "tied.conv.weight")
    assert header.layer_row(layer)[0] == ["conv", "=attention.in_proj_weight", "tied.conv"]
    assert header.layer_row(layer)[7:] == [3]
    alone = Layer(("=attention.in_proj_weight",), (2, 2), 0, 0, 0, 0, 4)
    assert (alone.name, alone.parameter) == ("attention.in_proj_weight",) * 2


def test_populations_of_the_planes() -> None:
    layer = Layer(("a",), (4, 5), 9, 99, 2, 3, 13, (7, 4, 6))
    source = Source(
        ModelSpec("m", {}), "skc", "layer", Seeds(1, 2), Ratios("epl", 0, 0), (layer,), ("coat 2", "coat 3", "sign")
    )
    assert source.bits_of("kept") == (LayerBits(15, 10),)
    assert source.bits_of("coat 2") == (LayerBits(10, 7),)
    assert source.bits_of("coat 3") == (LayerBits(7, 4),)
    assert source.bits_of("sign") == (LayerBits(10, 6),)
    # 3 locked and 3 in one coat count once, 3 in two coats four times, 4 in all three nine times.
    assert (source.coats, source.squares(layer)) == (3, 3 + 3 + 3 * 4 + 4 * 9)


def plain() -> dict[str, Any]:
    """The values of a small ticket."""
    return {
        "version": 1,
        "model": {"name": "conv2", "width": 0.5, "input_shape": [3, 32, 32]},
        "init": "ku",
        "scale": "none",
        "seeds": {"weights": 1, "freezing": 2},
        "ratios": {"method": "epl", "prune": 0.25, "lock": 0.25},
        "layers": [["first", [4, 5], 10, 20, 5, 5, 8], ["second", [2, 5], 0, 0, 0, 0, 3]],
        "codec": "raw",
        "weights_sha256": "0" * 64,
        "about": {},
    }


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value: the keys that lead to it, then the value."""
    *keys, last, value = path

    def change(values: Any) -> None:
        for key in keys:
            values = values[key]
        values[last] = value

    return change


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    *keys, last = path

    def change(values: Any) -> None:
        for key in keys:
            values = values[key]
        del values[last]

    return change


def test_the_plain_values_are_right() -> None:
    assert from_text(json.dumps(plain()), "file.slt").source.kept == 11


IMAGE = {"kind": "image", "range": [0, 1], "mean": [0.5], "deviation": [0.25], "fit": "cover"}
ALL_KEYS = "the keys version, model, init, scale, seeds, ratios, layers, codec, weights_sha256, about"
NAME = "a name of 1 to 256 characters without spaces"
ROW = "[name, shape, T_p, T_f, pruned, locked, kept]"
ARGUMENT = "a finite number, a text, true, false, null or a list of numbers"
SEED = "an integer in 0..18446744073709551615"
NO_COUNTS = "counts that its thresholds can lead to"


def add(values: dict[str, Any], key: str, value: Any) -> None:
    """Puts an entry that may be left out into its place."""
    values[key] = value
    for each in [each for each in header.KEYS if each in values]:
        values[each] = values.pop(each)


ROWS = "a list of rows [names, shape, kind]"
RESULT = "some of the keys data, part, accuracy, count, epochs, date, sltpack, in this order"
ADDED: list[tuple[tuple[str, Any], tuple[str, str, str | None]]] = [
    (("buffers", []), ("buffers", ROWS, "[]")),
    (("buffers", {}), ("buffers", ROWS, "{}")),
    (("buffers", [["b", [3]]]), ("buffer 0", "[names, shape, kind]", "['b', [3]]")),
    (("buffers", [["b c", [3], "f32"]]), ("buffer 0: the name", NAME, "'b c'")),
    (("buffers", [["b", 3, "f32"]]), ("buffer 0", "a shape of 0 to 8 dimensions", "3")),
    (("buffers", [["b", [0], "f32"]]), ("buffer 0: a dimension", "an integer in 1..9223372036854775807", "0")),
    (("buffers", [["b", [1] * 9, "f32"]]), ("buffer 0", "a shape of 0 to 8 dimensions", f"{[1] * 9}")),
    (
        ("buffers", [["b", [3], "norm-f32"], ["b.running_var", [3], "f16"]]),
        ("buffer 1", "a name that no layer and no other buffer has", "'b.running_var'"),
    ),
    (
        ("buffers", [[["a", "b"], [3], "norm-f32"], ["b.running_mean", [3], "f16"]]),
        ("buffer 1", "a name that no layer and no other buffer has", "'b.running_mean'"),
    ),
    (
        ("buffers", [[["a", "a"], [3], "f32"]]),
        ("buffer 0", "a name that no layer and no other buffer has", "'a'"),
    ),
    *(
        (("buffers", [[names, [3], "f32"]]), ("buffer 0: the name", "a name, or a list of 2 to 4096 names", f"{names}"))
        for names in ([], ["a"])
    ),
    (("buffers", [[["a", 3], [3], "f32"]]), ("buffer 0: the name", NAME, "3")),
    (
        ("buffers", [["first.weight", [3], "f32"]]),
        ("buffer 0", "a name that no layer and no other buffer has", "'first.weight'"),
    ),
    (("input", None), ("input", "an object", "None")),
    (
        ("input", {"kind": "graph", "features": "unscaled"}),
        ("input", "an object with kind, features, edges", None),
    ),
    (("input", {"kind": "graph", "features": "a b", "edges": "c"}), ("input features", NAME, "'a b'")),
    (("input", IMAGE | {"more": 1}), ("input", "an object with kind, range, mean, deviation, fit", None)),
    (("input", IMAGE | {"range": [1, 1]}), ("input range", "two numbers, the smaller first", "[1, 1]")),
    (("input", IMAGE | {"range": [1]}), ("input range", "two numbers, the smaller first", "[1]")),
    (("input", IMAGE | {"mean": []}), ("input mean", "a list of 1 to 1024 numbers", "[]")),
    (("input", IMAGE | {"mean": ["a"]}), ("input mean", "numbers that float32 holds", "'a'")),
    (("input", IMAGE | {"mean": [True]}), ("input mean", "numbers that float32 holds", "True")),
    (("input", IMAGE | {"mean": [1e39]}), ("input mean", "numbers that float32 holds", "1e+39")),
    (("input", IMAGE | {"deviation": [0]}), ("input deviation", "numbers from 1.17549e-38 on that float32 holds", "0")),
    (
        ("input", IMAGE | {"deviation": [5e-324]}),
        ("input deviation", "numbers from 1.17549e-38 on that float32 holds", "5e-324"),
    ),
    (("input", IMAGE | {"mean": [1, 2]}), ("input", "as many deviations as means", "2 and 1")),
    (("input", IMAGE | {"fit": 1}), ("input fit", NAME, "1")),
    (("classes", []), ("classes", "a list of 1 to 131072 entries", "[]")),
    (("classes", "ab"), ("classes", "a list of 1 to 131072 entries", "'ab'")),
    (("classes", ["a", 1]), ("a class's name", "a text", "1")),
    (("results", []), ("results", "a list of 1 to 1024 entries", "[]")),
    (("results", [1]), ("a result", "an object", "1")),
    (("results", [{}]), ("a result", RESULT, "{}")),
    (("results", [{"part": "test", "data": "a"}]), ("a result", RESULT, None)),
    (("results", [{"other": 1}]), ("a result", RESULT, None)),
    (("results", [{"data": 1}]), ("a result's data", "a text", "1")),
    (("results", [{"accuracy": 1.5}]), ("a result's accuracy", "a number in 0..1", "1.5")),
    (("results", [{"count": 0}]), ("a result's count", "an integer in 1..9223372036854775807", "0")),
    (("results", [{"epochs": 0.5}]), ("a result's epochs", "an integer in 0..9223372036854775807", "0.5")),
    (("results", [{"date": "today"}]), ("a result's date", "a date as YYYY-MM-DD", "'today'")),
    (("outputs", []), ("outputs", "a list of 1 to 1024 entries", "[]")),
    (("outputs", [0] * 1025), ("outputs", "a list of 1 to 1024 entries", None)),
    (("outputs", [-1]), ("an output", "an integer in 0..131072", "-1")),
    (("planes", ["sign"]), ("planes", "no sign with init ku", "['sign']")),
    (("planes", ["coat 2"]), ("layer 0", "[name, shape, T_p, T_f, pruned, locked, kept, coat 2]", None)),
]
"""Entries that may be left out, each with one wrong value."""


@pytest.mark.parametrize(
    ("change", "where", "expected", "found"),
    [
        (without("about"), "the slt entry", ALL_KEYS, ALL_KEYS.removeprefix("the keys ").removesuffix(", about")),
        (put("model", None), "model", "an object", "None"),
        (put("model", ["conv2"]), "model", "an object", "['conv2']"),
        (put("model", {}), "the model's name", NAME, "None"),
        (put("model", "name", ""), "the model's name", NAME, "''"),
        (put("model", "name", "conv 2"), "the model's name", NAME, "'conv 2'"),
        (put("model", "name", "conv2\n"), "the model's name", NAME, "'conv2\\n'"),
        (put("model", "name", "c" * 257), "the model's name", NAME, "'" + "c" * 196 + "..."),
        (put("model", "name", 2), "the model's name", NAME, "2"),
        (put("model", "width", None), None, None, None),
        (put("model", "width", {"a": 1}), "model width", ARGUMENT, "{'a': 1}"),
        (put("model", "width", [0.5]), None, None, None),
        (put("model", "width", [True]), "model width", ARGUMENT, "[True]"),
        (put("model", "width", [[1]]), "model width", ARGUMENT, "[[1]]"),
        (put("model", "width", [1] * 100), None, None, None),
        (put("model", "width", [*[1] * 100, ""]), "model width", ARGUMENT, "[" + "1, " * 65 + "1..."),
        (put("seeds", [1, 2]), "seeds", "an object with weights, freezing", "[1, 2]"),
        (put("seeds", {"weights": 1}), "seeds", "an object with weights, freezing", "{'weights': 1}"),
        (
            put("seeds", {"freezing": 1, "weights": 1}),
            "seeds",
            "an object with weights, freezing",
            "{'freezing': 1, 'weights': 1}",
        ),
        (put("seeds", "weights", -1), "the seed for weights", SEED, "-1"),
        (put("seeds", "weights", 2**64), "the seed for weights", SEED, "18446744073709551616"),
        (put("seeds", "weights", 1.0), "the seed for weights", SEED, "1.0"),
        (put("seeds", "weights", True), "the seed for weights", SEED, "True"),
        (put("seeds", "freezing", "2"), "the seed for freezing", SEED, "'2'"),
        (put("ratios", {}), "ratios", "an object with method, prune, lock", "{}"),
        (put("ratios", "prune", -0.1), "the pruning ratio", "a number in 0..1", "-0.1"),
        (put("ratios", "lock", 1.5), "the locking ratio", "a number in 0..1", "1.5"),
        (put("ratios", "lock", True), "the locking ratio", "a number in 0..1", "True"),
        (put("ratios", "lock", "0.5"), "the locking ratio", "a number in 0..1", "'0.5'"),
        (put("layers", {}), "the layer table", "a list with a row for each layer", "{}"),
        (put("layers", []), "the layer table", "a list with a row for each layer", "[]"),
        (put("layers", 1, 0, "first"), "the layer table", "different names", "a name that stands twice"),
        (put("layers", 1, "second"), "layer 1", ROW, "'second'"),
        (without("layers", 1, 6), "layer 1", ROW, "['second', [2, 5], 0, 0, 0, 0]"),
        (put("layers", 1, 0, "a b"), "layer 1: the name", NAME, "'a b'"),
        (put("layers", 1, 0, None), "layer 1: the name", NAME, "None"),
        (put("layers", 1, 0, "="), "layer 1: the name", "the name of a parameter behind =", "'='"),
        (put("layers", 1, 0, ["second"]), "layer 1: the name", "a name, or a list of 2 to 4096 names", "['second']"),
        (put("layers", 1, 0, []), "layer 1: the name", "a name, or a list of 2 to 4096 names", "[]"),
        (put("layers", 1, 0, ["a", 2]), "layer 1: the name", NAME, "2"),
        (put("layers", 1, 0, ["a", "a"]), "the layer table", "different names", "a name that stands twice"),
        (put("layers", 1, 0, ["a", "=first.weight"]), "the layer table", "different names", "a name that stands twice"),
        (put("layers", 1, 0, ["a", "=b"]), None, None, None),
        (put("layers", 1, 1, 10), "layer 1", "a shape of 2 to 8 dimensions", "10"),
        (put("layers", 1, 1, [10]), "layer 1", "a shape of 2 to 8 dimensions", "[10]"),
        (put("layers", 1, 1, [1] * 9), "layer 1", "a shape of 2 to 8 dimensions", "[1, 1, 1, 1, 1, 1, 1, 1, 1]"),
        (put("layers", 1, 1, [0, 5]), "layer 1: a dimension", "an integer in 1..9223372036854775807", "0"),
        (put("layers", 1, 1, [2, 5.0]), "layer 1: a dimension", "an integer in 1..9223372036854775807", "5.0"),
        (
            put("layers", 1, 1, [2, 2**63]),
            "layer 1: a dimension",
            "an integer in 1..9223372036854775807",
            "9223372036854775808",
        ),
        (put("layers", 0, 2, -1), "layer 0: T_p", "an integer in 0..4294967296", "-1"),
        (put("layers", 0, 2, 2**32 + 1), "layer 0: T_p", "an integer in 0..4294967296", "4294967297"),
        (put("layers", 0, 2, 21), "layer 0: T_f", "an integer in 21..4294967296", "20"),
        (put("layers", 0, 3, 2**32 + 1), "layer 0: T_f", "an integer in 10..4294967296", "4294967297"),
        (put("layers", 0, 4, 21), "layer 0: the pruned count", "an integer in 0..20", "21"),
        (put("layers", 0, 4, 5.0), "layer 0: the pruned count", "an integer in 0..20", "5.0"),
        (put("layers", 0, 5, 16), "layer 0: the locked count", "an integer in 0..15", "16"),
        (put("layers", 0, 6, 4), "layer 0: the kept count", "an integer in 5..15", "4"),
        (put("layers", 0, 6, 16), "layer 0: the kept count", "an integer in 5..15", "16"),
        (put("layers", 0, 2, 0), "layer 0", NO_COUNTS, "[0, 20, 5, 5, 8]"),
        (put("layers", 0, 3, 10), "layer 0", NO_COUNTS, "[10, 10, 5, 5, 8]"),
        (put("layers", 0, 3, 2**32), "layer 0", NO_COUNTS, "[10, 4294967296, 5, 5, 8]"),
        (put("layers", 1, 2, 0), None, None, None),
        (
            put("layers", 1, ["second", [2, 5], 2**32, 2**32, 9, 0, 0]),
            "layer 1",
            NO_COUNTS,
            "[4294967296, 4294967296, 9, 0, 0]",
        ),
        (put("weights_sha256", "0" * 63), "weights_sha256", "64 lowercase hexadecimal digits", f"'{'0' * 63}'"),
        (put("weights_sha256", "A" * 64), "weights_sha256", "64 lowercase hexadecimal digits", f"'{'A' * 64}'"),
        (put("weights_sha256", "0" * 64 + "\n"), "weights_sha256", "64 lowercase hexadecimal digits", None),
        (put("weights_sha256", 0), "weights_sha256", "64 lowercase hexadecimal digits", "0"),
        (put("about", None), "about", "an object", "None"),
        (put("more", 1), None, None, None),
        (put("classes", ["behind about"]), "the slt entry", f"{ALL_KEYS[:-5]}classes, about", None),
        *((lambda values, change=change: add(values, *change), *told) for change, told in ADDED),
        (put("about", {"é\n": ["x"]}), "about 'é\\n'", "a text", "['x']"),
    ],
)
def test_one_wrong_value(
    change: Callable[[dict[str, Any]], None], where: str | None, expected: str | None, found: str | None
) -> None:
    values = plain()
    change(values)
    if where is None:
        from_text(json.dumps(values), "file.slt")
        return
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps(values), "file.slt")
    error = caught.value
    assert (error.where, error.expected, error.remedy) == (f"file.slt: {where}", expected, NOT_WRITTEN)
    assert error.found == found or found is None


@pytest.mark.parametrize(
    ("key", "where", "expected"),
    [
        ("init", "init", "ku or skc or none"),
        ("scale", "scale", "none or layer or global or stored"),
        ("codec", "the codec", "raw or rans"),
    ],
)
@pytest.mark.parametrize("value", ["other", "", "KU", None, 1, ["raw"], {}])
def test_names_that_a_newer_version_may_know(key: str, where: str, expected: str, value: Any) -> None:
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps(plain() | {key: value}), "file.slt")
    assert str(caught.value) == f"file.slt: {where}: expected {expected}, found {value!r}; {NEWER}"


@pytest.mark.parametrize(
    "planes",
    [[], {}, "sign", ["sign", "coat 2"], ["coat 3"], ["coat 2", "coat 4"], ["sign", "sign"], ["kept"], [2], ["other"]],
)
def test_planes_that_a_newer_version_may_know(planes: Any) -> None:
    values = plain()
    add(values, "planes", planes)
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps(values), "file.slt")
    assert str(caught.value) == (
        f"file.slt: planes: expected coat 2, coat 3, ... up to coat 15, then sign, each if there, found {planes!r}; {NEWER}"
    )


@pytest.mark.parametrize(
    ("planes", "further", "found"),
    [
        (["coat 2"], [4], "coat 2: an integer in 0..3, 4"),
        (["coat 2", "coat 3"], [2, 3], "coat 3: an integer in 0..2, 3"),
        (["coat 2", "sign"], [1, 4], "sign: an integer in 0..3, 4"),
        (["sign"], [-1], "sign: an integer in 0..3, -1"),
        (["coat 2", "sign"], [0, 3], None),
    ],
)
def test_ones_of_a_plane_are_at_most_its_population(planes: list[str], further: list[int], found: str | None) -> None:
    values = plain() | {"init": "skc"}
    values["layers"] = [["first", [4, 5], 10, 20, 5, 5, 8, *further]]
    add(values, "planes", planes)
    if found is None:
        assert from_text(json.dumps(values), "file.slt").source.layers[0].further == tuple(further)
        return
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps(values), "file.slt")
    plane, expected = found.split(": ")
    assert caught.value.where == f"file.slt: layer 0: the ones of plane {plane}"
    assert f"{caught.value.expected}, {caught.value.found}" == expected


def test_no_locked_weights_without_a_stream() -> None:
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps(plain() | {"init": "none"}), "file.slt")
    assert (caught.value.expected, caught.value.found) == ("no locked weights with init none", "5")


def test_entries_of_a_later_version_are_kept() -> None:
    values = plain() | {"integers": {"bits": [8, 8]}, "another": None}
    found = from_text(json.dumps(values), "file.slt")
    assert found.extra == {"integers": {"bits": [8, 8]}, "another": None}
    assert json.loads(to_text(found)) == values
    with pytest.raises(FormatError, match="more than 32 lists and objects in each other"):
        from_text(json.dumps(plain())[:-1] + ',"deep":' + "[" * 40 + "]" * 40 + "}", "file.slt")


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [1]])
def test_another_version_is_named_before_anything_else(version: Any) -> None:
    with pytest.raises(FormatError) as caught:
        from_text(json.dumps({"version": version, "else": "all is new"}), "file.slt")
    assert str(caught.value) == (
        f"file.slt: expected version 1 of the format, found version {version!r}; read the file with a newer sltpack"
    )


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("", "JSON", "an error: Expecting value: line 1 column 1 (char 0)"),
        ("{", "JSON", None),
        ('{"a":1,"a":1}', "JSON", "an error: a key stands twice in one object"),
        ('{"a":NaN}', "JSON", "an error: NaN is no JSON number"),
        ('{"a":Infinity}', "JSON", "an error: Infinity is no JSON number"),
        ("[" * 100_000, "JSON", None),
        ("9" * 21, "JSON", "an error: an integer of 21 digits"),
        ("9" * 20, "a JSON object", "int"),
        ("[]", "a JSON object", "list"),
        ('"{}"', "a JSON object", "str"),
        ("null", "a JSON object", "NoneType"),
        ("\ufeff{}", "JSON", None),
    ],
)
def test_texts_that_are_no_object(text: str, expected: str, found: str | None) -> None:
    with pytest.raises(FormatError) as caught:
        from_text(text, "file.slt")
    error = caught.value
    assert (error.where, error.expected, error.remedy) == ("file.slt: the slt entry", expected, NOT_WRITTEN)
    assert error.found == found or found is None


def test_limit() -> None:
    text = json.dumps(plain())
    assert from_text(text, "file.slt", 30).source.size == 30
    with pytest.raises(LimitError) as caught:
        from_text(text, "file.slt", 29)
    assert str(caught.value) == (
        "file.slt: expected at most 29 weights, found 30 weights; "
        "if you trust the file, allow as many (--max-weights 30, or max_weights= in Python)"
    )


@pytest.mark.parametrize("key", [key for key in header.SOURCE_KEYS if key not in header.OPTIONAL])
def test_a_source_without_a_key(key: str) -> None:
    values = plain()
    assert header.source_parts(header_reader.source_from(values, "ckpt.pt")).items() <= values.items()
    del values[key]
    with pytest.raises(FormatError) as caught:
        header_reader.source_from(values, "ckpt.pt")
    assert str(caught.value) == (
        "ckpt.pt: the source network: expected the keys model, init, scale, seeds, ratios, layers, "
        f"found none for {key}; {NOT_WRITTEN}"
    )


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_source_that_json_cannot_write(value: float) -> None:
    values = plain()
    values["model"]["width"] = value
    with pytest.raises(FormatError) as caught:
        header_reader.source_from(values, "ckpt.pt")
    assert str(caught.value) == f"ckpt.pt: model width: expected {ARGUMENT}, found {value}; {NOT_WRITTEN}"


def test_the_sign_of_a_zero_ratio_is_dropped() -> None:
    values = plain()
    values["ratios"]["prune"] = -0.0
    assert math.copysign(1, header_reader.source_from(values, "ckpt.pt").ratios.prune) == 1


def test_a_value_is_shown_short() -> None:
    assert errors.shown("short") == "'short'"
    assert len(errors.shown("long" * 1000)) == 200
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert errors.shown(nested) == "[" * 20 + "..." + "]" * 20
