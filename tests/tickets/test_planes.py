"""Coats, signs, stored steps and values: any rows of them against the slow arithmetic of docs/format.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack.errors import FormatError, RequestError
from sltpack.format.records import ModelSpec, Ratios, Seeds, Source
from sltpack.source import freezing, streams
from sltpack.source.initializers import step, units
from sltpack.source.ratios import Counts
from sltpack.tickets.ticket import Ticket

SHAPES = {"first": (6, 4, 3), "second": (9, 7), "third": (4, 30)}
RANDOM = np.random.default_rng(3)


def source_of(init: str, scale: str, locked: int = 9) -> Source:
    counts = [Counts(11, locked)] * len(SHAPES)
    layers = freezing.freeze(5, list(SHAPES), list(SHAPES.values()), counts)
    return Source(ModelSpec("test:tiny", {}), init, scale, Seeds(4, 5), Ratios("epl", 0.25, 0.25), layers)


def masks(lengths: list[int], density: float) -> list[NDArray[np.bool_]]:
    return [RANDOM.random(length) < density for length in lengths]


def ones(plane: list[NDArray[np.bool_]]) -> list[int]:
    return [int(mask.sum()) for mask in plane]


def make(init: str, scale: str, kinds: str, locked: int = 9) -> Ticket:
    source = source_of(init, scale, locked)
    kept = masks([layer.searched for layer in source.layers], 0.6)
    further, options = {}, dict[str, Any]()
    if "c" in kinds:
        further["coat 2"] = masks(ones(kept), 0.6)
        further["coat 3"] = masks(ones(further["coat 2"]), 0.4)
    if "s" in kinds:
        further["sign"] = masks(ones(kept), 0.5)
    if "v" in kinds:
        options["values"] = RANDOM.standard_normal(sum(ones(kept))).astype(np.float32)
    if scale == "stored":
        options["steps"] = np.array([0.5, 3e-42, 0.1], np.float32)
    return Ticket.create(source, kept, {}, {}, further=further, **options)


TICKETS = {
    "coats of ku": make("ku", "layer", "c"),
    "coats of skc, global": make("skc", "global", "c"),
    "signs of skc": make("skc", "layer", "s"),
    "signs without a stream": make("none", "layer", "s", 0),
    "signs and coats, stored steps": make("none", "stored", "cs", 0),
    "values beside locked weights": make("ku", "none", "v"),
    "values alone": make("none", "none", "v", 0),
    "stored steps": make("ku", "stored", ""),
}


def slow_weights(ticket: Ticket, index: int) -> list[np.float32]:
    """One weight after the other, from the words of docs/format.md."""
    source, layer = ticket.source, ticket.source.layers[index]
    frozen = ticket.freezing_mask(index).ravel().tolist()
    bits = {plane: ticket.plane_bits(plane, index).tolist() for plane in ticket.planes}
    squares = [
        each.locked + sum(int(m) ** 2 for m in ticket.multiplicities(number).tolist())
        for number, each in enumerate(source.layers)
    ]
    a, b = {
        "none": (1, 1),
        "layer": (layer.size, squares[index]),
        "global": (source.size, sum(squares)),
        "stored": (0, 0),
    }[source.scale]
    factor = ticket.steps[index] if ticket.steps is not None else step(source.init, layer.fan_in, (a, b))
    drawn = np.ones(layer.size, np.float32)
    if source.init != "none":
        drawn = units(source.init, source.seeds.weights, index, 0, layer.size)
    before = sum(each.searched_kept for each in source.layers[:index])
    values = None if ticket.values is None else ticket.values[before:].tolist()
    weights = []
    for unit, state in zip(drawn, frozen, strict=True):
        if state == freezing.LOCKED:
            weights.append(unit * factor)
        elif state == freezing.PRUNED or not bits["kept"].pop(0):
            weights.append(np.float32(0))
        else:
            times = 1
            for coat in (plane for plane in bits if plane.startswith("coat")):
                if not bits[coat].pop(0):
                    break
                times += 1
            signed = np.float32(1 - 2 * bits["sign"].pop(0)) if "sign" in bits else unit
            weight = signed * factor if values is None else np.float32(values.pop(0))
            weights.append(weight * np.float32(times))
    assert not any(bits.values())
    return weights


@pytest.mark.parametrize("name", TICKETS)
@pytest.mark.parametrize("index", range(len(SHAPES)))
def test_weights_are_those_of_the_slow_reference(name: str, index: int) -> None:
    ticket = TICKETS[name]
    assert ticket.weights(index).tobytes() == np.array(slow_weights(ticket, index), np.float32).tobytes()


rows_of_layers = st.tuples(*[st.none() | st.integers(-12, 12)] * 2).map(lambda ends: slice(*ends))


@pytest.mark.parametrize("piece", [5, 64])
@pytest.mark.parametrize("name", TICKETS)
@given(index=st.integers(0, len(SHAPES) - 1), rows=rows_of_layers)
@settings(deadline=None, derandomize=True, max_examples=30)
def test_rows_are_slices_of_the_whole_layer(piece: int, name: str, index: int, rows: slice) -> None:
    ticket = TICKETS[name]
    whole = ticket.weights(index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "PIECE", piece)
        assert ticket.weights(index, rows).tobytes() == whole[rows].tobytes()


def test_what_the_tickets_say_of_themselves() -> None:
    assert {name: (ticket.origin, ticket.seeded) for name, ticket in TICKETS.items()} == {
        "coats of ku": ("seeded", True),
        "coats of skc, global": ("seeded", True),
        "signs of skc": ("signs stored", True),
        "signs without a stream": ("signs stored", False),
        "signs and coats, stored steps": ("signs stored", False),
        "values beside locked weights": ("values stored", False),
        "values alone": ("values stored", False),
        "stored steps": ("seeded", True),
    }


def test_planes_by_name() -> None:
    ticket = TICKETS["signs and coats, stored steps"]
    assert list(ticket.planes) == ["kept", "coat 2", "coat 3", "sign"]
    assert len(ticket.plane_bits("coat 3", 1)) == ticket.source.layers[1].further[0]
    assert set(ticket.multiplicities(1).tolist()) == {0, 1, 2, 3}
    with pytest.raises(RequestError) as caught:
        ticket.plane_bits("coat 4", 0)
    assert str(caught.value) == (
        "plane coat 4: expected kept or coat 2 or coat 3 or sign, found coat 4; choose one of the ticket's"
    )


def test_no_random_weights_without_a_stream() -> None:
    assert TICKETS["signs of skc"].source_weights(0).shape == SHAPES["first"]
    with pytest.raises(RequestError) as caught:
        TICKETS["values alone"].source_weights(0)
    assert str(caught.value) == (
        "layer first: expected a ticket made from random weights, found one with values stored; use weights()"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "steps, one a layer, with the scale stored and with no other"),
        ({"steps": np.ones(2, np.float32)}, "steps, one a layer, with the scale stored and with no other"),
        ({"steps": np.array([1, 0, 1], np.float32)}, "a step above 0 that leads to finite weights, found 0"),
        ({"steps": np.array([1, -0.0, 1], np.float32)}, "a step above 0 that leads to finite weights, found -0"),
        ({"steps": np.array([1, 1, 2e38], np.float32)}, "a step above 0 that leads to finite weights, found 2e"),
        ({"values": np.ones(3, np.float32)}, "no plane beyond kept beside values.f32"),
    ],
)
def test_what_does_not_fit_is_no_ticket(changes: dict[str, Any], message: str) -> None:
    ticket = replace(TICKETS["signs and coats, stored steps"], **changes)
    with pytest.raises(FormatError, match=message):
        ticket.require_weights("ticket")


def test_masks_of_another_length() -> None:
    source = source_of("skc", "layer")
    kept = masks([layer.searched for layer in source.layers], 0.5)
    with pytest.raises(ValueError, match=r"a mask \(3,\) for the 52 bits of first in plane kept"):
        Ticket.create(source, [np.ones(3, np.bool_), *kept[1:]], {}, {})
    with pytest.raises(ValueError, match="masks for other than the 3 layers"):
        Ticket.create(source, kept[1:], {}, {})
    with pytest.raises(ValueError, match="of second in plane sign"):
        signs = [np.ones(count, np.bool_) for count in ones(kept)]
        Ticket.create(source, kept, {}, {}, further={"sign": [signs[0], signs[1][:-1], signs[2]]})
