"""The digits that come with sltpack as a graph: for first steps with networks for graphs, without a download.

A node is an image, its features are the 64 grey values, and it is joined with the images that look most like it. So a
graph of the usual kind, in which neighbours mostly share a class, comes from files that are in the package already.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import digits
from .graphs import connect, make_graph, make_parts
from .images import Images
from .labelled import DataSet

NEAREST = 8
"""Images that each is joined with; it has more neighbours where it is among the nearest of others."""
TRAIN = 200
"""Nodes that train: the first of the digits' training images, about 20 of a class, as in the Planetoid data sets."""
VALIDATION = 500
"""Nodes that validate: those after them, as in the Planetoid data sets."""
_BLOCK = 256
"""Images whose distances to all others are in memory at a time, some 10 MB."""


def load() -> DataSet:
    """Makes the graph.

    The nodes are the digits' training images and then their test images, each part in its order. An edge joins two
    images of which one is among the `NEAREST` nearest ones of the other (`nearest`).

    Returns:
        The graph's training, validation and test nodes; the test nodes are the test images of the digits, and the
        training images after those that train and validate are in no part.
    """
    images = digits.load()
    parts = _images(images.train), _images(images.test)
    pixels = np.concatenate([part.pixels.numpy().reshape(len(part), -1) for part in parts])
    labels = np.concatenate([part.labels.numpy() for part in parts])
    count, others = len(pixels), nearest(pixels, NEAREST)
    edges = np.stack([np.repeat(np.arange(count), NEAREST), others.reshape(-1)])
    neighbours = connect(edges, count, "digits-graph")
    features = pixels.astype(np.float32) / np.float32(255)
    graph = make_graph(features, labels, neighbours, digits.CLASSES, "digits-graph")
    places = np.arange(count)
    nodes = {
        "train": places[:TRAIN],
        "validation": places[TRAIN : TRAIN + VALIDATION],
        "test": places[len(images.train) :],
    }
    return make_parts(graph, nodes, dict.fromkeys(nodes, "digits-graph"), "digits-graph")


def nearest(pixels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Finds the images that look most like each image: those with the smallest sum of squared differences.

    Distances are whole numbers and of two images as far away the one with the smaller number is nearer, so that every
    machine finds the same ones.

    Args:
        pixels: uint8 [n, F], F at most 128.
        count: how many of the n - 1 others.

    Returns:
        Their numbers, int64 [n, count], in ascending order.
    """
    # Every product and sum below is a whole number of at most 128 * 255 ** 2 < 2 ** 23, or 2 ** 24 for two of them,
    # so float32 has each exactly, in whatever order a matrix product sums; it is many times as fast as one of integers.
    values = pixels.astype(np.float32)
    squares = (values * values).sum(1)
    numbers = np.arange(len(values))
    found = []
    for block in np.split(numbers, range(_BLOCK, len(numbers), _BLOCK)):
        distances = squares[block, None] + squares - 2 * (values[block] @ values.T)
        keys = distances.astype(np.int64) * len(numbers) + numbers  # no two alike, and so one order
        keys[np.arange(len(block)), block] = np.iinfo(np.int64).max  # no image is next to itself
        found.append(np.sort(np.argpartition(keys, count - 1, axis=1)[:, :count], axis=1))
    return np.concatenate(found)


def _images(part: object) -> Images:
    assert isinstance(part, Images)
    return part
