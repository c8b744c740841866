"""The search on real images: it learns, it repeats itself bit for bit, and it survives being stopped."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sltpack
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet, split
from sltpack.data.images.in_memory import Images
from sltpack.errors import DataError, FormatError, MismatchError, OutputError, RequestError, SltpackError
from sltpack.files import temporary_prefix
from sltpack.format.records import Source
from sltpack.inference.network import build
from sltpack.inference.prediction import accuracy, predict
from sltpack.locks import LOCK
from sltpack.models.layers import forget_statistics
from sltpack.searching import checks, keeper, steps
from sltpack.searching import runner as loop
from sltpack.searching.methods.search_method import kaiming_normal
from sltpack.searching.run_folder import BEST, LAST, LOG, METRICS
from sltpack.searching.runner import search
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import REMEMBERED, Stepper
from sltpack.stopping import Stopped

SourceMaker = Callable[..., Source]
SETTINGS = Settings(sparsity=0.5, epochs=2, batch_size=32, precision="float32")
CPU = torch.device("cpu")


def stopping_after(calls: int) -> Callable[..., torch.Tensor]:
    """A `predict` that is interrupted by Ctrl-C when it is called once more."""
    count = 0

    def interrupted(model: torch.nn.Module, images: Images, *sizes: int, **others: Any) -> torch.Tensor:
        nonlocal count
        count += 1
        if count > calls:
            raise KeyboardInterrupt
        return predict(model, images, *sizes, **others)

    return interrupted


@pytest.mark.parametrize(("init", "precision"), [("skc", "float32"), ("ku", "float32"), ("skc", "bfloat16")])
def test_a_search_finds_what_chance_does_not(tmp_path: Path, init: str, precision: str) -> None:
    settings = Settings(sparsity=0.5, epochs=4, batch_size=32, precision=precision)
    found = sltpack.search(
        "conv2", "digits", folder=tmp_path / "run", **asdict(settings), freeze=0.5, init=init, width=0.25
    )
    assert found.metrics["test_accuracy"] > 0.5
    history = found.metrics["history"]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_what_the_folder_holds(run: tuple[Path, Checkpoint]) -> None:
    folder, found = run
    best = torch.load(folder / BEST, weights_only=True)
    assert set(best) == {
        *("format", "version", "model", "init", "scale", "seeds", "ratios", "layers", "scores", "bits"),
        *("buffers", "settings", "metrics", "memory"),
    }
    assert best["scores"].shape == (found.source.searched,)
    assert set(best["bits"]) == {"kept"}
    kept = np.unpackbits(best["bits"]["kept"].numpy(), count=found.source.searched, bitorder="little").astype(bool)
    scores = best["scores"].abs().numpy()
    assert scores[kept].min() >= scores[~kept].max()
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert max(line["validation_accuracy"] for line in lines) == found.metrics["validation_accuracy"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS])


def test_the_same_call_gives_the_same_ticket(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    again = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    assert torch.equal(again.scores, run[1].scores)
    other = search(small_source(), few_digits, replace(SETTINGS, seed=1), tmp_path / "other", device=CPU)
    assert not torch.equal(other.scores, run[1].scores)


@pytest.mark.parametrize("whole_epochs", [0, 1])
def test_ctrl_c_leaves_a_usable_checkpoint_and_resume_gives_the_same_bits(
    run: tuple[Path, Checkpoint],
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole_epochs: int,
) -> None:
    noted = {name: run[1].settings[name] for name in ("data", "date", "sltpack")}
    with monkeypatch.context() as patched:
        patched.setattr(loop, "predict", stopping_after(whole_epochs))
        with pytest.raises(Stopped) as caught:
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=noted)
    assert str(caught.value) == (
        f"{tmp_path}: stopped by Ctrl-C after {whole_epochs} of 2 epochs; ckpt.pt holds the best so far; "
        "the same command with --resume goes on"
    )
    assert caught.value.exit_status == 130
    ticket = checkpoint_reader.load(tmp_path / BEST).ticket()
    assert ticket.source.kept == round(0.5 * ticket.source.size)
    resumed = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=noted, resume=True)
    assert torch.equal(resumed.scores, run[1].scores)
    assert resumed.metrics == run[1].metrics


def test_each_epoch_has_its_time_and_rate_and_the_log_goes_on(
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = time.time()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "predict", stopping_after(1))
        with pytest.raises(Stopped):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    (before,) = map(json.loads, (tmp_path / METRICS).read_text().splitlines())
    found = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert lines[0] == before
    for epoch, line in enumerate(lines, 1):
        assert line["rate"] == SETTINGS.rate(epoch / 2)
        assert 0 < line["seconds"] < 100
        assert begin - 1 < line["time"] < time.time() + 1
    assert "seconds" not in found.metrics and "time" not in found.metrics["history"][0]  # the same bits at any time
    told = [line.partition(" ")[2] for line in (tmp_path / LOG).read_text().splitlines()]
    without = [re.sub(r"\d\.\d{3,4}", "N", re.sub(r"[\d.]+ s\b", "T s", line)) for line in told]
    assert without == [
        "search: epochs 1 to 2",
        "epoch 1/2: loss N, training accuracy N, validation accuracy N, best N, T s, about T s left",
        "search: epochs 2 to 2",
        "epoch 2/2: loss N, training accuracy N, validation accuracy N, best N, T s",
        f"test accuracy N, of epoch {found.metrics['epoch']}",
    ]
    assert capsys.readouterr().err.splitlines() == [line for line in told if line.startswith("epoch")]


def test_evaluation_of_the_search_and_of_the_ticket_agree_on_every_image(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noting(model: torch.nn.Module, images: Images, *sizes: int, **others: Any) -> torch.Tensor:
        seen.append(predict(model, images, *sizes, **others))
        return seen[-1]

    monkeypatch.setattr(loop, "predict", noting)
    found = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    of_ticket = predict(build(checkpoint_reader.load(tmp_path / BEST).ticket()), few_digits.test)
    assert torch.equal(seen[-1], of_ticket)
    assert accuracy(of_ticket, few_digits.test.labels) == found.metrics["test_accuracy"]


def test_the_test_images_are_looked_at_once(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = run
    monkeypatch.setattr(loop, "predict", stopping_after(0))
    noted = {name: found.settings[name] for name in ("data", "date", "sltpack")}
    again = search(small_source(), few_digits, SETTINGS, folder, device=CPU, noted=noted, resume=True)
    assert again.metrics == found.metrics


@pytest.mark.parametrize("place", ["make_stepper", "_finish"])
def test_ctrl_c_before_and_after_the_epochs(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, place, interrupted)
        with pytest.raises(Stopped):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    assert checkpoint_reader.load(tmp_path / BEST).ticket().source.sparsity == pytest.approx(0.5, abs=1e-3)
    assert "test_accuracy" in search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True).metrics


def test_a_best_ticket_that_is_gone(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    shutil.copy(run[0] / LAST, tmp_path)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert str(caught.value) == (
        f"{tmp_path / BEST}: expected the best state so far, found no such file; put it back, or choose another folder"
    )


@pytest.mark.parametrize("fate", ["gone", "cut"])
@pytest.mark.parametrize("name", [BEST, LAST])
def test_a_checkpoint_that_cannot_be_gone_on_from(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, name: str, fate: str
) -> None:
    for file in (BEST, LAST):
        shutil.copy(run[0] / file, tmp_path)
    if fate == "gone":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes((run[0] / name).read_bytes()[:2000])
    noted = {key: run[1].settings[key] for key in ("data", "date", "sltpack")}
    with pytest.raises(SltpackError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=noted, resume=True)
    where, remedy = str(caught.value).split(": expected ")[0], str(caught.value).partition("; ")[2]
    assert where == str(tmp_path / name)
    damaged = "the file is damaged; " if fate == "cut" else ""
    assert remedy == damaged + "put it back, or choose another folder" + (
        ": this run cannot go on; ckpt.pt holds the best so far" if name == LAST else ""
    )


def test_the_rate_falls_along_a_cosine() -> None:
    assert SETTINGS.rate(0) == SETTINGS.learning_rate == 0.1
    assert SETTINGS.rate(1 / 3) == pytest.approx(0.075)
    assert SETTINGS.rate(0.5) == pytest.approx(0.05)
    assert SETTINGS.rate(1) == pytest.approx(0.0, abs=1e-17)


def test_the_rates_of_the_steps_go_on_over_a_stop(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    step = torch.optim.SGD.step

    def noting(optimizer: torch.optim.SGD, *_: object) -> None:
        seen.append(optimizer.param_groups[0]["lr"])
        step(optimizer)

    def stopped(_: Path, history: list[dict[str, float]]) -> None:
        if history:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "write_metrics", stopped)
        with pytest.raises(Stopped):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert seen == [SETTINGS.rate(number / 16) for number in range(16)]


def test_the_first_of_equally_good_epochs_is_kept(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_accuracy", lambda *_, **__: 0.5)
    assert search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU).metrics["epoch"] == 1


def test_ctrl_c_in_the_first_epoch_keeps_what_it_found(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    gradients = Stepper._gradients

    def stopped(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > 3:
            raise KeyboardInterrupt
        return gradients(*arguments)

    monkeypatch.setattr(Stepper, "_gradients", stopped)
    with pytest.raises(Stopped):
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    begun = checkpoint_reader.load(tmp_path / BEST)
    assert not torch.equal(begun.scores, kaiming_normal(small_source(), SETTINGS.seed))
    assert torch.equal(checkpoint_reader.load(tmp_path / LAST).scores, kaiming_normal(small_source(), SETTINGS.seed))


def test_a_kill_between_the_first_two_checkpoints(
    run: tuple[Path, Checkpoint],
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = Checkpoint.save
    saved = []

    def killed(checkpoint: Checkpoint, path: Path) -> None:
        if saved:
            raise MemoryError
        saved.append(path)
        save(checkpoint, path)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", killed)
        with pytest.raises(MemoryError):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    resumed = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert torch.equal(resumed.scores, run[1].scores)


def test_a_full_disk_in_the_first_epoch_takes_nothing_away(
    run: tuple[Path, Checkpoint],
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: Path, history: list[dict[str, float]]) -> None:
        if history:
            raise OutputError("metrics", expected="room", found="none", remedy="make some")

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "write_metrics", full)
        with pytest.raises(OutputError):
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    assert checkpoint_reader.load(tmp_path / LAST).metrics["epoch"] == 1
    resumed = search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert torch.equal(resumed.scores, run[1].scores)


def test_a_search_without_momentum(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    settings = replace(SETTINGS, momentum=0.0)
    found = search(small_source(), few_digits, settings, tmp_path, device=CPU)
    again = search(small_source(), few_digits, settings, tmp_path, device=CPU, resume=True)
    assert again.metrics == found.metrics


def test_what_a_killed_search_left_behind(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    folder, found = run
    for name in (BEST, LAST, METRICS):
        shutil.copy(folder / name, tmp_path)
    first, last = (tmp_path / METRICS).read_text().splitlines()
    (tmp_path / METRICS).write_text(f"{first}\n")
    (tmp_path / f"{temporary_prefix(METRICS)}abc.part").write_text("half")
    noted = {name: found.settings[name] for name in ("data", "date", "sltpack")}
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=noted, resume=True)
    again = (tmp_path / METRICS).read_text().splitlines()
    # How long the other epoch took is lost.
    measured = {name: value for name, value in json.loads(last).items() if name not in ("seconds", "time")}
    assert (again[0], json.loads(again[1])) == (first, measured)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([LOCK, BEST, LAST, METRICS])


def test_files_of_another_search_are_refused_on_resume(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    search(small_source("ku"), few_digits, SETTINGS, tmp_path / "other", device=CPU)
    shutil.copy(run[0] / LAST, tmp_path)
    shutil.copy(tmp_path / "other" / BEST, tmp_path)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert str(caught.value).startswith(f"{tmp_path / BEST}: init: expected 'skc', as this call has it, found 'ku'; ")
    shutil.copy(run[0] / BEST, tmp_path)
    shutil.copy(run[0] / BEST, tmp_path / LAST)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert str(caught.value) == (
        f"{tmp_path / LAST}: what the optimizer remembers: expected momentum_buffer, found nothing; put the right file "
        "back, or choose another folder"
    )


def test_a_folder_in_use_is_refused(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker
) -> None:
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, run[0], device=CPU)
    assert str(caught.value) == (
        f"{run[0]}: expected a folder without a run, found one with checkpoints; go on with --resume, or choose "
        "another folder"
    )


def test_other_options_on_resume_are_refused(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker
) -> None:
    folder, found = run
    noted = {name: found.settings[name] for name in ("data", "date", "sltpack")}
    for source, settings, name, ours, theirs in (
        (small_source(), replace(SETTINGS, epochs=5), "epochs", "5", "2"),
        (small_source("ku"), SETTINGS, "init", "'ku'", "'skc'"),
    ):
        with pytest.raises(RequestError) as caught:
            search(source, few_digits, settings, folder, device=CPU, noted=noted, resume=True)
        assert str(caught.value) == (
            f"{folder / LAST}: {name}: expected {ours}, as this call has it, found {theirs}; resume with the options, "
            "data and model that it began with, or choose another folder"
        )


def test_other_pictures_on_resume_are_told_in_words(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    noted = {"train_sha256": "0" * 64, "test_sha256": "1" * 64}
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=noted)
    for name, words in (("train_sha256", "training data"), ("test_sha256", "test data")):
        changed = {**noted, name: "2" * 64}
        with pytest.raises(RequestError) as caught:
            search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, noted=changed, resume=True)
        assert str(caught.value) == (
            f"{tmp_path / LAST}: expected the {words} that the run began with, found others; put the data back as they "
            "were, or choose another folder"
        )


def test_a_run_of_an_older_version_is_told_as_such(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    values = torch.load(tmp_path / LAST, weights_only=True)
    torch.save({**values, "version": 2}, tmp_path / LAST)
    with pytest.raises(FormatError) as unread:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert str(unread.value) == (
        f"{tmp_path / LAST}: expected version 3 or 4 of the checkpoint, found version 2; use the sltpack that wrote it"
    )
    torch.save({**values, "settings": {"epochs": 2, "sparsity": 0.5, "seed": 0}}, tmp_path / LAST)
    with pytest.raises(RequestError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU, resume=True)
    assert str(caught.value) == (
        f"{tmp_path / LAST}: expected a run of this version of sltpack, found one of an older version, which knew no "
        "batch_size; its ckpt.pt can be packed or run; begin again in another folder"
    )


@pytest.mark.parametrize("name", ["split_seed", "order_seed", "augmentation_seed", "score_seed"])
@pytest.mark.parametrize("begun", [None, 7])
def test_a_seed_that_is_the_one_of_all_is_the_same_on_resume(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, name: str, begun: int | None
) -> None:
    one_epoch = replace(SETTINGS, epochs=1, seed=7)
    first = search(small_source(), few_digits, replace(one_epoch, **{name: begun}), tmp_path, device=CPU)
    for value in (None, 7):
        settings = replace(one_epoch, **{name: value})
        again = search(small_source(), few_digits, settings, tmp_path, device=CPU, resume=True)
        assert again.metrics == first.metrics
    with pytest.raises(RequestError, match=f": {name}: expected 8, as this call has it, found 7; resume with"):
        search(small_source(), few_digits, replace(one_epoch, **{name: 8}), tmp_path, device=CPU, resume=True)


def test_resume_begins_where_there_is_nothing_to_go_on_from(
    run: tuple[Path, Checkpoint], few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    resumed = search(small_source(), few_digits, SETTINGS, tmp_path / "new", device=CPU, resume=True)
    assert torch.equal(resumed.scores, run[1].scores)


def test_a_loss_that_is_no_number(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    broken = replace(
        few_digits, train=replace(few_digits.train, input=replace(few_digits.train.input, deviation=(0.0,)))
    )
    with pytest.raises(SltpackError) as caught:
        search(small_source(), broken, SETTINGS, tmp_path, device=CPU)
    assert str(caught.value) == (
        "epoch 1: expected a finite loss and finite numbers in all that is trained, found a loss of nan and numbers of up "
        "to nan; try a lower --learning-rate or --precision float32"
    )
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_loss_that_is_no_number_later(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checks.require_finite

    def broken(epoch: int, loss: float, parameters: Any) -> None:
        before(epoch, loss if epoch == 0 else float("nan"), parameters)

    monkeypatch.setattr(loop, "require_finite", broken)
    with pytest.raises(SltpackError) as caught:
        search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)
    assert str(caught.value).startswith("epoch 2: expected a finite loss and ")
    assert str(caught.value).endswith(
        "; try a lower --learning-rate or --precision float32 in another folder; ckpt.pt in this one holds the best of "
        "the epochs before"
    )
    assert checkpoint_reader.load(tmp_path / BEST).metrics["epoch"] == 1


def test_scores_that_are_no_numbers_are_not_saved(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    with pytest.raises(
        SltpackError, match=r"^epoch 1: expected a finite loss and finite numbers in all that is trained, found "
    ):
        search(small_source(), few_digits, replace(SETTINGS, learning_rate=1e38), tmp_path, device=CPU)
    # Nothing is left that would pass for a result, and what the error says can be done in the same folder.
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    search(small_source(), few_digits, SETTINGS, tmp_path, device=CPU)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        ("nn.Linear(64, classes, bias=False, device='meta')", "a weight or buffer without memory"),
        (
            "nn.Linear(64, next(SIZES), bias=False), nn.Linear(9, classes, bias=False)",
            "other layers than the time before",
        ),
        (
            "nn.Linear(64, classes, bias=False), filled(nn.BatchNorm1d(classes, affine=False))",
            "a buffer with NaN or infinity",
        ),
    ],
)
def test_builders_that_give_no_usable_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: str, found: str
) -> None:
    name = f"faulty_{abs(hash(found))}"
    (tmp_path / f"{name}.py").write_text(
        "import itertools\nfrom torch import nn\n\nSIZES = itertools.count(9)\n\n"
        "def filled(norm):\n    norm.running_var.fill_(float('nan'))\n    return norm\n\n"
        f"def build(width, classes, input_shape):\n    return nn.Sequential(nn.Flatten(), {make})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError) as caught:
        sltpack.search(f"{name}:build", "digits", folder=tmp_path / "run", **asdict(SETTINGS))
    assert str(caught.value) == (
        f"model {name}:build: expected a builder that makes the same finite model each time, found {found}; fix the builder"
    )
    assert not (tmp_path / "run").exists()


def test_layers_that_a_file_could_not_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spaced_model.py").write_text(
        "from torch import nn\n\ndef build(width, classes, input_shape):\n    model = nn.Sequential(nn.Flatten())\n"
        "    model.add_module('the last', nn.Linear(64, classes, bias=False))\n    return model\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError) as caught:
        sltpack.search("spaced_model:build", "digits", folder=tmp_path / "run", **asdict(SETTINGS))
    assert str(caught.value) == (
        "layer the last: expected a name of 1 to 256 characters without spaces, found 'the last'; rename the layer in the "
        "model"
    )


def test_a_batch_too_small_for_batch_norm(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        search(small_source(model="resnet18"), few_digits, replace(SETTINGS, batch_size=1), tmp_path, device=CPU)
    assert str(caught.value).startswith(
        "a step with 1 images or nodes: expected a model that can be trained on them, found ValueError: Expected more than 1 value"
    )
    assert "; choose another --batch-size or model" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, found 0; choose another"),
        ({"batch_size": 0}, "batch_size: expected at least 1, found 0; choose another"),
        ({"sparsity": float("nan")}, "sparsity: expected a share in 0..1, found nan; choose another"),
        (
            {"learning_rate": float("nan")},
            "learning_rate: expected a finite number above 0, found nan; choose another",
        ),
        ({"momentum": 1.0}, "momentum: expected a number from 0 to below 1, found 1.0; choose another"),
        (
            {"weight_decay": float("inf")},
            "weight_decay: expected a finite number from 0 on, found inf; choose another",
        ),
        ({"seed": -1}, "seed: expected an integer in 0..2^64 - 1, found -1; choose another"),
        ({"precision": "fp8"}, "precision: expected auto, float32 or bfloat16, found fp8; choose another"),
    ],
)
def test_settings_out_of_range(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        replace(SETTINGS, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "xavier"}, "init: expected ku or skc, found xavier; choose another"),
        ({"scale": "x"}, "scale: expected none, layer or global, found x; choose another"),
        ({"ratios": "x"}, "ratios: expected epl or erk, found x; choose another"),
        (
            {"weight_seed": 2**64},
            f"weight_seed: expected an integer in 0..2^64 - 1, found {2**64}; choose another",
        ),
        ({"freeze": 2.0}, "freeze: expected a share in 0..1, found 2.0; choose another"),
        (
            {"max_weights": 1000},
            "model conv2: expected at most 1000 weights, found 367680; lower `width`, or allow as many (`max_weights` "
            "367680)",
        ),
    ],
)
def test_calls_from_python_are_checked(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        sltpack.search("conv2", "digits", folder=str(tmp_path / "run"), **asdict(SETTINGS), **options)
    assert str(caught.value) == message
    assert not (tmp_path / "run").exists()


def test_images_that_do_not_fit(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    wide = replace(few_digits, train=replace(few_digits.train, pixels=few_digits.train.pixels.repeat(1, 1, 2, 1)))
    with pytest.raises(MismatchError, match=r"^model conv2: expected images of shape \[1, 8, 8\]"):
        search(small_source(), wide, SETTINGS, tmp_path, device=CPU)
    few = replace(few_digits, train=few_digits.train.take(slice(0, 4)))
    with pytest.raises(DataError) as caught:
        search(small_source(), few, SETTINGS, tmp_path, device=CPU)
    assert str(caught.value) == (
        "data: expected at least 5 images to train and validate and one to test, found 4 and 100; add images"
    )


def test_a_sparsity_out_of_reach(few_digits: DataSet, small_source: SourceMaker, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^sparsity: expected 0\.25"):
        search(small_source(), few_digits, replace(SETTINGS, sparsity=0.9), tmp_path, device=CPU)
    assert not list(tmp_path.iterdir())


PARTIAL = """
import torch
from torch import nn

