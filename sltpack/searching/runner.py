"""The loop that searches and trains: epochs of steps, the best of them kept, and a way back in after any stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from ..checkpoints.facts import OUTPUTS
from ..checkpoints.reading import load_kind
from ..checkpoints.records import KINDS, Checkpoint, Kept, TrainedNetwork
from ..data.dataset import DataSet, Labelled
from ..errors import OutputError, RequestError, SltpackError
from ..files import make_folder
from ..format import records as headers
from ..format.records import MAX_WEIGHTS, Source
from ..inference.devices import multiplies_bfloat16
from ..inference.prediction import BATCH_SIZE, evaluating, predict
from ..locks import locked
from ..models import AnyBuilder, build, try_out
from ..models.generated import is_small, predict_generated
from ..models.layers import buffers, channels_last, count_batches, restore_buffers, searchable
from ..progress import Bar, Log, bar, say
from ..source.network import searched_kept
from ..stopping import Stopped
from .batches import AUTO, batch_size_for, explained
from .checks import require_finite, require_finite_buffers, require_fitting, require_real
from .distributed.team import ALONE, Team
from .events import Events, require_tensorboard
from .keeper import Keeper
from .methods.method import Method
from .methods.table import METHODS
from .methods.weight_training import WeightTraining
from .reporting import notes, of_epoch
from .run import Place, Run, go_back, state_of, steps_of
from .run_folder import BEST, LAST, LOG, forget, in_words, is_begun, load_last, require_own_files, require_unused
from .settings import Settings, TrainingSettings
from .steps import make_stepper

AnySettings = TypeVar("AnySettings", bound=TrainingSettings)

_NOTHING_MEASURED: Mapping[str, Any] = {"epoch": 0, "validation_accuracy": None, "history": []}
_REPORT_EVERY = 10
"""Steps between two looks at the loss, which wait for the device."""
_SLOW = 1.0
"""Seconds after which steps are counted without such a look."""


def search(
    source: Source,
    data: DataSet,
    settings: Settings,
    folder: Path,
    *,
    device: torch.device,
    noted: Mapping[str, Any] | None = None,
    builder: AnyBuilder | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    team: Team = ALONE,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> Checkpoint:
    """Search a ticket.

    Args:
        source: the source network.
        data: what trains, what validates, or else a fifth of the former, and the test part, which is looked at once, at
            the end.
        settings: of the search.
        folder: where the checkpoints and metrics go; made where it is missing.
        device: where the work is done.
        noted: plain values that the checkpoint keeps beside the settings, such as the name of the data.
        builder: "package.module:function" where the model is not one of sltpack's.
        resume: whether to go on from the folder's last checkpoint, or begin where there is none.
        tensorboard: whether to write event files for TensorBoard too.
        team: the processes that share the work.
        on_epoch: is called after each epoch with what it measured, in the first of the processes.

    Returns:
        The checkpoint of the best validation accuracy, with its test accuracy.

    Raises:
        RequestError: the sparsity cannot be reached, the folder holds a run already, or one of other settings.
        MismatchError: the data do not fit the model.
        DataError: there are too few.
        SltpackError: the loss is no longer a number.
        Stopped: by Ctrl-C or a signal; a usable checkpoint is left.
    """
    model, method = ready_search(source, data, settings, device, builder)
    place = Place(folder, device, resume, tensorboard, team, on_epoch)
    found = _run(data, settings, place, noted or {}, model, method)
    assert isinstance(found, Checkpoint)
    return found


def ready_search(
    source: Source, data: DataSet, settings: Settings, device: torch.device, builder: AnyBuilder | None
) -> tuple[nn.Module, Method]:
    """Set up what a search moves.

    Args:
        source: as for `search`, and so are all others.
        data: the data.
        settings: of the search.
        device: where the work is done.
        builder: of a model of the user's own.

    Returns:
        The model, and its scores where the search begins.

    Raises:
        SltpackError: the sparsity cannot be reached, or the data do not fit the model.
    """
    searched_kept(source, settings.sparsity)  # or an error, before anything is built
    model = ready_model(source, data, device, builder)
    return model, METHODS[settings.method].load()(model, source, settings, device)


def train(
    source: Source,
    data: DataSet,
    settings: TrainingSettings,
    folder: Path,
    *,
    device: torch.device,
    noted: Mapping[str, Any] | None = None,
    builder: AnyBuilder | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    team: Team = ALONE,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> TrainedNetwork:
    """Train the weights of a source network, with all else as in a search.

    Args:
        source: the source network, nothing in it frozen.
        data: as for `search`, and so are all others.
        settings: of the training.
        folder: where the network and metrics go.
        device: where the work is done.
        noted: plain values to keep beside the settings.
        builder: "package.module:function" where the model is not one of sltpack's.
        resume: whether to go on.
        tensorboard: whether to write event files.
        team: the processes that share the work.
        on_epoch: is called after each epoch with what it measured, in the first of the processes.

    Returns:
        The network of the best validation accuracy, with its test accuracy.

    Raises:
        SltpackError: as `search`.
    """
    model = ready_model(source, data, device, builder)
    method = WeightTraining(model, source)
    place = Place(folder, device, resume, tensorboard, team, on_epoch)
    found = _run(data, settings, place, noted or {}, model, method)
    assert isinstance(found, TrainedNetwork)
    return found


def ready_model(source: Source, data: DataSet, device: torch.device, builder: AnyBuilder | None) -> nn.Module:
    """Build a model on its device, and make sure that it can be searched on the data.

    Args:
        source: as for `search`, and so are all others.
        data: the data.
        device: where the work is done.
        builder: of the user's own model.

    Returns:
        The model, in its builder's own state.

    Raises:
        SltpackError: it does not fit the data, or cannot be searched.
    """
    require_fitting(source, data)
    model = build(source.model, builder)
    require_real(model, source)
    for weight in searchable(model).values():
        weight.requires_grad_(
            True
        )  # whatever its builder said: published code draws weights that are not to be trained
    model = channels_last(model.to(device))
    try_out(model, source.model)
    return model


def settle(settings: AnySettings, data: DataSet, device: torch.device) -> AnySettings:
    """Choose the batch size and the precision where they are left to sltpack.

    Args:
        settings: of a run.
        data: the data.
        device: that computes.

    Returns:
        The settings, nothing in them "auto".
    """
    if settings.batch_size == AUTO:
        settings = replace(settings, batch_size=batch_size_for(data.training_size))
    if settings.precision != "auto":
        return settings
    # A graph has few nodes that train, and its network products that are sparse, in float32 in any case.
    half = len(data.train.shape) == 3 and multiplies_bfloat16(device)
    return replace(settings, precision="bfloat16" if half else "float32")


def _run(
    data: DataSet,
    settings: TrainingSettings,
    place: Place,
    noted: Mapping[str, Any],
    model: nn.Module,
    method: Method,
) -> Kept:
    with ExitStack() as lock:
        return _run_locked(data, settings, place, noted, model, method, lock)


def _run_locked(
    data: DataSet,
    settings: TrainingSettings,
    place: Place,
    noted: Mapping[str, Any],
    model: nn.Module,
    method: Method,
    lock: ExitStack,
) -> Kept:
    team, folder, device, source = place.team, place.folder, place.device, method.source
    chosen, settings = settings.batch_size, settle(settings, data, device)
    assert not isinstance(settings.batch_size, str)
    everything = {**asdict(settings), **noted}
    alike = {**headers.source_parts(source), **everything}
    team.require_same({in_words(name): value for name, value in alike.items() if name != "date"})
    _require_share(team, settings.batch_size, data.training_size)

    began_here, best = False, _NOTHING_MEASURED

    def begun() -> Kept:
        nonlocal began_here, best
        if place.tensorboard:
            require_tensorboard()
        make_folder(folder)
        lock.enter_context(locked(folder))  # of the leader's, which alone writes there
        require_own_files(folder)
        if place.resume and is_begun(folder):
            last, best = load_last(folder, loader(method), source, everything, buffers(model))
            return last
        require_unused(folder)
        began_here = True
        start = state_of(method, model, everything, dict(_NOTHING_MEASURED), {})
        for name in (LAST, BEST):
            start.save(folder / name)
        return start

    start = team.from_leader(begun)
    # Not before the folder is this run's: an error is the only line that it prints.
    if chosen == AUTO and settings.batch_size and (line := explained(settings.batch_size, data.training_size)):
        say(line)
    history = list(start.metrics["history"])
    try:
        restore_buffers(model, start.buffers)
        memory = go_back(method, start)
        seed = settings.seed_of("split")
        training, validation = (part.to(device) for part in data.of_training(seed))
        network = team.join(model, data.train.shape)
        if settings.compiled:
            network = torch.compile(network)  # type: ignore[assignment]
        steps = len(history) * steps_of(settings, training)
        count_batches(model, steps)
        stepper = make_stepper(network, method, settings, memory, steps)
        run = Run(settings, everything, place, training, validation, model, stepper)
        _epochs(run, history, best)
        return _finish(run, data.test)
    except SltpackError as error:
        # A full disk takes nothing away: once there is room, --resume goes on.
        if began_here and not history and not isinstance(error, OutputError):
            forget(folder)
        raise
    except KeyboardInterrupt as error:
        raise Stopped(
            folder,
            error,
            done=f"after {len(history)} of {settings.epochs} epochs",
            remedy=f"{BEST} holds the best so far; the same command with --resume goes on",
        ) from error


def _epochs(run: Run, history: list[dict[str, float]], best: Mapping[str, Any]) -> None:
    total = run.settings.epochs
    keeper = Keeper(run, history, best)
    events = Events(run.place.folder if run.place.tensorboard and run.team.leads else None, history)
    log = Log(run.place.folder / LOG) if run.team.leads else None
    try:
        if log is not None and len(history) < total:
            log.write(f"{run.name}: epochs {len(history) + 1} to {total}")
        with bar(run.name, run.steps * total, run.steps * len(history), log) as running:
            for epoch in range(len(history), total):
                begin = time.monotonic()
                trained = _epoch(run, epoch, running, keeper.best if history else None)
                require_finite_buffers(epoch, run.model)
                measured = {
                    "epoch": epoch + 1,
                    **trained,
                    "validation_accuracy": _accuracy(run, run.validation),
                    "rate": run.settings.rate((epoch + 1) / total) if run.method.learns else 0.0,
                }
                seconds = time.monotonic() - begin
                keeper.note(measured, seconds)
                events.add(measured)
                running.tell(*of_epoch(measured, total, keeper.best, seconds))
                if run.place.on_epoch is not None and run.team.leads:
                    run.place.on_epoch(measured)
    except (KeyboardInterrupt, SltpackError) as error:
        if history:
            keeper.write()
        elif run.team.leads and isinstance(error, KeyboardInterrupt) and not keeper.has_measured:
            _save_begun(run)
        raise


def _save_begun(run: Run) -> None:
    """Keep what the first epoch has found so far: better than what it began with."""
    run.method.apply()  # the interruption may have come between the scores and the weights
    if all(bool(torch.isfinite(parameter).all()) for parameter in run.method.parameters):
        started = run.state(dict(_NOTHING_MEASURED))
        started.save(run.place.folder / BEST)


def _epoch(run: Run, epoch: int, running: Bar, best: float | None) -> dict[str, float]:
    settings, steps, device = run.settings, run.steps, run.place.device
    # Every epoch has its own sources of chance, so that a run can go on from any of them.
    shuffled = np.random.default_rng([settings.seed_of("order"), 2, epoch]).permutation(len(run.train))
    chance = [settings.seed_of("augmentation"), 4, epoch]
    # sltpack draws nothing from torch; a model of the user's own, with dropout, may.
    torch.manual_seed(int(np.random.default_rng([settings.seed, 3, epoch, run.team.share.index]).integers(2**63)))
    run.method.begin_epoch(epoch)
    losses, right = torch.zeros((), device=device), torch.zeros((), device=device)
    measured, reported, looked = {"loss": math.inf, "train_accuracy": 0.0}, 0, time.monotonic()
    run.stepper.network.train()
    batches = run.train.training_batches(shuffled[: steps * run.batch_size], run.batch_size, chance, run.team.share)
    for step, (batch, labels) in enumerate(batches):
        scores, loss = run.stepper.step(batch, labels, (epoch * steps + step) / (settings.epochs * steps))
        losses += loss
        right += (scores.argmax(1) == labels).sum()
        done = step + 1
        if done % _REPORT_EVERY == 0 or done == steps:
            measured = _measured(run, losses, right, done)
            require_finite(epoch, measured["loss"], run.method.parameters)
            running.advance(done - reported, *notes(epoch + 1, settings.epochs, measured, best))
            reported, looked = done, time.monotonic()
        elif time.monotonic() - looked > _SLOW:
            running.advance(done - reported)
            reported, looked = done, time.monotonic()
    run.method.settle()
    return measured


def _measured(run: Run, losses: torch.Tensor, right: torch.Tensor, steps: int) -> dict[str, float]:
    loss, of_right = run.team.sum(torch.stack([losses, right])).tolist()
    processes = run.team.share.count
    return {"loss": loss / steps / processes, "train_accuracy": of_right / (steps * run.batch_size)}


def _accuracy(run: Run, part: Labelled, note: str | None = None) -> float:
    """Return the share of right predictions, each process having looked at its share."""
    own = part.take(run.team.share.of(len(part)))
    size = min(run.batch_size // run.team.share.count, BATCH_SIZE)
    classes = predict(run.model, own, size, note=note)
    right = (classes == own.labels.cpu()).sum().to(run.place.device)
    return int(run.team.sum(right)) / len(part)


def loader(method: Method) -> Callable[[Path], Kept]:
    """Return what reads a state of a method, and refuses other states."""
    limit = max(method.source.size, MAX_WEIGHTS)
    return lambda path: load_kind(path, KINDS[method.holds], limit)


def _require_share(team: Team, batch_size: int | None, count: int) -> None:
    size = min(batch_size or count, count)
    if size % team.share.count:
        raise RequestError(
            "--batch-size",
            expected=f"a multiple of the {team.share.count} processes",
            found=str(size) if size == batch_size else f"{size}, all that train",
            remedy="choose another",
        )


def _finish(run: Run, test: Labelled) -> Kept:
    """Look at the test part with the best state, once."""
    best = run.team.from_leader(lambda: loader(run.method)(run.place.folder / BEST))
    if "test_accuracy" in best.metrics:
        return best
    restore_buffers(run.model, best.buffers)
    go_back(run.method, best)
    run.method.settle()
    reached = _accuracy(run, test.to(run.place.device), note="test")
    outputs = {}
    if is_small(best.source.model):
        with evaluating(run.model):
            outputs[OUTPUTS] = list(predict_generated(run.model, best.source.model, best.facts().input))
    tested = replace(best, metrics={**best.metrics, "test_accuracy": reached, **outputs})
    if run.team.leads:
        tested.save(run.place.folder / BEST)
        Log(run.place.folder / LOG).write(f"test accuracy {reached:.4f}, of epoch {best.metrics['epoch']}")
    return tested
