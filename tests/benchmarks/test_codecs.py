"""Coding ten million bits of one layer, against regenerating the layer's weights.

Decoding is to take at most 5 times as long, encoding at most 10 times, and decoding at most 0.5 s on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sltpack import classes, payloads
from sltpack.codecs import CODECS
from sltpack.header import Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.supermask import Supermask
from sltpack.tickets import Ticket

Pairs = Callable[..., None]
SIZE = (5000, 2000)


def ticket_of(init: str, density: float, divided: bool) -> Ticket:
    """A layer without freezing, of whose weights every one is kept by the same chance, or the highest ones rather."""
    layer = Layer("layer", SIZE, 0, 0, 0, 0, 0)
    source = Source(ModelSpec("m", {}), init, "none", Seeds(1, 2), Ratios("epl", 0.0, 0.0), (layer,))
    chance: object = density
    if divided:
        chance = density * (0.5 + classes.of_layer(source, 0) / (payloads.CLASSES[init] - 1))
    bits = np.random.default_rng(3).random(layer.size) < chance
    kept = replace(layer, kept=int(np.count_nonzero(bits)))
    return Ticket(replace(source, layers=(kept,)), Supermask.from_layers([bits]), {}, "", {})


CASES = pytest.mark.parametrize(
    ("init", "density", "divided"),
    [
        *((init, density, False) for init in ("ku", "skc") for density in (1e-6, 0.01, 0.125, 0.45)),
        *((init, density, True) for init in ("ku", "skc") for density in (0.01, 0.45)),
    ],
)


@CASES
def test_decoding(pairs: Pairs, init: str, density: float, divided: bool) -> None:
    ticket = ticket_of(init, density, divided)
    data = CODECS["rans"].encode(ticket.supermask, ticket.source)
    assert (payloads.DIVIDED in payloads.take_apart(data, ticket.source, "test").ways) == divided
    pairs(
        lambda: CODECS["rans"].decode(data, ticket.source, "test"),
        lambda: ticket.weights(0),
        f"decoding 10 million bits ({init}, density {density:g}{', divided' * divided}) by their weights",
        rounds=5,
    )


@CASES
def test_encoding(pairs: Pairs, init: str, density: float, divided: bool) -> None:
    ticket = ticket_of(init, density, divided)
    pairs(
        lambda: CODECS["rans"].encode(ticket.supermask, ticket.source),
        lambda: ticket.weights(0),
        f"encoding 10 million bits ({init}, density {density:g}{', divided' * divided}) by their weights",
        rounds=5,
    )
