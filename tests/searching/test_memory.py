"""Regenerating a network, and coding its supermask, take little memory beyond what they give."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sltpack import models
from sltpack.format.records import LayerBits, Ratios, Seeds
from sltpack.source.network import make_source
from sltpack.supermask import codecs
from sltpack.supermask.bits import Bits
from sltpack.tickets.ticket import Ticket

LIMIT = 64 << 20
"""Bytes above those of the result."""


@pytest.mark.parametrize("init", ["ku", "skc"])
def test_memory_above_the_weights_of_resnet18(init: str) -> None:
    spec = models.spec("resnet18", 1.0, 10, (3, 32, 32))
    source = make_source(spec, models.shapes(spec), init, "layer", Seeds(1, 2), Ratios("epl", 0.25, 0.25))
    random = np.random.default_rng(0)
    ticket = Ticket.create(source, [random.random(layer.searched) < 0.5 for layer in source.layers], {}, {})
    tracemalloc.start()
    layers = [ticket.weights(index) for index in range(len(source.layers))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    result = sum(values.nbytes for values in layers)
    assert result == 4 * 11164352
    assert peak - result < LIMIT


@pytest.mark.parametrize("density", [0.001, 0.12, 0.13, 0.45, 0.95])
def test_memory_of_coding_ten_million_bits(density: float) -> None:
    """Less than a byte for each bit, the result counted: no array of bools or wider is made of a whole layer."""
    bits = np.random.default_rng(1).random(10_000_000, np.float32) < density
    layers = (LayerBits(bits.size, int(np.count_nonzero(bits))),)
    supermask = Bits.from_layers([bits])
    tracemalloc.start()
    data = codecs.CODECS["rans"].encode(supermask, layers)
    _, encoding = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    decoded = codecs.decode("rans", data, layers, "test")
    _, decoding = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded == supermask
    assert max(encoding, decoding) < bits.size
