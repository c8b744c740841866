"""A graph whose nodes have features and classes, and its parts: what a search asks of them."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DataError
from ...format.records import GraphInput, ImageInput
from ...models.graph_batch import Neighbours, Nodes, compact
from ..dataset import WHOLE, DataSet, Labelled, Share
from ..sources import GRAPH_INPUT

LARGEST = 1e12
"""The size of a feature: squares of what a network makes of features are summed over the nodes, in float32, which ends
at 3e38. Where such a sum overflows, all scores are 0 or no numbers."""
_REMEDY = "the data set is damaged; get it again, or fix what wrote it"


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole graph.

    Attributes:
        features: of each node, float32 [n, F], a sparse CSR matrix where most are zero.
        labels: the right class of each node, int64 [n]; of nodes in no part anything.
        neighbours: who is next to whom, as the matrix that takes the mean.
        classes: the names of the classes, by label.
    """

    features: torch.Tensor
    labels: torch.Tensor
    neighbours: Neighbours
    classes: tuple[str, ...]
    _moved: weakref.WeakValueDictionary[torch.device, Graph] = field(
        default_factory=weakref.WeakValueDictionary, init=False, repr=False
    )

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Graph:
        """Put the graph on a device, once for all of its parts."""
        if device == self.labels.device:
            return self
        moved = self._moved.get(device)
        if moved is None:
            features, labels = self.features.to(device), self.labels.to(device)
            moved = self._moved[device] = replace(
                self, features=features, labels=labels, neighbours=self.neighbours.to(device)
            )
        return moved


@dataclass(frozen=True, eq=False)
class LabelledNodes:
    """Some nodes of a graph with their labels; the rest of the graph is what their neighbours are found in.

    It is to a search what a set of labelled images is, with the graph in every batch.

    Attributes:
        graph: the whole graph.
        index: which nodes, int64 [k], each once.
    """

    graph: Graph
    index: torch.Tensor

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> torch.Tensor:
        """The right classes, int64 [k]."""
        return self.graph.labels[self.index]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return self.graph.classes

    @property
    def features(self) -> int:
        """How many features a node has."""
        return self.graph.features.shape[1]

    @property
    def shape(self) -> tuple[int]:
        """The shape of what stands for one node: its features."""
        return (self.features,)

    def take(self, index: torch.Tensor | slice) -> LabelledNodes:
        """Return some of the nodes, by index or slice."""
        return replace(self, index=self.index[index])

    def to(self, device: torch.device) -> LabelledNodes:
        """Put the nodes and their graph on a device; other parts of the graph share it."""
        return LabelledNodes(self.graph.to(device), self.index.to(device))

    @property
    def input(self) -> GraphInput:
        """How the graph becomes what a network takes."""
        return GRAPH_INPUT

    def fed(self, given: ImageInput | GraphInput) -> LabelledNodes:
        """Return the same nodes: there is one way for all graphs."""
        assert given == GRAPH_INPUT
        return self

    def sha256(self) -> str:
        """Tell these nodes, their labels and their graph from others.

        Returns:
            The SHA-256 of the features' shape, the features, where each node's neighbours begin, the neighbours, these
            nodes and their labels; whole numbers as little-endian int64, the others as little-endian float32.
        """
        digest = hashlib.sha256()
        features, matrix = self.graph.features.to_dense(), self.graph.neighbours.matrix
        places = matrix.crow_indices(), matrix.col_indices()
        for values in (torch.tensor(features.shape), features, *places, self.index, self.labels):
            kind = "<f4" if values.is_floating_point() else "<i8"
            digest.update(np.ascontiguousarray(values.cpu().numpy(), kind).data)
        return digest.hexdigest()

    def files(self) -> Sequence[str]:
        """Return none: nodes come from no files of their own."""
        return ()

    def batches(self, size: int) -> Iterator[tuple[Nodes, torch.Tensor]]:
        """Return the whole graph once with all of the nodes, whatever the size: one pass of a network has them all."""
        yield self._batch(self.index)

    def training_batches(
        self, order: NDArray[np.int64], size: int, chance: Sequence[int], share: Share = WHOLE
    ) -> Iterator[tuple[Nodes, torch.Tensor]]:
        """Return the whole graph for each whole `size` in an order, with those nodes wanted.

        Args:
            order: places among these nodes, int64.
            size: nodes of a batch, over all processes; all of them for one step a pass, as is usual.
            chance: makes no difference, since graphs are not augmented.
            share: the part of each batch that is wanted.

        Yields:
            This share of each batch, and the labels, int64 [B].
        """
        index = self.index[torch.from_numpy(order).to(self.index.device)]
        for start in range(0, len(order) - size + 1, size):
            yield self._batch(index[start : start + size][share.of(size)])

    def _batch(self, wanted: torch.Tensor) -> tuple[Nodes, torch.Tensor]:
        return Nodes(self.graph.features, self.graph.neighbours, wanted), self.graph.labels[wanted]


