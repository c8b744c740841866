"""Tickets: weights against a slow reference, any rows of them, and the way to a file and back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sltpack
from sltpack import bundled
from sltpack.errors import FormatError, OutputError, RequestError
from sltpack.format import container
from sltpack.format.records import INITS, SCALES, THRESHOLD_ONE, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.source import freezing, streams
from sltpack.source.initializers import scale_of, step
from sltpack.source.network import make_source, searched_kept
from sltpack.source.ratios import Counts
from sltpack.source.streams import FREEZING, WEIGHTS, Stream
from sltpack.tickets.buffers import store
from sltpack.tickets.storage import load, save
from sltpack.tickets.ticket import Ticket, weights_digest

KINDS: dict[str, tuple[tuple[int, ...], Counts, float]] = {
    "nothing frozen": ((6, 5, 3), Counts(0, 0), 0.5),
    "some of each": ((7, 4, 3, 3), Counts(80, 90), 0.4),
    "all frozen": ((5, 11), Counts(30, 25), 0.5),
    "all pruned": ((4, 3, 3), Counts(36, 0), 0.5),
    "all locked": ((3, 9), Counts(0, 27), 0.5),
    "nothing kept": ((8, 6), Counts(20, 0), 0.0),
    "all searched ones kept": ((9, 7), Counts(10, 13), 1.0),
    "one row": ((1, 70), Counts(9, 9), 0.5),
}
NUMBERS = {kind: index for index, kind in enumerate(KINDS)}
BUFFERS = {
    "norm.mean": np.array([0.5, -1.25, 3e-39], np.float32),
    "norm.variance": np.array([[1, 2], [65504, 6e-8]], np.float16),
}


def ticket_of(init: str = "skc", scale: str = "layer", about: dict[str, str] | None = None) -> Ticket:
    """A ticket with a layer of each kind."""
    shapes, counts, densities = zip(*KINDS.values(), strict=True)
    layers = freezing.freeze(12, list(KINDS), shapes, counts)
    # A writer may also say "nothing is frozen" by thresholds of 0.
    layers = (replace(layers[0], prune_threshold=0, freeze_threshold=0), *layers[1:])
    layers = tuple(replace(layer, names=(layer.name.replace(" ", "_"),)) for layer in layers)
    source = Source(ModelSpec("test:tiny", {}), init, scale, Seeds(11, 12), Ratios("epl", 0.25, 0.25), layers)
    random = np.random.default_rng(5)
    masks = [random.random(layer.searched) < density for layer, density in zip(layers, densities, strict=True)]
    return Ticket.create(source, masks, BUFFERS, about or {})


TICKETS = {(init, scale): ticket_of(init, scale) for init in INITS for scale in SCALES}
TICKET = TICKETS["skc", "layer"]


def slow_weights(ticket: Ticket, index: int) -> list[np.float32]:
    """One weight after the other, from the words of docs/format.md."""
    source = ticket.source
    layer = source.layers[index]
    keys = Stream(source.seeds.freezing, index, FREEZING).draws(0, layer.size).tolist()
    stream = Stream(source.seeds.weights, index, WEIGHTS)
    draws, signs = stream.draws(0, layer.size).tolist(), stream.bits(0, layer.size).tolist()
    factor = step(source.init, layer.fan_in, scale_of(source, layer))
    bits = ticket.supermask_bits(index).tolist()
    weights = []
    for key, draw, sign in zip(keys, draws, signs, strict=True):
        unit = 1 - 2 * sign if source.init == "skc" else 2 * (draw >> 8) + 1 - 2**24
        locked = layer.prune_threshold <= key < layer.freeze_threshold
        kept = locked or (key >= layer.freeze_threshold and bits.pop(0))
        weights.append(np.float32(unit) * factor if kept else np.float32(0))
    assert bits == []
    return weights


@pytest.mark.parametrize("chosen", TICKETS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_of_the_slow_reference(chosen: tuple[str, str], kind: str) -> None:
    ticket, index = TICKETS[chosen], NUMBERS[kind]
    found = ticket.weights(index)
    assert found.dtype == np.float32
    assert found.shape == ticket.source.layers[index].shape
    # As bytes: +0.0 and -0.0 are equal as numbers.
    assert found.tobytes() == np.array(slow_weights(ticket, index), np.float32).tobytes()
    assert np.count_nonzero(found) == ticket.source.layers[index].kept


@pytest.mark.parametrize("chosen", TICKETS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_that_is_not_in_the_ticket_is_never_minus_zero(chosen: tuple[str, str], kind: str) -> None:
    found = TICKETS[chosen].weights(NUMBERS[kind])
    assert not np.signbit(found[found == 0]).any()


rows_of_layers = st.tuples(*[st.none() | st.integers(-12, 12)] * 2).map(lambda ends: slice(*ends))


@pytest.mark.parametrize("piece", [7, 64, streams.PIECE])
@pytest.mark.parametrize("init", INITS)
@given(index=st.integers(0, len(KINDS) - 1), rows=rows_of_layers)
@settings(deadline=None, derandomize=True)
def test_rows_are_slices_of_the_whole_layer(piece: int, init: str, index: int, rows: slice) -> None:
    ticket = TICKETS[init, "layer"]
    wholes = ticket.weights(index), ticket.source_weights(index), ticket.freezing_mask(index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "PIECE", piece)
        parts = ticket.weights(index, rows), ticket.source_weights(index, rows), ticket.freezing_mask(index, rows)
    for part, whole in zip(parts, wholes, strict=True):
        assert part.dtype == whole.dtype
        assert part.shape == whole[rows].shape
        assert part.tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_parts_make_up_the_weights(kind: str) -> None:
    index = NUMBERS[kind]
    for ticket in TICKETS.values():
        mask, source_weights = ticket.freezing_mask(index), ticket.source_weights(index)
        assert mask.shape == source_weights.shape == ticket.source.layers[index].shape
        kept = mask == freezing.LOCKED
        kept[mask == freezing.SEARCHED] = ticket.supermask_bits(index)
        np.testing.assert_array_equal(ticket.weights(index), np.where(kept, source_weights, 0))


def test_the_digest_is_of_all_layers_in_order() -> None:
    for ticket in TICKETS.values():
        data = b"".join(ticket.weights(index).astype("<f4").tobytes() for index in range(len(KINDS)))
        assert ticket.digest() == ticket.weights_sha256 == hashlib.sha256(data).hexdigest()
    assert len({ticket.weights_sha256 for ticket in TICKETS.values()}) == len(TICKETS)


def test_the_digest_is_of_little_endian_bytes_in_c_order() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    wanted = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    assert weights_digest([values]) == wanted
    assert weights_digest([values.astype(">f4")]) == weights_digest([np.asfortranarray(values)]) == wanted
    assert weights_digest([values[:1], values[1:]]) == wanted


def test_the_state_has_weights_in_order_and_then_buffers_as_float32() -> None:
    state = TICKET.state()
    assert list(state) == [layer.parameter for layer in TICKET.source.layers] + list(BUFFERS)
    assert {values.dtype for values in state.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(state["one_row.weight"], TICKET.weights(NUMBERS["one row"]))
    np.testing.assert_array_equal(state["norm.variance"], BUFFERS["norm.variance"].astype(np.float32))


def test_create_counts_what_is_kept() -> None:
    layers = TICKET.source.layers
    assert layers[NUMBERS["nothing kept"]].kept == 0
    assert layers[NUMBERS["all pruned"]].kept == 0
    assert layers[NUMBERS["all locked"]].kept == 27
    assert layers[NUMBERS["all searched ones kept"]].kept == 63 - 10
    for index, layer in enumerate(layers):
        assert layer.kept == layer.locked + TICKET.supermask_bits(index).sum()


@pytest.mark.parametrize("method", ["weights", "source_weights", "freezing_mask", "supermask_bits"])
@pytest.mark.parametrize("index", [-1, 8])
def test_no_such_layer(method: str, index: int) -> None:
    with pytest.raises(RequestError) as error:
        getattr(TICKET, method)(index)
    assert str(error.value) == (
        f"layer {index}: expected a number in 0..7, found {index}; choose one of the ticket's layers"
    )


@pytest.mark.parametrize("method", ["weights", "source_weights", "freezing_mask"])
def test_rows_by_a_step(method: str) -> None:
    with pytest.raises(RequestError) as error:
        getattr(TICKET, method)(0, slice(0, 4, 2))
    assert str(error.value) == (
        "rows: expected a slice without a step, found slice(0, 4, 2); take every n-th of the result"
    )


# A file's layer table may lie: the thresholds decide, and nothing breaks but with a sentence.


def lying(kind: str, **changes: int) -> tuple[Ticket, int]:
    layers = list(TICKET.source.layers)
    layers[NUMBERS[kind]] = replace(layers[NUMBERS[kind]], **changes)
    return replace(TICKET, source=replace(TICKET.source, layers=tuple(layers))), NUMBERS[kind]


@pytest.mark.parametrize(
    "kind, changes, expected, found",
    [
        ("some_of_each", {"pruned": 81}, "81 searched", "more"),
        ("some_of_each", {"pruned": 79}, "83 searched", "fewer"),
        ("one_row", {"pruned": 61, "locked": 9, "kept": 9}, "0 searched", "more"),  # the last bits of the file
        ("all_frozen", {"pruned": 29}, "1 searched", "fewer"),
        ("all_frozen", {"pruned": 31, "locked": 24, "kept": 24}, "24 kept", "25"),
        ("all_pruned", {"prune_threshold": 0, "freeze_threshold": THRESHOLD_ONE}, "0 kept", "36"),
        ("nothing_kept", {"pruned": 19}, "29 searched", "fewer"),
    ],
)
def test_counts_that_the_thresholds_do_not_lead_to(
    kind: str, changes: dict[str, int], expected: str, found: str
) -> None:
    ticket, index = lying(kind.replace("_", " "), **changes)
    with pytest.raises(FormatError) as error:
        ticket.weights(index)
    assert str(error.value) == (
        f"layer {kind}: expected {expected} weights, as the layer table says, found {found} by the thresholds; "
        "the file was not made by a correct writer"
    )


def test_a_digest_that_does_not_hold() -> None:
    TICKET.check(TICKET.digest())
    with pytest.raises(FormatError) as error:
        TICKET.check("0" * 64, "m.slt")
    assert str(error.value) == (
        f"m.slt: expected weights with the SHA-256 {TICKET.weights_sha256[:16]}..., found 0000000000000000...; "
        "the file was not made by a correct writer, or this machine computes wrongly"
    )


def test_ones_that_are_in_another_layers_part() -> None:
    packed = ticket_of().to_container("raw")
    layers = list(packed.header.source.layers)
    first, second = NUMBERS["nothing frozen"], NUMBERS["some of each"]
    ones = layers[first].kept
    layers[first] = replace(layers[first], kept=ones + 1)
    layers[second] = replace(layers[second], kept=layers[second].kept - 1)
    source = replace(packed.header.source, layers=tuple(layers))
    with pytest.raises(FormatError) as error:
        Ticket.from_container(replace(packed, header=replace(packed.header, source=source)), "m.slt")
    assert str(error.value) == (
        f"m.slt: kept: layer 0: expected {ones + 1} ones, found {ones}; the file is damaged; get it again"
    )


# To a file and back.


@pytest.mark.parametrize("chosen", TICKETS)
def test_a_file_gives_the_ticket_again(tmp_path: Path, chosen: tuple[str, str]) -> None:
    ticket = replace(TICKETS[chosen], about={"data": "digits", "wörds": '"\n'})
    save(ticket, tmp_path / "a.slt")
    save(ticket, str(tmp_path / "b.slt"))
    assert (tmp_path / "a.slt").read_bytes() == (tmp_path / "b.slt").read_bytes()
    found = load(str(tmp_path / "a.slt"))
    assert (found.source, found.planes) == (ticket.source, ticket.planes)
    assert ticket.about == found.about
    assert found.digest() == found.weights_sha256 == ticket.weights_sha256
    assert list(found.buffers) == list(BUFFERS)
    for name, values in BUFFERS.items():
        assert found.buffers[name].dtype == values.dtype
        np.testing.assert_array_equal(found.buffers[name], values)


def test_buffers_are_written_little_endian(tmp_path: Path) -> None:
    turned = {name: values.astype(values.dtype.newbyteorder(">")) for name, values in BUFFERS.items()}
    assert container.encode(replace(TICKET, stored_buffers=store(turned)).to_container()) == container.encode(
        TICKET.to_container()
    )


def test_save_does_not_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.slt"
    path.write_bytes(b"precious")
    with pytest.raises(RequestError) as error:
        save(TICKET, path)
    assert str(error.value) == (
        f"{path}: expected a name that is free, found a file of that name; choose another name or pass --force"
    )
    assert path.read_bytes() == b"precious"
    save(TICKET, path, force=True)
    assert load(path).weights_sha256 == TICKET.weights_sha256
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.slt"]


@pytest.mark.parametrize("force", [False, True])
def test_save_leaves_nothing_behind_where_the_file_gives_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    path = tmp_path / "a.slt"
    if force:
        path.write_bytes(b"precious")
    other = replace(TICKET, source=replace(TICKET.source, seeds=Seeds(10, 12)))
    monkeypatch.setattr(Ticket, "from_container", lambda *_: other)
    with pytest.raises(OutputError) as error:
        save(TICKET, path, force=force)
    assert str(error.value) == (
        f"{path}: expected a file that gives the ticket's weights again, bit for bit, found other weights; "
        "nothing was written under that name; please report this"
    )
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({"a.slt": b"precious"} if force else {})


def test_save_refuses_a_ticket_with_a_wrong_digest(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="found other weights"):
        save(replace(TICKET, weights_sha256="0" * 64), tmp_path / "a.slt")
    assert list(tmp_path.iterdir()) == []


def test_tickets_of_the_package_are_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, here = tmp_path / "bundled", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(bundled, "_FOLDER", folder)
    for name in ("tiny-two", "tiny-one"):
        save(replace(TICKET, about={"name": name}), folder / f"{name}.slt")
    assert bundled.names() == ("tiny-one", "tiny-two")
    assert load("tiny-one").about["name"] == "tiny-one"
    save(replace(TICKET, about={"name": "here"}), here / "tiny-one")
    assert load("tiny-one").about["name"] == "tiny-one"  # a file of that name is ./tiny-one
    assert load("./tiny-one").about["name"] == "here"
    with pytest.raises(RequestError) as error:
        load("./tiny-two")
    assert str(error.value) == "tiny-two: expected a .slt file, found no such file or directory; check the name"


# From the wanted ratios to a source network.


def source_of(prune: float, lock: float) -> Source:
    shapes = {"conv": (10, 3, 3, 3), "linear": (73, 10)}
    return make_source(ModelSpec("test", {}), shapes, "ku", "none", Seeds(1, 2), Ratios("epl", prune, lock))


def test_a_source_has_what_was_asked_for_and_keeps_the_locked_weights() -> None:
    source = source_of(0.3, 0.5)
    assert (source.size, source.pruned, source.locked, source.kept) == (1000, 300, 500, 500)
    assert [(layer.name, layer.shape) for layer in source.layers] == [("conv", (10, 3, 3, 3)), ("linear", (73, 10))]
    assert all(isinstance(layer, Layer) and layer.kept == layer.locked for layer in source.layers)


@pytest.mark.parametrize("sparsity, kept", [(0.3, 200), (0.4, 100), (0.5, 0), (0.3005, 200), (0.4995, 0)])
def test_how_many_searched_weights_are_kept(sparsity: float, kept: int) -> None:
    assert searched_kept(source_of(0.3, 0.5), sparsity) == kept


@pytest.mark.parametrize("sparsity", [0.299, 0.501, 0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_sparsity_out_of_reach(sparsity: float) -> None:
    with pytest.raises(RequestError) as error:
        searched_kept(source_of(0.3, 0.5), sparsity)
    assert str(error.value) == (
        "sparsity: expected 0.3..0.5, which these pruning and locking ratios can reach, "
        f"found {sparsity:g}; choose another sparsity, or freeze fewer weights"
    )


# The public face.


def test_every_public_name_is_there() -> None:
    assert set(sltpack.__all__) <= set(dir(sltpack))
    assert dir(sltpack) == sorted(set(dir(sltpack)))
    values: dict[str, Any] = {name: getattr(sltpack, name) for name in sltpack.__all__}
    assert values["load"] is load
    assert values["save"] is save
    assert values["Ticket"] is Ticket
    assert values["SltpackError"] is sltpack.errors.SltpackError
    assert all(value.__module__.startswith("sltpack.") for value in values.values())


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError) as error:
        sltpack.pack  # noqa: B018
    assert str(error.value) == "module 'sltpack' has no attribute 'pack'"


def test_a_ticket_is_shown_in_few_words() -> None:
    shown = repr(ticket_of())
    assert shown.startswith("<Ticket ")
    assert len(shown) < 100
    assert len(repr(ticket_of().supermask)) < 100
