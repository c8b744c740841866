"""The tickets that come with the package are whole, are found by name, and compute what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import sltpack
from sltpack import bundled, load, save
from sltpack.data.graphs.graph import connect
from sltpack.format.accounting import account
from sltpack.models.building import build_ticket as build
from sltpack.models.generated import predict_generated
from sltpack.models.graph_batch import Nodes
from sltpack.tickets.ticket import Ticket
from sltpack_cli.main import cli


def test_their_names() -> None:
    assert bundled.names() == ("cifar10-small", "conv6-cifar10", "gin-cora")


@pytest.mark.parametrize("name", bundled.names())
def test_both_digests_hold_and_the_file_is_written_again_as_it_is(name: str, tmp_path: Path) -> None:
    ticket = load(name)
    ticket.check(ticket.digest(), name)
    save(ticket, tmp_path / "copy.slt")
    assert (tmp_path / "copy.slt").read_bytes() == bundled.locate(name).read_bytes()
    assert CliRunner().invoke(cli, ["verify", name]).exit_code == 0


def test_conv6_cifar10_is_what_the_pages_say() -> None:
    ticket = load("conv6-cifar10")
    source = ticket.source
    assert (source.model.name, source.init, source.scale) == ("conv6", "skc", "layer")
    assert (source.size, source.searched, source.kept) == (2261184, 1130592, 1130592)
    found = account(ticket.to_container())
    assert found.file_bits == 8 * bundled.locate("conv6-cifar10").stat().st_size < 8 * 136_500
    assert found.supermask_bits <= 1.001 * found.entropy_bits + 8 * 64
    told = sum(found.parts[part] for part in ("input", "classes", "results", "outputs"))
    assert found.file_bits - found.supermask_bits - told <= 8 * (1000 + 35 * len(source.layers))
    root = Path(__file__).parents[1]
    shown = CliRunner().invoke(cli, ["info", "conv6-cifar10"], terminal_width=100).stdout
    capture = (
        (root / "README.md").read_text("utf-8").split("```text\n$ sltpack info conv6-cifar10\n")[1].split("```")[0]
    )
    assert [line.rstrip() for line in shown.splitlines()] == capture.splitlines()
    assert f"{accuracy_of(ticket):.4f}" in (root / "docs" / "results.md").read_text("utf-8")


def test_gin_cora_is_what_the_pages_say() -> None:
    ticket = load("gin-cora")
    source = ticket.source
    assert (source.model.name, source.init, source.scale) == ("gin", "ku", "none")
    assert (source.size, source.searched) == (856534, 428267)
    assert ticket.about["data"] == "cora"
    assert not ticket.buffers
    size = bundled.locate("gin-cora").stat().st_size
    page = (Path(__file__).parents[1] / "docs" / "results.md").read_text("utf-8")
    assert f"| file | {size:,} bytes = {8 * size:,} bits |" in page
    assert f"| test accuracy | **{accuracy_of(ticket):.4f}** " in page


def accuracy_of(ticket: Ticket) -> float:
    (found,) = (result.accuracy for result in ticket.results if result.part == "test")
    return found or 0.0


def test_the_readmes_lines_run() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "preprocess" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["scores"].shape == (2, 10)
    assert set(names["names"]) <= set(load("conv6-cifar10").classes)


def test_gin_cora_runs_as_slow_arithmetic_does() -> None:
    """Four layers with plain loops over the neighbours in float64, against the model that `infer` runs."""
    ticket = load("gin-cora")
    first, second, third, fourth, last = (ticket.weights(index).astype(np.float64) for index in range(5))
    random = np.random.default_rng(0)
    nodes, edges = 40, random.integers(0, 40, (2, 60))
    features = (random.random((nodes, first.shape[1])) < 0.05).astype(np.float32)
    neighbours = connect(edges, nodes, "edges")
    scores = sltpack.build(ticket)(Nodes(torch.from_numpy(features), neighbours, torch.arange(nodes))).numpy()
    around: list[set[int]] = [set() for _ in range(nodes)]
    for one, other in edges.T.tolist():
        if one != other:
            around[one].add(other)
            around[other].add(one)

    def layer(hidden: np.ndarray, weight: np.ndarray) -> np.ndarray:
        gathered = np.array(
            [hidden[node] + (hidden[list(near)].mean(0) if near else 0) for node, near in enumerate(around)]
        )
        moved = gathered @ weight.T
        return np.maximum((moved - moved.mean(0)) / np.sqrt(moved.var(0) + 1e-5), 0)

    hidden = layer(layer(layer(features.astype(np.float64), first), second), third)
    expected = (hidden @ last.T + layer(hidden, fourth)) / 2
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


def test_conv6_cifar10_runs_as_slow_arithmetic_does() -> None:
    """The convolutions as sums over the kernel's positions in float64, against the model that `infer` runs."""
    ticket = load("conv6-cifar10")
    images = np.random.default_rng(0).standard_normal((8, 3, 32, 32))
    scores = sltpack.build(ticket)(torch.from_numpy(images).float()).numpy()
    hidden = images
    for index in range(6):
        weight = ticket.weights(index).astype(np.float64)
        padded = np.pad(hidden, ((0, 0), (0, 0), (1, 1), (1, 1)))
        side = hidden.shape[2]
        hidden = np.zeros((8, weight.shape[0], side, side))
        for row in range(3):
            for column in range(3):
                part = padded[:, :, row : row + side, column : column + side]
                hidden += np.einsum("oi,bihw->bohw", weight[:, :, row, column], part, optimize=True)
        hidden = np.maximum(hidden, 0)
        if index % 2:
            hidden = hidden.reshape(8, -1, side // 2, 2, side // 2, 2).max((3, 5))
    hidden = hidden.reshape(8, -1)
    for index in (6, 7):
        hidden = np.maximum(hidden @ ticket.weights(index).astype(np.float64).T, 0)
    expected = hidden @ ticket.weights(8).astype(np.float64).T
    assert np.abs(scores - expected).max() < 1e-4 * np.abs(expected).max()


def test_cifar10_small_is_what_its_card_says() -> None:
    ticket = load("cifar10-small")
    ticket.check(ticket.digest())
    size = bundled.locate("cifar10-small").stat().st_size
    assert size < 50_000
    page = (Path(__file__).parents[1] / "docs" / "tickets.md").read_text("utf-8")
    for told in (f"{size:,} bytes", f"{ticket.source.searched:,} searched", "0.8168", "0.8166"):
        assert told in page
    assert {result.part: result.accuracy for result in ticket.results} == {"validation": 0.8133, "test": 0.8168}
    assert predicted_alike(ticket)


def predicted_alike(ticket: Ticket) -> bool:
    """Whether the network predicts what the file records on the generated inputs."""
    found = predict_generated(build(ticket), ticket.source.model, ticket.input)
    return sum(one == other for one, other in zip(found, ticket.outputs, strict=True)) >= 30
