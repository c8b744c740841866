"""Graphs are undirected, simple and sorted, whatever edges they are made of, and divided into parts of their nodes."""

from __future__ import annotations

import gc
import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack.data.dataset import DataSet, Share
from sltpack.data.graphs.graph import Graph, LabelledNodes, connect, make_graph, make_parts
from sltpack.errors import DataError

REMEDY = "the data set is damaged; get it again, or fix what wrote it"
WHERE = {"train": "train.csv", "validation": "valid.csv", "test": "test.csv"}


def edges_of(*pairs: tuple[int, int]) -> NDArray[np.int64]:
    return np.array(pairs, np.int64).reshape(-1, 2).T


def some_graph(labels: tuple[int, ...] = (0, 1, 2, 0, 1, 2), **changed: Any) -> Graph:
    features = np.arange(12, dtype=np.float32).reshape(6, 2)
    neighbours = connect(edges_of((0, 1), (1, 2), (4, 5)), 6, "edges")
    made = {"features": features, "labels": np.array(labels), "neighbours": neighbours, "classes": ("a", "b", "c")}
    return make_graph(**{**made, **changed}, where="graph")


def parts_of(train: Any = (4, 0), validation: Any = (1, 2), test: Any = (5,)) -> dict[str, NDArray[np.int64]]:
    parts = {"train": train, "validation": validation, "test": test}
    return {name: np.array(index, np.int64) for name, index in parts.items()}


def some_data() -> DataSet:
    return make_parts(some_graph(), parts_of(), WHERE, "labels.csv")


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_any_edges_give_the_simple_graph_of_their_pairs(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    node = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=30))
    neighbours = connect(edges_of(*pairs), count, "edges")
    expected = torch.zeros(count, count)
    for first, second in pairs:
        if first != second:
            expected[first, second] = expected[second, first] = 1
    dense = neighbours.matrix.to_dense()
    assert torch.equal(dense > 0, expected > 0)
    torch.testing.assert_close(dense, expected / expected.sum(1, keepdim=True).clamp(min=1))
    torch.testing.assert_close(neighbours.transposed.to_dense(), dense.T)
    assert neighbours.edges == int(expected.sum()) // 2


def test_edges_in_any_order_and_direction_give_the_same_bits() -> None:
    edges = np.random.default_rng(0).integers(0, 50, (2, 300))
    one = connect(edges, 50, "edges")
    other = connect(np.concatenate([edges[:, ::-1], edges[::-1, :7]], axis=1), 50, "edges")
    for name in ("crow_indices", "col_indices", "values"):
        assert torch.equal(getattr(one.matrix, name)(), getattr(other.matrix, name)())
        assert torch.equal(getattr(one.transposed, name)(), getattr(other.transposed, name)())
    ends = one.matrix.col_indices()
    for start, stop in one.matrix.crow_indices().unfold(0, 2, 1).tolist():
        assert ends[start:stop].tolist() == sorted(set(ends[start:stop].tolist()))


def test_both_matrices_share_their_places() -> None:
    neighbours = some_graph().neighbours
    for name in ("crow_indices", "col_indices"):
        own, transposed = getattr(neighbours.matrix, name)(), getattr(neighbours.transposed, name)()
        assert own.dtype == torch.int32
        assert own.data_ptr() == transposed.data_ptr()


@pytest.mark.parametrize(
    ("edge", "found"), [((2, 6), "node 6 (2 to 6)"), ((-1, 3), "node -1 (-1 to 3)"), ((6, 7), "node 6 (6 to 7)")]
)
def test_an_edge_to_a_node_that_does_not_exist(edge: tuple[int, int], found: str) -> None:
    with pytest.raises(DataError) as caught:
        connect(edges_of((0, 1), edge, (9, 9)), 6, "edge.csv.gz")
    assert str(caught.value) == f"edge.csv.gz: edge 1: expected nodes in 0..5, found {found}; {REMEDY}"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((6, 0), np.float32), "graph: expected at least one feature a node, found none"),
        (
            np.array([[0], [1], [np.nan], [2], [np.inf], [3]], np.float32),
            "graph: node 2: expected finite features, found some that are not",
        ),
        (
            np.array([[0, 0], [np.inf, -np.inf]], np.float32),
            "graph: node 1: expected finite features, found some that are not",
        ),
    ],
)
def test_features_that_no_network_can_take(features: NDArray[np.float32], message: str) -> None:
    with pytest.raises(DataError) as caught:
        some_graph(features=features)
    assert str(caught.value) == f"{message}; {REMEDY}"


