"""A ticket on a graph from search to answer: the loop, the file and `infer` that images use, on a generated graph."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

import sltpack
from sltpack import data, load, save
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.data.graphs.graph import LabelledNodes, whole_graph
from sltpack.errors import DataError, MismatchError, RequestError, SltpackError
from sltpack.inference.network import build, classify_files
from sltpack.inference.prediction import predict
from sltpack.inference.scoring import score_on
from sltpack.searching import runner as loops
from sltpack.searching.presets import of_recipe
from sltpack.searching.run_folder import BEST, LAST, METRICS
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.stopping import Stopped
from sltpack_cli.main import cli

write = runpy.run_path(str(Path(__file__).parents[1] / "generated_graph.py"))["write"]
GRAPH: dict[str, Any] = of_recipe("paper", "graph", {"epochs": 40})


@pytest.fixture(scope="module")
def arxiv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of 600 nodes in OGB's layout, with few classes of the 40 that the network has."""
    folder = tmp_path_factory.mktemp("ogb")
    write(folder / "arxiv", nodes=600, edges=4000, features=32, classes=4)
    return folder


@pytest.fixture(scope="module")
def found(arxiv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("run")
    settings = Settings(sparsity=0.5, precision="float32", **GRAPH)
    sltpack.search(
        "gin", "ogbn-arxiv", folder=folder, **asdict(settings), freeze=0.5, init="ku", width=0.125, data_dir=arxiv
    )
    save(checkpoint_reader.load(folder / BEST).ticket(), folder / "model.slt")
    return folder


def test_the_recipe_of_a_graph_is_the_papers() -> None:
    assert of_recipe("paper", "graph", {}) == {
        "epochs": 400,
        "batch_size": None,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "warmup": 0,
    }


def test_a_step_an_epoch_and_all_of_the_graph_in_it(found: Path) -> None:
    lines = [json.loads(line) for line in (found / METRICS).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 41))
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    settings = checkpoint_reader.load(found / LAST).settings
    assert settings["batch_size"] is None
    assert settings["optimizer"] == "adamw"
    assert settings["precision"] == "float32"


def test_it_learns(found: Path, arxiv: Path) -> None:
    best = checkpoint_reader.load(found / BEST)
    assert best.metrics["test_accuracy"] > 0.6  # a tenth of the labels is chance, and a node alone tells little
    trained = sltpack.train(
        "gin", "ogbn-arxiv", folder=found / "trained", **asdict(TrainingSettings(**GRAPH)), width=0.125, data_dir=arxiv
    )
    assert trained.metrics["test_accuracy"] > 0.6


def test_the_packed_ticket_answers_as_the_search_did(found: Path, arxiv: Path) -> None:
    best = checkpoint_reader.load(found / BEST)
    result = score_on(found / "model.slt", "ogbn-arxiv", data_dir=arxiv)
    assert result.accuracy == best.metrics["test_accuracy"]
    assert result.parts["validation"].accuracy == best.metrics["validation_accuracy"]
    assert not load(found / "model.slt").buffers
    assert score_on(found / BEST, "ogbn-arxiv", data_dir=arxiv).accuracy == result.accuracy


