"""The digits that come with sltpack as a graph: for networks for graphs, without a download.

A node is an image, its features are the 64 pixels, and its neighbours the images that look most like it. 97 % of the
edges join two images of one digit. There is nothing in it that the pixels do not say: it is for first steps, tests and
small sweeps, not for comparisons with other data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..dataset import DataSet
from ..images import digits
from ..sources import Reader
from .graph import connect, make_graph, make_parts

NAME = "digits-graph"
NEAREST = 5
"""How many images each image is joined with; it has more neighbours where it is among the nearest of others."""
TRAIN = 200
"""Nodes that train: 20 for each class on average, as Planetoid has them exactly."""
VALIDATION = 500
"""Nodes that validate, as in Planetoid."""
_BLOCK = 256
"""Images whose distances to all others are in memory at once: 10 MB with their order."""


def reader(name: str) -> Reader:
    """Return how the graph is read."""
    return Reader(lambda _: load(), digits.CLASSES)


def load() -> DataSet:
    """Make the graph: two images are joined where one of them is among the `NEAREST` nearest of the other.

    The nodes are the 1437 training images of the digits in their order, then the 360 test images. The first `TRAIN`
    train, the next `VALIDATION` validate, the test images test; the other training images are in no part.

    Returns:
        The graph's training, validation and test nodes; the features are pixels in 0..1.
    """
    train, test = digits.read()
    pixels = np.concatenate([images.pixels.numpy().reshape(len(images), -1) for images in (train, test)])
    labels = np.concatenate([images.labels.numpy() for images in (train, test)])
    numbers = np.arange(len(pixels))
    edges = np.stack([np.repeat(numbers, NEAREST), find_nearest(pixels, NEAREST).reshape(-1)])
    neighbours = connect(edges, len(pixels), NAME)
    graph = make_graph(np.divide(pixels, 255, dtype=np.float32), labels, neighbours, digits.CLASSES, NAME)
    parts = {
        "train": numbers[:TRAIN],
        "validation": numbers[TRAIN : TRAIN + VALIDATION],
        "test": numbers[len(train) :],
    }
    return make_parts(graph, parts, dict.fromkeys(parts, NAME), NAME)


def find_nearest(pixels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Find the images nearest to each image, by the sum of the squared differences of their pixels.

    Distances are whole numbers, and of two images equally far away the one that comes first is nearer, so that every
    machine finds the same.

    Args:
        pixels: uint8 [n, F], of at most 128 pixels.
        count: how many others are wanted of each image, from 1 to n - 1.

    Returns:
        Their places, int64 [n, count], in ascending order.
    """
    # A matrix product in float32 is many times as fast as one in integers, and as exact: 128 * 255 ** 2 is below
    # 2 ** 23, so every sum, in whatever order, and every distance is a whole number that float32 has.
    values = pixels.astype(np.float32)
    squares = np.square(values).sum(1)
    numbers = np.arange(len(values))
    found = []
    for start in range(0, len(values), _BLOCK):
        block = numbers[start : start + _BLOCK]
        distances = squares[block, None] + squares - 2 * (values[block] @ values.T)  # (block, n)
        order = distances.astype(np.int64) * len(values) + numbers  # (block, n), each number once in a row
        order[np.arange(len(block)), block] = np.iinfo(np.int64).max  # no image is its own neighbour
        found.append(np.sort(np.argpartition(order, count - 1)[:, :count]))
    return np.concatenate(found)