@pytest.mark.parametrize("size", [1.1e12, -3e38])
def test_features_whose_squares_would_overflow(size: float) -> None:
    features = np.arange(12, dtype=np.float32).reshape(6, 2)
    features[4, 1] = 1e12
    some_graph(features=features)
    features[4, 1] = size
    with pytest.raises(DataError) as caught:
        some_graph(features=features)
    assert str(caught.value) == (
        "graph: node 4: expected features of at most 1e+12 in size, whose squares can be summed in float32, "
        f"found {abs(size):g}; scale the features"
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (parts_of(test=()), "test.csv: expected nodes in the test part, found none"),
        (parts_of(train=(0, 6)), "train.csv: expected nodes of the train part in 0..5, found 6"),
        (parts_of(validation=(-1, 1)), "valid.csv: expected nodes of the validation part in 0..5, found -1"),
        (parts_of(train=(4, 4)), "train.csv: expected each node in one part, once, found node 4 again in train"),
        (parts_of(test=(3, 2)), "test.csv: expected each node in one part, once, found node 2 again in test"),
    ],
)
def test_parts_that_cannot_be(parts: dict[str, NDArray[np.int64]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        make_parts(some_graph(), parts, WHERE, "labels.csv")
    assert str(caught.value) == f"{message}; {REMEDY}"


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_outside_the_classes(label: int) -> None:
    graph = some_graph(labels=(0, 1, label, -7, 1, 2))  # what is in no part may have any
    with pytest.raises(DataError) as caught:
        make_parts(graph, parts_of(), WHERE, "labels.csv")
    assert str(caught.value) == (
        f"labels.csv: node 2, of the validation part: expected a label in 0..2, found {label}; {REMEDY}"
    )


def test_what_a_part_tells_of_itself() -> None:
    train = some_data().train
    assert (len(train), train.labels.tolist(), train.classes) == (2, [1, 0], ("a", "b", "c"))
    assert (train.features, train.shape) == (2, (2,))
    assert train.take(slice(1, 2)).index.tolist() == [0]
    assert train.take(torch.tensor([1, 0])).labels.tolist() == [0, 1]


@pytest.mark.parametrize("size", [1, 2, 500])
def test_one_batch_evaluates_all_nodes(size: int) -> None:
    train = some_data().train
    ((nodes, labels),) = train.batches(size)
    assert nodes.features is train.graph.features
    assert nodes.neighbours is train.graph.neighbours
    assert (nodes.wanted.tolist(), labels.tolist()) == ([4, 0], [1, 0])


def batches_of(order: list[int], size: int, share: Share) -> list[tuple[list[int], list[int]]]:
    data = LabelledNodes(some_graph(), torch.tensor([5, 4, 3, 2]))
    made = data.training_batches(np.array(order), size, (1, 2), share)
    return [(nodes.wanted.tolist(), labels.tolist()) for nodes, labels in made]


def test_training_batches_follow_the_order() -> None:
    assert batches_of([2, 0, 3, 1], 4, Share()) == [([3, 5, 2, 4], [0, 2, 2, 1])]
    assert batches_of([2, 0, 3], 2, Share()) == [([3, 5], [0, 2])]


def test_processes_share_a_batch() -> None:
    assert batches_of([2, 0, 3, 1], 4, Share(0, 2)) == [([3, 5], [0, 2])]
    assert batches_of([2, 0, 3, 1], 4, Share(1, 2)) == [([2, 4], [2, 1])]


def test_parts_share_one_graph_on_another_device() -> None:
    data = some_data()
    meta = torch.device("meta")
    train, test = data.train.to(meta), data.test.to(meta)
    assert train.graph is test.graph
    assert train.graph is not data.train.graph
    assert train.index.device == train.graph.labels.device == train.graph.neighbours.matrix.device == meta
    assert data.train.to(torch.device("cpu")).graph is data.train.graph
    del train, test
    gc.collect()
    assert not data.train.graph._moved  # what nobody uses any more takes no memory


def test_the_sum_tells_every_change() -> None:
    data = some_data()
    sums = {
        data.train.sha256(),
        data.test.sha256(),
        data.train.take(torch.tensor([1, 0])).sha256(),
        make_parts(some_graph(labels=(1, 1, 2, 0, 1, 2)), parts_of(), WHERE, "labels.csv").train.sha256(),
        make_parts(some_graph(features=np.ones((6, 2), np.float32)), parts_of(), WHERE, "labels.csv").train.sha256(),
        make_parts(some_graph(features=np.ones((6, 3), np.float32)), parts_of(), WHERE, "labels.csv").train.sha256(),
        make_parts(
            some_graph(neighbours=connect(edges_of((0, 1), (1, 3), (4, 5)), 6, "edges")),
            parts_of(),
            WHERE,
            "labels.csv",
        ).train.sha256(),
    }
    assert len(sums) == 7
    assert data.train.sha256() == some_data().train.sha256()


def test_sparse_features_have_the_sum_of_dense_ones() -> None:
    features = np.zeros((6, 10), np.float32)
    features[2, 3] = 5
    graph = some_graph(features=features)
    assert graph.features.layout == torch.sparse_csr
    part = LabelledNodes(graph, torch.tensor([1]))
    dense = LabelledNodes(replace(graph, features=torch.from_numpy(features)), torch.tensor([1]))
    assert (part.sha256(), part.shape) == (dense.sha256(), (10,))
    assert part.to(torch.device("meta")).graph.features.device.type == "meta"


def test_the_sum_is_of_what_its_description_says() -> None:
    whole = [6, 2], [0, 1, 3, 4, 4, 5, 6], [1, 0, 2, 1, 5, 4], [4, 0], [1, 0]
    shape, *others = (np.array(numbers, "<i8").tobytes() for numbers in whole)
    features = np.arange(12, dtype="<f4").tobytes()
    expected = hashlib.sha256(shape + features + b"".join(others)).hexdigest()
    assert some_data().train.sha256() == expected