def test_a_killed_search_goes_on_with_the_same_bits(
    found: Path, arxiv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """Nothing catches it, as nothing catches a kill."""

    epoch = loops._epoch

    def killed(run: Any, number: int, *others: Any) -> Any:
        if number == 21:
            raise KilledError
        return epoch(run, number, *others)

    settings = Settings(sparsity=0.5, precision="float32", **GRAPH)
    arguments: dict[str, Any] = {"freeze": 0.5, "init": "ku", "width": 0.125, "data_dir": arxiv}
    with monkeypatch.context() as patched:
        patched.setattr(loops, "_epoch", killed)
        with pytest.raises(KilledError):
            sltpack.search("gin", "ogbn-arxiv", folder=tmp_path, **asdict(settings), **arguments)
    assert checkpoint_reader.load(tmp_path / LAST).metrics["epoch"] == 16  # written after every eighth step
    sltpack.search("gin", "ogbn-arxiv", folder=tmp_path, **asdict(settings), **arguments, resume=True)
    for name in (BEST, LAST):
        ours, theirs = (checkpoint_reader.load(folder / name) for folder in (tmp_path, found))
        assert torch.equal(ours.scores, theirs.scores)
        assert ours.metrics == theirs.metrics
    ours, theirs = (
        [json.loads(line) for line in (folder / METRICS).read_text().splitlines()] for folder in (tmp_path, found)
    )
    assert len(ours) == len(theirs) == GRAPH["epochs"]
    for one, other in zip(ours, theirs, strict=True):
        assert {**one, "seconds": 0, "time": 0} == {**other, "seconds": 0, "time": 0}


def test_ctrl_c_keeps_a_better_ticket_that_was_not_yet_written(
    arxiv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "_epoch", stopping(5, KeyboardInterrupt))
    settings = Settings(sparsity=0.5, **GRAPH)
    with pytest.raises(Stopped, match="stopped by Ctrl-C after 5 of 40 epochs"):
        sltpack.search("gin", "ogbn-arxiv", folder=tmp_path, **asdict(settings), width=0.125, data_dir=arxiv)
    best = checkpoint_reader.load(tmp_path / BEST).metrics
    assert best["epoch"] > 0
    assert best["validation_accuracy"] == max(entry["validation_accuracy"] for entry in best["history"])
    assert checkpoint_reader.load(tmp_path / LAST).metrics["epoch"] == 5


def stopping(number: int, error: Any) -> Any:
    """Gives an epoch that fails where it is that one."""
    epoch = loops._epoch

    def one(run: Any, which: int, *others: Any) -> Any:
        if which == number:
            raise error
        return epoch(run, which, *others)

    return one


@pytest.mark.parametrize("stop", [0, 1])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), DataError("a", expected="b", found="c", remedy="d")])
def test_a_best_ticket_outlives_a_kill_and_another_stop(
    found: Path, arxiv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int, error: Exception
) -> None:
    settings = Settings(sparsity=0.5, precision="float32", **GRAPH)
    arguments: dict[str, Any] = {"freeze": 0.5, "init": "ku", "width": 0.125, "data_dir": arxiv}
    for number, folder in ((0, tmp_path / "begun"), (6, tmp_path / "run")):
        with monkeypatch.context() as patched, pytest.raises(Stopped):
            patched.setattr(loops, "_epoch", stopping(number, KeyboardInterrupt))
            sltpack.search("gin", "ogbn-arxiv", folder=folder, **asdict(settings), **arguments)
    # As a kill leaves it that comes between the writing of the best state and of the last one.
    shutil.copy(tmp_path / "begun" / LAST, tmp_path / "run" / LAST)
    reached = checkpoint_reader.load(tmp_path / "run" / BEST).metrics["validation_accuracy"]
    with monkeypatch.context() as patched, pytest.raises(SltpackError):
        patched.setattr(loops, "_epoch", stopping(stop, error))
        sltpack.search("gin", "ogbn-arxiv", folder=tmp_path / "run", **asdict(settings), **arguments, resume=True)
    assert checkpoint_reader.load(tmp_path / "run" / BEST).metrics["validation_accuracy"] == reached
    sltpack.search("gin", "ogbn-arxiv", folder=tmp_path / "run", **asdict(settings), **arguments, resume=True)
    for name in (BEST, LAST):
        ours, theirs = (checkpoint_reader.load(folder / name) for folder in (tmp_path / "run", found))
        assert torch.equal(ours.scores, theirs.scores)
        assert ours.metrics == theirs.metrics


def test_another_validation_part_is_another_run(tmp_path: Path) -> None:
    name = own_graph(tmp_path)
    settings = Settings(sparsity=0.5, **{**GRAPH, "epochs": 2})
    sltpack.search("gin", name, folder=tmp_path / "run", **asdict(settings), width=0.05)
    own_graph(tmp_path, shift=4)
    with pytest.raises(RequestError) as caught:
        sltpack.search("gin", name, folder=tmp_path / "run", **asdict(settings), width=0.05, resume=True)
    assert str(caught.value) == (
        f"{tmp_path / 'run' / LAST}: expected the validation data that the run began with, found others; "
        "put the data back as they were, or choose another folder"
    )


def own_graph(folder: Path, shift: int = 0) -> str:
    """Writes a graph of 40 nodes, a quarter of which is in no part, and gives its name; `shift` moves validation."""
    part = torch.arange(40) % 4  # of which 3 is none
    validation = (part == 1) & (torch.arange(40) >= shift)
    tensors = {
        "edge_index": torch.randint(0, 40, (2, 90), generator=torch.Generator().manual_seed(0)),
        "x": torch.randn(40, 6, generator=torch.Generator().manual_seed(0)),
        "y": torch.where(part == 3, -1, torch.arange(40) % 3),
        "train_mask": part == 0,
        "val_mask": validation,
        "test_mask": part == 2,
    }
    save_file(tensors, folder / "own.safetensors")
    return f"graph:{folder / 'own.safetensors'}"


