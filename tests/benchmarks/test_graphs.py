"""An epoch of a search on a graph of ogbn-arxiv's size against one of weight training, and what of it is sparse.

An epoch is what a run does for it: one step on the whole graph, then the validation nodes' classes. The graph is
generated, and as large as the real one: 169,343 nodes, 1,166,243 edges, 128 features, 40 classes.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sltpack import data, models
from sltpack.data.dataset import DataSet
from sltpack.data.graphs.graph import whole_graph
from sltpack.format.records import Ratios, Seeds
from sltpack.inference.prediction import predict
from sltpack.searching.methods.edge_popup import EdgePopup
from sltpack.searching.methods.weight_training import WeightTraining
from sltpack.searching.presets import of_recipe
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import Method, make_stepper
from sltpack.source.network import make_source

Pairs = Callable[..., None]
write = runpy.run_path(str(Path(__file__).parents[1] / "generated_graph.py"))["write"]
NODES, EDGES, FEATURES, CLASSES = 169_343, 1_166_243, 128, 40
ROUNDS = 5


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("ogb")
    write(folder / "arxiv", NODES, EDGES, FEATURES, CLASSES)
    return data.load("ogbn-arxiv", folder)


def epochs(graph: DataSet, sparsity: float, ratios: Ratios | None) -> Callable[[], object]:
    """Gives what does one epoch: of weight training where there are no ratios."""
    spec = models.spec("gin", 1.0, CLASSES, (FEATURES,))
    model = models.build(spec)
    settings = TrainingSettings(**of_recipe("paper", "graph", {"precision": "float32"}))
    method: Method
    if ratios is None:
        shapes = models.shapes(spec)
        method = WeightTraining(model, make_source(spec, shapes, "ku", "none", Seeds(0, 0), Ratios("epl", 0.0, 0.0)))
    else:
        source = make_source(spec, models.shapes(spec), "ku", "none", Seeds(0, 0), ratios)
        settings = Settings(sparsity=sparsity, **of_recipe("paper", "graph", {"precision": "float32"}))
        method = EdgePopup(model, source, Settings(sparsity=sparsity, epochs=1), torch.device("cpu"))
    stepper = make_stepper(model, method, settings)
    training, validation = graph.of_training(0)

    def epoch() -> None:
        model.train()
        order = np.random.default_rng(0).permutation(len(training))
        for batch, labels in training.training_batches(order, len(training), []):
            stepper.step(batch, labels, 0.0)
        assert validation is not None
        predict(model, validation)

    return epoch


@pytest.mark.parametrize(("sparsity", "prune", "lock"), [(0.5, 0.0, 0.0), (0.2, 0.0, 0.4), (0.5, 0.4, 0.4)])
def test_an_epoch_of_the_search(pairs: Pairs, graph: DataSet, sparsity: float, prune: float, lock: float) -> None:
    what = f"epoch of the search of gin, k = {sparsity}, p = {prune}, l = {lock}, by one of weight training"
    ours, limit = epochs(graph, sparsity, Ratios("epl", prune, lock)), epochs(graph, 0.0, None)
    pairs(ours, limit, what, rounds=ROUNDS)


def test_the_sparse_products_of_an_epoch(pairs: Pairs, graph: DataSet) -> None:
    neighbours = whole_graph(graph.train).graph.neighbours
    features, hidden, scores = (torch.randn(NODES, width) for width in (FEATURES, 386, CLASSES))

    def products() -> None:
        for _ in range(2):  # the step, and the look at the validation nodes
            neighbours.gather(features)
            for values in (hidden, hidden, scores):
                neighbours.gather(values)
        for values in (hidden, hidden, scores):  # backwards
            neighbours.gather(values)

    pairs(products, epochs(graph, 0.0, None), "sparse products of an epoch by the whole epoch", rounds=ROUNDS)


def test_the_answers_for_all_nodes(pairs: Pairs, graph: DataSet) -> None:
    spec = models.spec("gin", 1.0, CLASSES, (FEATURES,))
    model, everything = models.build(spec), whole_graph(graph.train)
    pairs(lambda: predict(model, everything), epochs(graph, 0.0, None), "infer on a graph by an epoch", rounds=ROUNDS)
