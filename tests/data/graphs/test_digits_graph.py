"""The graph of the digits: its neighbours against a slow search, the same on every machine, and a ticket on it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack import data
from sltpack.data.dataset import DataSet
from sltpack.data.graphs import digits_graph
from sltpack.data.graphs.digits_graph import NAME, NEAREST, TRAIN, VALIDATION, find_nearest
from sltpack.data.graphs.graph import Graph, LabelledNodes
from sltpack.data.images import digits
from sltpack_cli.main import cli


@pytest.fixture(scope="module")
def loaded() -> DataSet:
    return data.load(NAME)


@pytest.fixture(scope="module")
def graph(loaded: DataSet) -> Graph:
    assert isinstance(loaded.train, LabelledNodes)
    return loaded.train.graph


def nearest_slowly(pixels: NDArray[np.uint8], count: int) -> list[list[int]]:
    """Sorts the others of each image by their distance and then their place, in Python's integers."""
    rows = pixels.tolist()
    found = []
    for place, row in enumerate(rows):
        keys = [(sum((a - b) ** 2 for a, b in zip(row, other, strict=True)), at) for at, other in enumerate(rows)]
        found.append(sorted(at for _, at in sorted(key for key in keys if key[1] != place)[:count]))
    return found


@given(st.data())
def test_neighbours_are_the_nearest_and_of_equals_the_first(drawn: st.DataObject) -> None:
    # Few grey values make many distances equal; the largest ones make the largest sums.
    values = drawn.draw(st.sampled_from([st.sampled_from([0, 255]), st.integers(0, 255)]))
    shape = drawn.draw(st.integers(2, 12)), drawn.draw(st.sampled_from([1, 2, 128]))
    pixels = drawn.draw(arrays.arrays(np.uint8, shape, elements=values))
    count = drawn.draw(st.integers(1, len(pixels) - 1))
    assert find_nearest(pixels, count).tolist() == nearest_slowly(pixels, count)


def test_images_beyond_one_block_are_compared_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = digits.read()[0].pixels.numpy().reshape(-1, 64)[:50]
    monkeypatch.setattr(digits_graph, "_BLOCK", 7)
    assert find_nearest(pixels, NEAREST).tolist() == nearest_slowly(pixels, NEAREST)


def test_some_nodes_have_the_neighbours_that_a_slow_search_finds(graph: Graph) -> None:
    train, test = digits.read()
    pixels = torch.cat([train.pixels, test.pixels]).reshape(-1, 64).long()
    near = {}
    for node in range(len(pixels)):
        distances = (pixels - pixels[node]).square().sum(1)
        distances[node] = distances.max() + 1
        near[node] = set(distances.sort(stable=True).indices[:NEAREST].tolist())
    expected = [[other for other in near if other in near[node] or node in near[other]] for node in range(0, 1797, 100)]
    matrix = graph.neighbours.matrix
    starts, ends = matrix.crow_indices().tolist(), matrix.col_indices().tolist()
    assert [ends[starts[node] : starts[node + 1]] for node in range(0, 1797, 100)] == expected


def test_every_machine_makes_these_edges(graph: Graph) -> None:
    matrix = graph.neighbours.matrix
    starts = matrix.crow_indices()
    rows = torch.arange(len(graph)).repeat_interleave(starts.diff())
    edges = torch.stack([rows, matrix.col_indices()]).numpy().astype("<i8")
    # Published accuracies depend on them.
    expected = "1ee22c96ae496bfd560f75279a2c54519a87a4fb05b701fa094ff75da78139df"
    assert hashlib.sha256(edges.tobytes()).hexdigest() == expected


def test_every_machine_has_these_parts(loaded: DataSet) -> None:
    assert {name: part.sha256()[:16] for name, part in loaded.parts.items()} == {
        "train": "2968372f15ef5603",
        "validation": "0b336d328361e3ca",
        "test": "1557cde7bd114075",
    }


def test_nodes_are_the_images_and_parts_are_cut_in_their_order(loaded: DataSet, graph: Graph) -> None:
    train, test = digits.read()
    assert torch.equal(graph.features, torch.cat([train.pixels, test.pixels]).reshape(1797, 64) / 255)
    assert graph.labels.tolist() == [*train.labels.tolist(), *test.labels.tolist()]
    assert graph.classes == digits.CLASSES == data.fixed_classes(NAME)
    indices = [part.index.tolist() for part in loaded.parts.values() if isinstance(part, LabelledNodes)]
    assert indices == [list(range(200)), list(range(200, 700)), list(range(1437, 1797))]
    assert list(loaded.parts) == ["train", "validation", "test"]
    assert torch.equal(loaded.test.labels, test.labels)
    assert loaded.test.shape == (64,)


def test_the_documentation_tells_of_this_graph(graph: Graph) -> None:
    page = (Path(__file__).parents[3] / "docs" / "graphs.md").read_text("utf-8")
    prose = " ".join(page.split())
    (row,) = re.findall(r"^\| `digits-graph` \|(.*)\|$", page, re.M)
    nodes, edges, features, classes, parts = row.replace(",", "").split("|")
    assert [int(nodes), int(edges), int(features)] == [len(graph), graph.neighbours.edges, graph.features.shape[1]]
    assert int(classes) == len(graph.classes)
    assert [int(part) for part in parts.split("/")] == [TRAIN, VALIDATION, 360]
    matrix = graph.neighbours.matrix
    rows = torch.arange(len(graph)).repeat_interleave(matrix.crow_indices().diff())
    alike = (graph.labels[rows] == graph.labels[matrix.col_indices().long()]).double().mean().item()
    assert f"{100 * alike:.0f} % of its edges" in prose
    assert f"its {NEAREST} nearest images" in prose


def test_a_ticket_is_searched_packed_and_asked(tmp_path: Path) -> None:
    def run(*words: object) -> str:
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.stdout  # what goes on is told on standard error

    options = ("--model", "gin", "--width", 0.125, "--data", NAME, "--recipe", "short", "--precision", "float32")
    found = json.loads(run("search", *options, "--epochs", 40, "-o", tmp_path / "run", "--json"))
    assert (found["settings"]["optimizer"], found["settings"]["batch_size"]) == ("adamw", None)
    assert found["test_accuracy"] > 0.85  # 0.1 is chance
    trained = json.loads(run("train", *options, "--epochs", 40, "-o", tmp_path / "trained", "--json"))
    assert trained["test_accuracy"] > 0.85
    run("pack", tmp_path / "run" / "ckpt.pt", "-o", tmp_path / "model.slt")
    told = json.loads(run("infer", tmp_path / "model.slt", "--data", NAME, "--json"))
    assert told["accuracy"] == found["test_accuracy"]
    assert told["nodes"] == 360
    assert set(told["splits"]) == {"train", "validation", "test"}
