"""The network for graphs against dense matrices and plain loops, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sltpack.data.graphs.graph import connect
from sltpack.models.gin import Gin
from sltpack.models.graph_batch import Neighbours, Nodes, apply_linear, compact
from sltpack.models.layers import buffers, searchable

NODES, FEATURES, CLASSES = 12, 5, 3


def some_edges() -> np.ndarray:
    """Edges among the first ten of twelve nodes, so that two stand alone."""
    return np.random.default_rng(1).integers(0, 10, (2, 20))


def some_nodes(wanted: tuple[int, ...] = tuple(range(NODES))) -> Nodes:
    features = torch.randn(NODES, FEATURES, generator=torch.Generator().manual_seed(0))
    return Nodes(features, connect(some_edges(), NODES, "edges"), torch.tensor(wanted))


def dense_mean(edges: np.ndarray) -> torch.Tensor:
    """The matrix that takes the mean, by plain loops."""
    neighbours: list[set[int]] = [set() for _ in range(NODES)]
    for first, second in edges.T.tolist():
        if first != second:
            neighbours[first].add(second)
            neighbours[second].add(first)
    matrix = torch.zeros(NODES, NODES)
    for node, others in enumerate(neighbours):
        for other in others:
            matrix[node, other] = 1 / len(others)
    return matrix


def small(width: float = 0.02) -> Gin:
    torch.manual_seed(3)
    return Gin(width=width, classes=CLASSES, input_shape=(FEATURES,))


def slow_scores(model: Gin, nodes: Nodes, mean: torch.Tensor) -> torch.Tensor:
    """What the model is to give in training, from the definition."""
    hidden = [nodes.features]
    for layer in (model.linear1, model.linear2, model.linear3, model.linear4):
        summed = hidden[-1] + mean @ hidden[-1]
        moved = summed @ layer.weight.T
        middle, variance = moved.mean(0), moved.var(0, correction=0)
        hidden.append(((moved - middle) / (variance + 1e-5).sqrt()).clamp(min=0))
    return ((hidden[3] @ model.linear5.weight.T + hidden[4]) / 2)[nodes.wanted]


def test_the_mean_of_the_neighbours() -> None:
    nodes = some_nodes()
    mean = dense_mean(some_edges())
    assert (mean.sum(1) == 0).sum() >= 2
    torch.testing.assert_close(nodes.neighbours.matrix.to_dense(), mean)
    torch.testing.assert_close(nodes.neighbours.transposed.to_dense(), mean.T)
    torch.testing.assert_close(nodes.neighbours.gather(nodes.features), nodes.features + mean @ nodes.features)
    assert nodes.neighbours.edges == int((mean > 0).sum()) // 2
    assert len(nodes.neighbours) == NODES


def test_the_gradient_of_what_is_gathered() -> None:
    nodes = some_nodes()
    sparse, dense = (nodes.features.clone().requires_grad_() for _ in range(2))
    weights = torch.randn(NODES, FEATURES)
    (nodes.neighbours.gather(sparse) * weights).sum().backward()
    ((dense + dense_mean(some_edges()) @ dense) * weights).sum().backward()
    assert sparse.grad is not None
    torch.testing.assert_close(sparse.grad, dense.grad)


def test_what_is_gathered_is_the_same_bits_each_time() -> None:
    edges = np.random.default_rng(0).integers(0, 500, (2, 4000))
    neighbours = connect(edges, 500, "edges")
    hidden = torch.randn(500, 33, requires_grad=True)
    found = []
    for _ in range(3):
        hidden.grad = None
        gathered = neighbours.gather(hidden)
        (gathered * gathered).sum().backward()
        assert hidden.grad is not None
        found.append((gathered.detach(), hidden.grad))
    for gathered, gradient in found[1:]:
        assert torch.equal(gathered, found[0][0])
        assert torch.equal(gradient, found[0][1])


def test_what_is_gathered_stays_float32_where_products_are_narrower() -> None:
    nodes = some_nodes()
    hidden = nodes.features.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        gathered = nodes.neighbours.gather(hidden)
        scores = small()(nodes)
    assert gathered.dtype == torch.float32
    gathered.sum().backward()
    assert hidden.grad is not None and hidden.grad.dtype == torch.bfloat16
    assert scores.isfinite().all()


@pytest.mark.parametrize("wanted", [tuple(range(NODES)), (7, 0, 11)])
def test_scores_and_gradients_are_those_of_the_definition(wanted: tuple[int, ...]) -> None:
    nodes, model = some_nodes(wanted), small()
    assert model.linear1.in_features < model.linear1.out_features  # so both orders of the products are tried
    assert model.linear4.in_features > model.linear4.out_features
    scores = model(nodes)
    expected = slow_scores(model, nodes, dense_mean(some_edges()))
    torch.testing.assert_close(scores, expected)
    weights = list(model.parameters())
    chance = torch.randn(scores.shape)
    found = torch.autograd.grad((scores * chance).sum(), weights)
    wished = torch.autograd.grad((expected * chance).sum(), weights)
    for one, other in zip(found, wished, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("features", [5, 40])
def test_sparse_features_give_what_dense_ones_give(features: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gather = Neighbours.gather

    def of_dense_numbers(neighbours: Neighbours, hidden: torch.Tensor) -> torch.Tensor:
        assert hidden.layout == torch.strided  # two sparse matrices can be multiplied with MKL alone
        return gather(neighbours, hidden)

    monkeypatch.setattr(Neighbours, "gather", of_dense_numbers)
    dense = torch.zeros(NODES, features)
    dense[3, 1], dense[7, 4] = 2, -1
    sparse = compact(dense)
    assert (dense.layout, sparse.layout) == (torch.strided, torch.sparse_csr)
    assert torch.equal(sparse.to_dense(), dense)
    nodes = some_nodes()
    model = Gin(width=0.02, classes=CLASSES, input_shape=(features,))
    found = []
    for values in (dense, sparse, sparse):
        scores = model(nodes._replace(features=values))
        found.append((scores, *torch.autograd.grad(scores.square().sum(), list(model.parameters()))))
    for one, other, again in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
        assert torch.equal(other, again)
    with torch.autocast("cpu", torch.bfloat16):
        assert apply_linear(model.linear1, sparse).dtype == torch.float32
        assert apply_linear(model.linear1, dense).dtype == torch.bfloat16


def test_which_features_are_kept_sparse() -> None:
    features = torch.zeros(4, 10)
    assert compact(features).layout == torch.sparse_csr
    assert torch.equal(apply_linear(nn.Linear(10, 3, bias=False), compact(features)), torch.zeros(4, 3))
    features[1, 1:3] = 1
    assert compact(features).layout == torch.sparse_csr
    features[2, 2] = 1
    assert compact(features) is features


def test_scores_do_not_depend_on_what_else_is_wanted() -> None:
    model = small().eval()
    every = model(some_nodes())
    assert torch.equal(model(some_nodes((4, 9))), every[[4, 9]])


def test_size_at_full_width() -> None:
    with torch.device("meta"):
        model = Gin(width=1.0, classes=40, input_shape=(128,))
    shapes = {name: tuple(weight.shape) for name, weight in searchable(model).items()}
    assert shapes == {
        "linear1": (386, 128),
        "linear2": (386, 386),
        "linear3": (386, 386),
        "linear4": (40, 386),
        "linear5": (40, 386),
    }
    assert list(shapes) == [f"linear{number}" for number in range(1, 6)]
    assert sum(weight.numel() for weight in model.parameters()) == 378280
    assert not buffers(model)  # the statistics are those of the graph that it is run on
    assert not any(module.affine for module in model.modules() if isinstance(module, nn.BatchNorm1d))


def test_nodes_without_neighbours_stay_as_they_are() -> None:
    alone = Neighbours.of(torch.zeros(4, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    assert alone.edges == 0
    assert torch.equal(alone.gather(torch.ones(3, 2)), torch.ones(3, 2))
