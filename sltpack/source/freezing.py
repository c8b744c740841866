"""The freezing mask: which weights are pruned or locked for good, from a stream and two thresholds.

Position i has the key u_i, 32 bits of its stream: pruned where u_i < T_p, locked where T_p <= u_i < T_f, searched where
T_f <= u_i (docs/format.md, "Freezing").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..format.records import THRESHOLD_ONE, Layer
from .ratios import Counts
from .streams import FREEZING, Stream, pieces

PRUNED, SEARCHED, LOCKED = -1, 0, 1
"""The three values of the freezing mask."""


def freeze(
    seed: int, names: Sequence[str], shapes: Sequence[tuple[int, ...]], counts: Sequence[Counts]
) -> tuple[Layer, ...]:
    """Choose every layer's thresholds so that it gets the wanted counts.

    Args:
        seed: the seed for freezing.
        names: the layers' names.
        shapes: the layers' weight shapes.
        counts: how many positions to prune and to lock in each layer.

    Returns:
        The layers with their true counts (a tie of two keys at a threshold can make one smaller) and nothing kept but
        the locked weights.
    """
    return tuple(
        _freeze_layer(seed, index, name, shape, wanted)
        for index, (name, shape, wanted) in enumerate(zip(names, shapes, counts, strict=True))
    )


def _freeze_layer(seed: int, index: int, name: str, shape: tuple[int, ...], wanted: Counts) -> Layer:
    size = math.prod(shape)
    keys = np.empty(size, np.uint32)
    stream = Stream(seed, index, FREEZING)
    for start, stop in pieces(0, size):
        keys[start:stop] = stream.draws(start, stop)
    prune_threshold = threshold(keys, wanted.pruned)
    freeze_threshold = threshold(keys, wanted.pruned + wanted.locked)
    pruned = int(np.count_nonzero(below(keys, prune_threshold)))
    locked = int(np.count_nonzero(below(keys, freeze_threshold))) - pruned
    return Layer((name,), shape, prune_threshold, freeze_threshold, pruned, locked, kept=locked)


def threshold(keys: NDArray[np.uint32], count: int) -> int:
    """Find the threshold that has a number of keys below it.

    Args:
        keys: uint32 [n].
        count: how many, 0..n.

    Returns:
        The (count + 1)-th smallest key, or 2^32 for all of them.
    """
    if count == keys.size:
        return THRESHOLD_ONE
    return int(np.partition(keys, count)[count])


def below(keys: NDArray[np.uint32], limit: int) -> NDArray[np.bool_]:
    """Compare keys with a threshold in 0..2^32, which uint32 just cannot hold.

    Args:
        keys: uint32, of any shape.
        limit: the threshold.

    Returns:
        bool, of the keys' shape.
    """
    if limit == THRESHOLD_ONE:
        return np.ones(keys.shape, np.bool_)
    return np.less(keys, np.uint32(limit))


def mask(seed: int, index: int, layer: Layer, start: int, stop: int) -> NDArray[np.int8]:
    """Regenerate a stretch of a layer's freezing mask.

    Args:
        seed: the seed for freezing.
        index: the layer's number, from 0.
        layer: its thresholds.
        start: the first position, in C order.
        stop: the position behind the last one.

    Returns:
        -1 pruned, +1 locked, 0 searched: int8 [stop - start].
    """
    values = np.empty(stop - start, np.int8)
    stream = Stream(seed, index, FREEZING)
    for first, last in pieces(start, stop):
        keys = stream.draws(first, last)
        pruned = below(keys, layer.prune_threshold).view(np.int8)
        frozen = below(keys, layer.freeze_threshold).view(np.int8)
        values[first - start : last - start] = frozen - 2 * pruned
    return values


def contradiction(layer: Layer, expected: str, found: str) -> FormatError:
    """Make the error for thresholds that lead to other counts than the layer table has."""
    return FormatError(
        f"layer {layer.name}",
        expected=f"{expected} weights, as the layer table says",
        found=f"{found} by the thresholds",
        remedy="the file was not made by a correct writer",
    )
