"""Classes of searched positions, by the weights that the seed gives them: large or small, positive or negative.

A search keeps large weights more often than small ones, and a reader knows them all before it reads a bit of the
supermask (docs/format.md, "The codec rans").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .freezing import below, contradiction
from .header import Source
from .payloads import CLASSES
from .streams import FREEZING, PIECE, WEIGHTS, Stream, pieces

_DRAW_BITS = 32
Classes = NDArray[np.uint8]


def of_layer(source: Source, index: int) -> Classes:
    """Tells the class of every searched position of a layer.

    Args:
        source: the source network.
        index: the layer's number, from 0.

    Returns:
        KU: the highest 4 of the 32 bits that the weight is drawn from; SKC: its only bit. uint8 [searched positions].

    Raises:
        FormatError: the thresholds lead to another number of searched positions than the layer table has.
    """
    layer = source.layers[index]
    keys, weights = Stream(source.seeds.freezing, index, FREEZING), Stream(source.seeds.weights, index, WEIGHTS)
    shift = np.uint32(_DRAW_BITS - (CLASSES["ku"] - 1).bit_length())
    found = np.empty(layer.searched, np.uint8)
    position = 0
    for start, stop in pieces(0, layer.size):
        searched = np.flatnonzero(~below(keys.draws(start, stop), layer.freeze_threshold))
        drawn = weights.bits(start, stop) if source.init == "skc" else weights.draws(start, stop) >> shift
        first, position = position, position + searched.size
        if position > layer.searched:
            raise contradiction(layer, f"{layer.searched} searched", "more")
        found[first:position] = drawn[searched]
    if position < layer.searched:
        raise contradiction(layer, f"{layer.searched} searched", "fewer")
    return found


def divide(bits: NDArray[np.bool_], classes: Classes, count: int) -> list[NDArray[np.bool_]]:
    """Divides bits by their classes.

    Args:
        bits: bool [n].
        classes: uint8 [n], each below `count`.
        count: how many classes there are.

    Returns:
        Each class's bits, in their order.
    """
    strings = [np.empty(size, np.bool_) for size in sizes(classes, count)]
    for stretch, order, places in _stretches(classes, count):
        ordered, start = bits[stretch][order], 0
        for string, place in zip(strings, places, strict=True):
            string[place] = ordered[start : start + place.stop - place.start]
            start += place.stop - place.start
    return strings


def unite(strings: list[NDArray[np.bool_]], classes: Classes) -> NDArray[np.bool_]:
    """Puts together what `divide` gave.

    Args:
        strings: each class's bits.
        classes: uint8 [n].

    Returns:
        bool [n].
    """
    bits = np.empty(classes.size, np.bool_)
    for stretch, order, places in _stretches(classes, len(strings)):
        bits[stretch][order] = np.concatenate([string[place] for string, place in zip(strings, places, strict=True)])
    return bits


def sizes(classes: Classes, count: int) -> list[int]:
    """Counts the positions of each class."""
    found = np.zeros(count, np.int64)
    for start, stop in pieces(0, classes.size):
        found += np.bincount(classes[start:stop], minlength=count)
    return [int(size) for size in found]


def _stretches(classes: Classes, count: int) -> Iterator[tuple[slice, NDArray[np.intp], list[slice]]]:
    """Cuts positions into stretches that fit the cache.

    Yields:
        Each stretch, its positions ordered by class, and where each class's bits lie among all of that class.
    """
    reached = [0] * count
    for start in range(0, classes.size, PIECE):
        stretch = slice(start, min(start + PIECE, classes.size))
        places = []
        for number, size in enumerate(np.bincount(classes[stretch], minlength=count).tolist()):
            places.append(slice(reached[number], reached[number] + size))
            reached[number] += size
        yield stretch, np.argsort(classes[stretch], kind="stable"), places
