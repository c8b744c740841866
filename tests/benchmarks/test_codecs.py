"""Coding ten million bits of one layer, against regenerating the layer's weights.

Decoding is to take at most 5 times as long, encoding at most 10 times, and decoding at most 0.5 s on one core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sltpack.format.records import KEPT, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.supermask import codecs
from sltpack.tickets.ticket import Ticket

Pairs = Callable[..., None]
SIZE = (5000, 2000)


def ticket_of(init: str, density: float) -> Ticket:
    """A layer without freezing, of whose weights every one is kept by the same chance."""
    layer = Layer(("layer",), SIZE, 0, 0, 0, 0, 0)
    source = Source(ModelSpec("m", {}), init, "none", Seeds(1, 2), Ratios("epl", 0.0, 0.0), (layer,))
    bits = np.random.default_rng(3).random(layer.size) < density
    return Ticket.create(source, [bits], {}, {})


CASES = pytest.mark.parametrize(
    ("init", "density"), [(init, density) for init in ("ku", "skc") for density in (1e-6, 0.01, 0.125, 0.45)]
)


@CASES
def test_decoding(pairs: Pairs, init: str, density: float) -> None:
    ticket = ticket_of(init, density)
    data = codecs.CODECS["rans"].encode(ticket.supermask, ticket.source.bits_of(KEPT))
    pairs(
        lambda: codecs.decode("rans", data, ticket.source.bits_of(KEPT), "test"),
        lambda: ticket.weights(0),
        f"decoding 10 million bits ({init}, density {density:g}) by their weights",
        rounds=5,
    )


@CASES
def test_encoding(pairs: Pairs, init: str, density: float) -> None:
    ticket = ticket_of(init, density)
    pairs(
        lambda: codecs.CODECS["rans"].encode(ticket.supermask, ticket.source.bits_of(KEPT)),
        lambda: ticket.weights(0),
        f"encoding 10 million bits ({init}, density {density:g}) by their weights",
        rounds=5,
    )