def test_a_row_for_each_node(found: Path, arxiv: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    result = score_on(found / "model.slt", "ogbn-arxiv", data_dir=arxiv, predictions=path, split="validation", limit=7)
    assert (result.count, result.run_on, result.unit) == (7, 600, "nodes")
    assert {name: part.count for name, part in result.parts.items()} == {"train": 324, "validation": 108, "test": 168}
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["index"]) for row in rows] == list(range(600))
    whole = whole_graph(data.load("ogbn-arxiv", arxiv).train)
    classes = predict(build(load(found / "model.slt")), whole)
    assert [int(row["predicted"]) for row in rows] == classes.tolist()
    test = data.load("ogbn-arxiv", arxiv).test
    assert isinstance(test, LabelledNodes)
    assert [index for index, row in enumerate(rows) if row["part"] == "test"] == test.index.tolist()
    assert rows[0]["label_name"].startswith("cs.")


def test_nodes_in_no_part_have_a_row_too(tmp_path: Path) -> None:
    name = own_graph(tmp_path)
    sltpack.search(
        "gin", name, folder=tmp_path / "run", **asdict(Settings(sparsity=0.5, **{**GRAPH, "epochs": 2})), width=0.05
    )
    score_on(tmp_path / "run" / BEST, name, predictions=tmp_path / "out.csv")
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["part"], row["label"], row["label_name"]) for row in rows[:4]] == [
        ("train", "0", "0"),
        ("validation", "1", "1"),
        ("test", "2", "2"),
        ("", "-1", ""),
    ]


def test_the_commands(arxiv: Path, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, [*words])
        assert done.exit_code == 0, done.output
        return done.output

    place = ("--data", "ogbn-arxiv", "--data-dir", str(arxiv))
    shares = ("--sparsity", "0.2", "--prune", "0", "--lock", "0.4", "--width", "0.1", "--epochs", "3")
    run("search", "--model", "gin", *place, *shares, "-o", str(tmp_path / "run"))
    run("pack", str(tmp_path / "run" / BEST), "-o", str(tmp_path / "m.slt"))
    account = json.loads(run("info", str(tmp_path / "m.slt"), "--json"))
    assert account["parts"]["buffers"] == 0
    assert (account["ratios"]["prune"], account["ratios"]["lock"]) == (0.0, 0.4)
    shown = run("infer", str(tmp_path / "m.slt"), *place)
    assert "on ogbn-arxiv (test): accuracy 0." in shown
    assert "\ntrain 0." in shown
    assert re.search(r"accuracy 0\.\d{4}, \d+ of 168\n", shown)
    assert "nodes a second" in shown
    told = json.loads(run("infer", str(tmp_path / "m.slt"), *place, "--json", "--split", "all"))
    assert told["nodes"] == 600
    assert set(told["splits"]) == {"train", "validation", "test"}


def test_what_does_not_fit(found: Path, arxiv: Path, tmp_path: Path) -> None:
    def refusal(kind: type[Exception], *arguments: Any, **others: Any) -> str:
        with pytest.raises(kind) as caught:
            score_on(*arguments, **others)
        return str(caught.value)

    remedy = "choose the data set that the ticket was searched on"
    assert refusal(MismatchError, "conv6-cifar10", "cora") == (
        f"cora: expected images as data, for model conv6, found a graph; {remedy}"
    )
    assert refusal(MismatchError, found / "model.slt", "digits") == (
        f"digits: expected a graph as data, for model gin, found images; {remedy}"
    )
    write(tmp_path / "arxiv", nodes=50, edges=100, features=9, classes=4)
    assert refusal(MismatchError, found / "model.slt", "ogbn-arxiv", data_dir=tmp_path) == (
        "ogbn-arxiv: expected a graph whose nodes have 32 features, found a graph whose nodes have 9 features; "
        + remedy
    )
    assert refusal(RequestError, "conv6-cifar10", "digits", split="validation") == (
        "--split: expected train or test or all, found validation; choose one of these"
    )
    with pytest.raises(MismatchError) as caught:
        classify_files(found / "model.slt", [Path("a.png")])
    assert str(caught.value) == (
        f"{found / 'model.slt'}: expected a ticket for images, found one for graphs; "
        "run it on one: infer FILE --data NAME"
    )
    for model, name, message in (
        ("gin", "digits", "model gin: expected a graph as data, found images; choose another --model or other --data"),
        (
            "conv2",
            "ogbn-arxiv",
            "model conv2: expected images as data, found a graph; choose another --model or other --data",
        ),
    ):
        with pytest.raises(RequestError) as wrong:
            sltpack.search(
                model, name, folder=tmp_path / "run", **asdict(Settings(sparsity=0.5, epochs=1)), data_dir=arxiv
            )
        assert str(wrong.value) == message
