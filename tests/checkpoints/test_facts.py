"""What a run notes reaches its ticket, and what an older or a damaged run did not note is left out."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sltpack import load
from sltpack.checkpoints.facts import Facts, facts_of_run, facts_of_ticket, note
from sltpack.checkpoints.packing import pack
from sltpack.checkpoints.reading import load as load_checkpoint
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet
from sltpack.data.sources import GRAPH_INPUT
from sltpack.errors import MismatchError
from sltpack.format.records import ImageInput, Result
from sltpack.inference.network import build
from sltpack.models.generated import predict_generated
from sltpack_cli.main import cli

DIGITS = ImageInput((0.0, 1.0), (0.3055,), (0.3759,), "cover")
OWN = """
from torch import nn

def net(classes, input_shape, width):
    size = input_shape[0] * input_shape[1] * input_shape[2]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, 40, bias=False), nn.ReLU(), nn.Linear(40, classes, bias=False)
    )
"""


def test_a_run_notes_what_its_ticket_needs(digits: DataSet) -> None:
    noted = {**note(digits), "data": "digits", "date": "2026-01-01", "sltpack": "0.1.0"}
    assert (noted["validation_count"], noted["test_count"]) == (287, 360)
    metrics = {"epoch": 3, "validation_accuracy": 200 / 287, "test_accuracy": 0.75, "outputs": [1] * 32}
    assert facts_of_run(noted, metrics) == Facts(
        DIGITS,
        tuple("0123456789"),
        (
            Result("digits", "validation", 0.696864, 287, 3, "2026-01-01", "0.1.0"),
            Result("digits", "test", 0.75, 360, 3, "2026-01-01", "0.1.0"),
        ),
        (1,) * 32,
    )


def test_a_run_that_noted_less_is_fed_as_its_data_always_are() -> None:
    assert facts_of_run({"data": "digits"}, {}) == Facts(DIGITS, tuple("0123456789"))
    assert facts_of_run({"data": "cora"}, {}).input == GRAPH_INPUT
    assert facts_of_run({}, {}) == Facts()
    assert facts_of_run({"data": "unheard-of"}, {}) == Facts()


@pytest.mark.parametrize("noted", ["{", "[]", '{"kind":"image"}', "[" * 9999])
def test_what_is_no_input_is_left_out(noted: str) -> None:
    assert facts_of_run({"data": "digits", "input": noted}, {}).input is None


@pytest.mark.parametrize("outputs", [None, "x", [1] * 31, [True] * 32, [-1] * 32, [1.0] * 32])
def test_what_are_no_outputs_are_left_out(outputs: Any) -> None:
    assert facts_of_run({}, {"outputs": outputs}).outputs == ()


@pytest.mark.parametrize("wrong", [{"date": "yesterday"}, {"test_count": -1}, {"test_count": "many"}])
def test_a_result_with_a_value_that_no_file_takes_is_left_out(wrong: dict[str, Any]) -> None:
    assert facts_of_run({"data": "digits", **wrong}, {"epoch": 1, "test_accuracy": 0.5}).results == ()


def test_data_of_somebodys_own_are_called_by_the_last_part_of_their_path() -> None:
    (result,) = facts_of_run({"data": "folder", "data_title": "photos"}, {"epoch": 1, "test_accuracy": 0.5}).results
    assert result.data == "folder:photos"


def test_a_ticket_has_the_facts_of_its_run(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    folder, found = run
    pack(folder / "ckpt.pt", tmp_path / "model.slt")
    ticket = load(tmp_path / "model.slt")
    assert facts_of_ticket(ticket) == found.facts()
    assert ticket.outputs == predict_generated(build(ticket), ticket.source.model, ticket.input)
    assert [(result.part, result.accuracy) for result in ticket.results] == [
        (part, round(found.metrics[f"{part}_accuracy"], 6)) for part in ("validation", "test")
    ]


def test_packing_notices_code_that_changed_since_the_search(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    changed = replace(run[1], metrics={**run[1].metrics, "outputs": [0] * 32})
    changed.save(tmp_path / "ckpt.pt")
    with pytest.raises(MismatchError, match="outputs: expected at least 30 of 32 generated inputs in the class"):
        pack(tmp_path / "ckpt.pt", tmp_path / "model.slt")
    assert not (tmp_path / "model.slt").exists()


def test_a_model_of_the_users_own_is_run_by_the_search_and_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke: Callable[..., Any] = CliRunner().invoke
    (tmp_path / "own_facts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    words = ["search", "--model", "own_facts:net", "--data", "digits", "--epochs", "1", "-o", "run"]
    assert invoke(cli, words).exit_code == 0
    outputs = load_checkpoint(Path("run/ckpt.pt")).metrics["outputs"]
    assert len(outputs) == 32
    assert invoke(cli, ["pack", "run/ckpt.pt", "-o", "unrun.slt"]).exit_code == 0
    assert invoke(cli, ["pack", "run/ckpt.pt", "-o", "run.slt", "--model", "own_facts:net"]).exit_code == 0
    assert load("unrun.slt").outputs == load("run.slt").outputs == tuple(outputs)

    for file in ("unrun.slt", "run/ckpt.pt"):
        found = invoke(cli, ["infer", file, "--data", "digits", "--model", "own_facts:net"])
        assert found.exit_code == 0, found.output
    verified = invoke(cli, ["verify", "unrun.slt", "--run", "--model", "own_facts:net"])
    assert verified.exit_code == 0 and "32 of 32 alike" in verified.output

    (tmp_path / "own_facts.py").write_text(OWN.replace("ReLU", "Tanh"))
    importlib.reload(importlib.import_module("own_facts"))
    for words in (
        ["infer", "unrun.slt", "--data", "digits"],
        ["infer", "run/ckpt.pt", "--data", "digits"],
        ["verify", "unrun.slt", "--run"],
        ["pack", "run/ckpt.pt", "-o", "late.slt"],
    ):
        found = invoke(cli, [*words, "--model", "own_facts:net"])
        assert found.exit_code == 1, words
        assert "the model's code has changed since the file was made" in found.output
    assert invoke(cli, ["verify", "unrun.slt"]).exit_code == 0  # the digests hold
