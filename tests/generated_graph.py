"""A graph in the layout of OGB's ogbn-arxiv, of any size, with classes that a network for graphs can learn.

    python tests/generated_graph.py OUT --nodes 169343 --edges 1166243

writes one of the real one's size. The features of a node are its class's centre and noise so large that one node alone
says little of its class; most edges are between nodes of one class, so that neighbours together say much. Degrees are
as uneven as those of citations.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WITHIN = 0.6
"""Share of the edges that are drawn between nodes of one class."""
CENTRE = 0.15
"""Deviation of the classes' centres in each feature, in that of the noise."""
MISLABELLED = 0.1
"""Share of the nodes that get a label by chance in the end, so that no network can be right of all."""
DIGITS = 6
"""Behind the point, as in the real features."""


def write(
    folder: Path, nodes: int, edges: int, features: int = 128, classes: int = 40, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Writes a graph.

    Args:
        folder: becomes what `arxiv` of the archive is.
        nodes: how many; the first 54 % train, the next 18 % validate, as in the real one.
        edges: how many, among which some may be twice or from a node to itself.
        features: of a node.
        classes: how many.
        seed: other seeds give other graphs.

    Returns:
        Features, float32 [nodes, features], labels, int64 [nodes], and edges, int64 [2, edges], as written.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(nodes) % classes)
    centres = random.standard_normal((classes, features), np.float32) * np.float32(CENTRE)
    values = np.round(centres[labels] + random.standard_normal((nodes, features), np.float32), DIGITS)
    pairs = _edges(random, labels, edges)
    labels = np.where(random.random(nodes) < MISLABELLED, random.integers(0, classes, nodes), labels)
    order = random.permutation(nodes)
    cuts = nodes * 54 // 100, nodes * 72 // 100
    tables = {
        "raw/edge": pairs.T,
        "raw/node-feat": values,
        "raw/node-label": labels[:, None],
        **{f"split/time/{name}": np.sort(part)[:, None] for name, part in zip(("train", "valid", "test"), np.split(order, cuts), strict=True)},
    }  # fmt: skip
    for name, table in tables.items():
        path = folder / f"{name}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(_csv(table), 1, mtime=0))
    return values, labels, pairs


def _edges(random: np.random.Generator, labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Draws the first end evenly, the second with squared chances, so that few nodes have many edges."""
    first = random.integers(0, len(labels), count)
    second = (random.random(count) ** 2 * len(labels)).astype(np.int64)
    by_class = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[by_class], np.arange(labels.max() + 2))
    own = labels[first]
    places = starts[own] + (random.random(count) ** 2 * (starts[own + 1] - starts[own])).astype(np.int64)
    return np.stack([first, np.where(random.random(count) < WITHIN, by_class[places], second)])


def _csv(table: NDArray[np.generic]) -> bytes:
    """Writes numbers as text, fractions with their digits behind the point, a row a line."""
    if table.dtype.kind == "i":
        return "".join([",".join(map(str, row)) + "\n" for row in table.tolist()]).encode()
    # All digits at once: a number is its sign, its whole part and its millionths, each taken out of one integer.
    scaled = np.rint(table.astype(np.float64) * 10**DIGITS).astype(np.int64)
    size = np.abs(scaled)
    width = len(str(size.max() // 10**DIGITS))
    text = np.empty((*table.shape, 1 + width + 1 + DIGITS + 1), np.uint8)
    for place in range(DIGITS):
        text[..., -2 - place] = 48 + size // 10**place % 10
    text[..., 1 + width] = ord(".")
    for place in range(width):
        text[..., width - place] = 48 + size // 10 ** (DIGITS + place) % 10
    text[..., 0] = np.where(scaled < 0, ord("-"), ord("+"))
    text[..., -1] = ord(",")
    text[:, -1, -1] = ord("\n")
    return text.tobytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    for option, default in (("nodes", 169343), ("edges", 1166243), ("features", 128), ("classes", 40), ("seed", 0)):
        parser.add_argument(f"--{option}", type=int, default=default)
    asked = parser.parse_args()
    write(asked.out, asked.nodes, asked.edges, asked.features, asked.classes, asked.seed)