def nodes_of(part: Labelled) -> torch.Tensor:
    """Return which nodes of its graph a part has, int64 [k]."""
    assert isinstance(part, LabelledNodes)
    return part.index


def whole_graph(part: Labelled) -> LabelledNodes:
    """Return all nodes of a part's graph, in order; those in no part have any label."""
    assert isinstance(part, LabelledNodes)
    return LabelledNodes(part.graph, torch.arange(len(part.graph)))


def connect(edges: NDArray[np.int64], count: int, where: object) -> Neighbours:
    """Make an undirected graph of edges: each pair of nodes at most once, no node next to itself.

    Args:
        edges: pairs of nodes in any direction and order, int64 [2, m].
        count: of the nodes.
        where: what to name in an error.

    Returns:
        Who is next to whom; the same for the same pairs, however they are given.

    Raises:
        DataError: an edge leads to a node that does not exist.
    """
    outside = (edges < 0) | (edges >= count)
    if outside.any():
        number = int(outside.any(0).argmax())
        first, second = edges[:, number].tolist()
        raise DataError(
            f"{where}: edge {number}",
            expected=f"nodes in 0..{count - 1}",
            found=f"node {first if outside[0, number] else second} ({first} to {second})",
            remedy=_REMEDY,
        )
    first, second = edges[:, edges[0] != edges[1]]
    places = np.sort(np.concatenate([first * count + second, second * count + first]))  # row by row
    # NumPy's own function for this hashes them, which takes ten times as long as to sort.
    rows, columns = np.divmod(places[np.diff(places, prepend=-1) != 0], max(count, 1))
    starts = np.searchsorted(rows, np.arange(count + 1))
    return Neighbours.of(torch.from_numpy(starts), torch.from_numpy(columns))


def make_graph(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    neighbours: Neighbours,
    classes: tuple[str, ...],
    where: object,
) -> Graph:
    """Put a graph together.

    Args:
        features: float32 [n, F].
        labels: int64 [n].
        neighbours: of n nodes.
        classes: the names of the classes, by label.
        where: what to name in an error.

    Returns:
        The graph.

    Raises:
        DataError: there are no features, or one is no finite number or larger than `LARGEST`.
    """
    if not features.shape[1]:
        raise DataError(where, expected="at least one feature a node", found="none", remedy=_REMEDY)
    with np.errstate(invalid="ignore"):
        # Not the largest of abs(), which would take an array of the features' own size; NaN is handed on.
        largest = np.maximum(features.max(1), -features.min(1))
    finite = np.isfinite(largest)
    if not finite.all():
        node = int(finite.argmin())
        raise DataError(f"{where}: node {node}", expected="finite features", found="some that are not", remedy=_REMEDY)
    if largest.max(initial=0) > LARGEST:
        node = int(largest.argmax())
        raise DataError(
            f"{where}: node {node}",
            expected=f"features of at most {LARGEST:g} in size, whose squares can be summed in float32",
            found=f"{largest[node]:g}",
            remedy="scale the features",
        )
    return Graph(compact(torch.from_numpy(features)), torch.from_numpy(labels), neighbours, classes)


def make_parts(
    graph: Graph, parts: Mapping[str, NDArray[np.int64]], where: Mapping[str, object], labels: object
) -> DataSet:
    """Divides a graph into its parts.

    Args:
        graph: the graph.
        parts: the nodes of "train", "validation" and "test", int64, in any order.
        where: what to name in an error, for each of them.
        labels: what to name in an error about a label.

    Returns:
        The data set; a part's nodes are in the order given.

    Raises:
        DataError: a part has no nodes or one that does not exist, a node is in two parts or twice in one, or a part has
            a label outside the classes.
    """
    count, classes = len(graph), len(graph.classes)
    seen = np.zeros(count, bool)
    for name, index in parts.items():
        if not len(index):
            raise _wrong(where[name], f"nodes in the {name} part", "none")
        low, high = index.min(), index.max()
        if low < 0 or high >= count:
            raise _wrong(where[name], f"nodes of the {name} part in 0..{count - 1}", low if low < 0 else high)
        times = np.bincount(index, minlength=count) + seen
        if times.max() > 1:
            raise _wrong(where[name], "each node in one part, once", f"node {times.argmax()} again in {name}")
        seen[index] = True
        classed = graph.labels.numpy()[index]
        outside = (classed < 0) | (classed >= classes)
        if outside.any():
            place = int(outside.argmax())
            node = f"{labels}: node {index[place]}, of the {name} part"
            raise _wrong(node, f"a label in 0..{classes - 1}", classed[place])
    nodes = {name: LabelledNodes(graph, torch.from_numpy(index)) for name, index in parts.items()}
    return DataSet(nodes["train"], nodes["test"], nodes.get("validation"))


def _wrong(where: object, expected: str, found: Any) -> DataError:
    return DataError(where, expected=expected, found=f"{found}", remedy=_REMEDY)
