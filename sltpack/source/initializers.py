"""Random initial weights from a stream: Kaiming uniform (KU) and signed Kaiming constant (SKC).

A weight is `unit * step`, one float32 product. The unit comes from the stream and does not depend on the supermask:
an odd integer below 2^24 in size (KU), or +1 or -1 (SKC; Ramanujan et al. 2020, section 3). The step holds the
initialiser's deviation and the scale. See docs/format.md, "Weights".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..format.records import NO_INIT, STORED, Layer, Source
from .streams import WEIGHTS, Stream

VARIANCE = {"ku": 6, "skc": 2, NO_INIT: 2}
"""The square of a weight's size, of the largest for KU, times the fan-in and without scale."""
UNIT_SIZE = {"ku": 2.0**-24, "skc": 1.0, NO_INIT: 1.0}
"""The size of the smallest power of two that no unit passes, inverted."""
LARGEST_UNIT = {"ku": 2**24 - 1, "skc": 1, NO_INIT: 1}
"""The size of the largest unit."""


def units(init: str, seed: int, layer: int, start: int, stop: int) -> NDArray[np.float32]:
    """Draw the part of the weights that comes from the stream.

    Args:
        init: "ku" or "skc".
        seed: the seed for weights.
        layer: the layer's number, from 0.
        start: the first position, in C order of the weight tensor.
        stop: the position behind the last one.

    Returns:
        float32 [stop - start], exact.
    """
    stream = Stream(seed, layer, WEIGHTS)
    if init == "skc":
        signs = stream.bits(start, stop).astype(np.float32)
        signs *= -2
        signs += 1
        return signs
    draws = stream.draws(start, stop)
    draws >>= 8
    # 2 * (u >> 8) + 1 - 2^24 is odd and below 2^24 in size, so each of these float32 operations is exact.
    odd = draws.astype(np.float32)
    odd *= 2
    odd += 1 - 2**24
    return odd


def step(init: str, fan_in: int, scale: tuple[int, int]) -> np.float32:
    """Return the factor of a layer's units.

    Args:
        init: "ku", "skc" or "none", which is scaled as "skc" is.
        fan_in: the product of all dimensions of the weight but the first.
        scale: a and b: variances are multiplied by a / b.

    Returns:
        float32(sqrt(6 / fan_in * a / b) * 2^-24) for KU, float32(sqrt(2 / fan_in * a / b)) for SKC, worked out in
        float64 with one exact division; 0 where b is 0.
    """
    a, b = scale
    if b == 0:
        return np.float32(0)
    return np.float32(math.sqrt((VARIANCE[init] * a) / (fan_in * b)) * UNIT_SIZE[init])


def scale_of(source: Source, layer: Layer) -> tuple[int, int]:
    """Return the a and b by which a layer's variance is scaled.

    Args:
        source: the source network, with the counts of the ticket. Its scale is "none" (1 / 1), "layer" (weights / kept
            ones of this layer, each counted by the square of its multiplicity) or "global" (the same over all layers).
        layer: one of its layers.

    Returns:
        a and b, exact integers.
    """
    if source.scale == "none":
        return 1, 1
    if source.scale == "layer":
        return layer.size, source.squares(layer)
    return source.size, sum(map(source.squares, source.layers))


def step_of(source: Source, index: int, steps: NDArray[np.float32] | None = None) -> np.float32:
    """Return the step of one layer: the one that is stored, or what its counts lead to.

    Args:
        source: the source network, with the counts of the ticket.
        index: the layer's number, from 0.
        steps: of all layers, float32 [layers], where the scale is "stored".

    Returns:
        The float32 factor of the layer's units; 0 where the scale is by the kept weights and there are none.
    """
    if source.scale == STORED:
        assert steps is not None  # a ticket of this scale has them
        return np.float32(steps[index])
    layer = source.layers[index]
    return step(source.init, layer.fan_in, scale_of(source, layer))