class Partial(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Linear(64, 64, bias=False)
        self.last = nn.Linear(64, classes, bias=False)

    def forward(self, x):
        hidden = x.flatten(1)
        {forward}

def build(width, classes, input_shape):
    return Partial(classes).requires_grad_({trained})
"""
WHOLE_FORWARD = "return self.last(torch.relu(self.first(hidden)))"


def partial_model(folder: Path, monkeypatch: pytest.MonkeyPatch, forward: str, trained: bool = True) -> str:
    """Write a model of the user's own, and return its name."""
    (folder / "partial_model.py").write_text(PARTIAL.format(forward=forward, trained=trained))
    monkeypatch.delitem(sys.modules, "partial_model", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    return "partial_model:build"


@pytest.mark.parametrize(
    ("forward", "missing"),
    [
        ("return self.last(hidden)", "first (Linear)"),
        ("return self.last(self.first(hidden).detach())", "first (Linear)"),
        ("with torch.no_grad(): hidden = self.first(hidden)\n        return self.last(hidden)", "first (Linear)"),
        (f"with torch.no_grad(): {WHOLE_FORWARD}", "first (Linear), last (Linear)"),
    ],
)
@pytest.mark.parametrize("call", [sltpack.search, sltpack.train])
def test_a_layer_that_no_gradient_reaches_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any, forward: str, missing: str
) -> None:
    settings = SETTINGS if call is sltpack.search else TrainingSettings(epochs=1, batch_size=64, precision="float32")
    model = partial_model(tmp_path, monkeypatch, forward)
    with pytest.raises(RequestError) as caught:
        call(model, "digits", folder=tmp_path / "run", **asdict(settings))
    assert str(caught.value) == (
        "model Partial: expected a loss whose gradient reaches every Conv2d and Linear layer in the first step, found none at "
        f"{missing}; use each layer in the forward pass, without torch.no_grad() or detach(), or leave it out"
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_random_supermasks_need_no_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = partial_model(tmp_path, monkeypatch, f"with torch.no_grad(): {WHOLE_FORWARD}")
    sltpack.search(model, "digits", folder=tmp_path / "run", **asdict(replace(SETTINGS, method="random")))


def test_weights_that_were_built_not_to_be_trained_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As published code of tickets builds them."""
    found = []
    for trained in (True, False):
        model = partial_model(tmp_path, monkeypatch, WHOLE_FORWARD, trained)
        found.append(sltpack.search(model, "digits", folder=tmp_path / f"{trained}", **asdict(SETTINGS)))
    assert torch.equal(found[0].scores, found[1].scores)
    assert not torch.equal(found[1].scores, kaiming_normal(found[1].source, 0))


def test_a_batch_too_small_for_random_supermasks_too(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, batch_size=1, method="random")
    with pytest.raises(
        RequestError, match=r"^a step with 1 images or nodes: expected a model that can be trained on them"
    ):
        search(small_source(model="resnet18"), few_digits, settings, tmp_path, device=CPU)


def test_random_supermasks_have_statistics_of_their_own(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    """The second of two draws is the same whether the first was made or not."""
    settings = replace(SETTINGS, method="random")
    both = search(small_source(model="resnet18"), few_digits, settings, tmp_path / "both", device=CPU)
    last = checkpoint_reader.load(tmp_path / "both" / LAST)
    assert both.metrics["history"]
    random = build(last.ticket())
    forget_statistics(random)
    random.train()
    train, _ = split(few_digits.train, 0)
    shuffled = np.random.default_rng([0, 2, 1]).permutation(len(train))[: len(train) // 32 * 32]
    with torch.no_grad():
        for images, _ in train.training_batches(shuffled, 32, [0, 4, 1]):
            random(images)
    for name, buffer in random.named_buffers():
        if buffer.is_floating_point():
            torch.testing.assert_close(buffer, last.buffers[name], rtol=1e-5, atol=1e-6)


def test_of_a_step_that_fails_the_first_line_is_told(
    few_digits: DataSet, small_source: SourceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("InvalidCxxCompiler: none\n\nSet TORCHDYNAMO_VERBOSE=1 for more\n")

    monkeypatch.setattr(steps.functional, "cross_entropy", failing)
    monkeypatch.setattr(torch, "compile", lambda network: network)
    for compiled, remedy in (
        (True, "leave --compile out, or install a C++ compiler"),
        (False, "choose another --batch-size or model"),
    ):
        with pytest.raises(RequestError) as caught:
            search(small_source(), few_digits, replace(SETTINGS, compiled=compiled), tmp_path, device=CPU)
        assert str(caught.value) == (
            "a step with 32 images or nodes: expected a model that can be trained on them, found RuntimeError: InvalidCxxCompiler: "
            f"none; {remedy}"
        )


def test_compiled_steps_find_the_same(
    run: tuple[Path, Checkpoint],
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Traced as always, but run without the C++ compiler that a machine may lack.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    found = search(small_source(), few_digits, replace(SETTINGS, compiled=True), tmp_path, device=CPU)
    assert torch.allclose(found.scores, run[1].scores, atol=1e-4)
    assert found.settings["compiled"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_what_the_optimizer_remembers_goes_on(
    few_digits: DataSet,
    small_source: SourceMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
) -> None:
    def stopped(_: Path, history: list[dict[str, float]]) -> None:
        if history:
            raise KeyboardInterrupt

    settings = replace(SETTINGS, optimizer=optimizer)
    whole = search(small_source(), few_digits, settings, tmp_path / "whole", device=CPU)
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "write_metrics", stopped)
        with pytest.raises(Stopped):
            search(small_source(), few_digits, settings, tmp_path / "parts", device=CPU)
    parts = search(small_source(), few_digits, settings, tmp_path / "parts", device=CPU, resume=True)
    assert torch.equal(parts.scores, whole.scores)
    assert parts.metrics == whole.metrics
    ends = [checkpoint_reader.load(tmp_path / name / LAST).memory for name in ("whole", "parts")]
    assert set(ends[0]) == set(REMEMBERED[optimizer])
    for name, values in ends[0].items():
        assert torch.equal(ends[1][name], values)
