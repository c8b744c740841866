"""Regenerating a network takes little memory beyond the weights themselves."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sltpack import models
from sltpack.header import Ratios, Seeds
from sltpack.sources import make_source
from sltpack.tickets import Ticket

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
