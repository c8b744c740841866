"""The search: epochs of edge-popup, the best validation accuracy kept, and a way back in after any stop."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .. import checkpoints
from .. import header as headers
from ..checkpoints import Checkpoint
from ..data.images import VALIDATION_SHARE, ImageData, Images, augment, require_shape, split
from ..errors import DataError, RequestError, SltpackError
from ..evaluation import accuracy, predict
from ..files import write_atomically
from ..header import Source
from ..layers import buffers
from ..models import build, describe
from ..progress import Bar, bar
from ..sources import searched_kept
from .edge_popup import EdgePopup, first_scores
from .settings import Settings

BEST = "ckpt.pt"
"""The checkpoint of the best validation accuracy: the search's result."""
LAST = "last.pt"
"""The checkpoint of the last whole epoch, to go on from."""
METRICS = "metrics.jsonl"
"""One line an epoch."""
_REPORT_EVERY = 10


class Interrupted(SltpackError):
    """The user stopped a search; what it had found is kept."""

    exit_status = 130


@dataclass(frozen=True)
class _Run:
    """What stays the same through a search."""

    source: Source
    settings: Settings
    noted: Mapping[str, Any]
    folder: Path
    train: Images
    validation: Images
    device: torch.device


def search(
    source: Source,
    data: ImageData,
    settings: Settings,
    folder: Path,
    *,
    device: torch.device,
    noted: Mapping[str, Any] | None = None,
    builder: str | None = None,
    resume: bool = False,
) -> Checkpoint:
    """Searches a ticket.

    Args:
        source: the source network.
        data: training images, split 4:1 for validation, and test images, which are looked at once, at the end.
        settings: of the search.
        folder: where the checkpoints and metrics go; made where it is missing.
        device: where the work is done.
        noted: plain values that the checkpoint keeps beside the settings, such as the name of the data.
        builder: "package.module:function" where the model is not one of sltpack's.
        resume: whether to go on from the folder's last checkpoint.

    Returns:
        The checkpoint of the best validation accuracy, with its test accuracy.

    Raises:
        RequestError: the sparsity cannot be reached, the folder holds a run already, or one of other settings.
        MismatchError: the images do not fit the model.
        DataError: there are too few.
        SltpackError: the loss is no longer a number.
        Interrupted: by Ctrl-C; a usable checkpoint is left.
    """
    _, classes, shape = describe(source.model)
    require_shape(data.train, shape, classes, f"model {source.model.name}")
    if len(data.train) < VALIDATION_SHARE or not len(data.test):
        raise DataError(
            "data",
            expected=f"at least {VALIDATION_SHARE} images to train and validate and one to test",
            found=f"{len(data.train)} and {len(data.test)}",
            remedy="add images",
        )
    kept = searched_kept(source, settings.sparsity)
    everything = {**asdict(settings), **(noted or {})}
    start = _first(source, kept, settings, everything) if not resume else _last(folder, source, everything)
    if not resume and any((folder / name).exists() for name in (BEST, LAST)):
        raise RequestError(
            folder,
            expected="a folder without a search",
            found="one with checkpoints",
            remedy="go on with --resume, or choose another folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    train, validation = (part.to(device) for part in split(data.train, settings.seed))
    run = _Run(source, settings, everything, folder, train, validation, device)
    model = build(source.model, builder).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not resume:
        start = replace(start, buffers=_copied(model))
        start.save(folder / LAST)
    _restore(model, start)
    popup = EdgePopup(model, source, kept, start.scores.to(device))
    _epochs(run, model, popup, start)
    return _finish(run, model, data.test)


def _epochs(run: _Run, model: nn.Module, popup: EdgePopup, start: Checkpoint) -> None:
    settings = run.settings
    optimizer = torch.optim.SGD(
        [popup.scores], lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
    if start.momentum is not None:
        optimizer.state[popup.scores]["momentum_buffer"] = start.momentum.to(run.device)
    history = list(start.metrics["history"])
    steps = _steps(run)
    with bar("search", steps * settings.epochs, steps * len(history)) as running:
        try:
            for epoch in range(len(history), settings.epochs):
                trained = _epoch(run, model, popup, optimizer, epoch, running)
                classes = predict(model, run.validation)
                measured = {
                    "epoch": epoch + 1,
                    **trained,
                    "validation_accuracy": accuracy(classes, run.validation.labels),
                }
                best = max((entry["validation_accuracy"] for entry in history), default=-1.0)
                history.append(measured)
                state = _state(run, model, popup, {**measured, "history": history})
                if measured["validation_accuracy"] > best:
                    state.save(run.folder / BEST)
                momentum = optimizer.state[popup.scores]["momentum_buffer"]
                replace(state, momentum=momentum).save(run.folder / LAST)
                lines = "".join(json.dumps(entry) + "\n" for entry in history)
                write_atomically(run.folder / METRICS, lines.encode(), force=True)
        except KeyboardInterrupt as error:
            raise _interrupted(run, model, popup, history) from error


def _epoch(
    run: _Run, model: nn.Module, popup: EdgePopup, optimizer: torch.optim.Optimizer, epoch: int, running: Bar
) -> dict[str, float]:
    settings, train = run.settings, run.train
    # Every epoch has its own source of chance, so that a search can go on from any of them.
    random = np.random.default_rng([settings.seed, 2, epoch])
    order = torch.from_numpy(random.permutation(len(train))).to(run.device)
    steps, size = _steps(run), min(settings.batch_size, len(train))
    losses, right = torch.zeros((), device=run.device), torch.zeros((), device=run.device)
    half = torch.autocast(run.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")
    model.train()
    for step in range(steps):
        index = order[step * size : (step + 1) * size]
        pixels, labels = augment(train.pixels[index], train.flips, random), train.labels[index]
        with half:
            scores = model(train.normalise(pixels))
        loss = functional.cross_entropy(scores.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        popup.take_gradient()
        for group in optimizer.param_groups:
            group["lr"] = settings.rate((epoch * steps + step) / (settings.epochs * steps))
        optimizer.step()
        popup.apply()
        losses += loss.detach()
        right += (scores.argmax(1) == labels).sum()
        if (step + 1) % _REPORT_EVERY == 0 or step + 1 == steps:
            seen = (step + 1) * size
            note = f"epoch {epoch + 1}/{settings.epochs} loss {losses / (step + 1):.3f} accuracy {right / seen:.3f}"
            running.advance((step + 1) - step // _REPORT_EVERY * _REPORT_EVERY, note)
    loss_mean = float(losses) / steps
    if not math.isfinite(loss_mean):
        raise SltpackError(
            f"epoch {epoch + 1}",
            expected="a finite loss",
            found=f"{loss_mean}",
            remedy="try a lower --learning-rate or --precision float32; the epochs before are kept",
        )
    return {"loss": loss_mean, "train_accuracy": float(right) / (steps * size)}


def _steps(run: _Run) -> int:
    # The ragged end of an epoch's order is left out; the next order is another.
    return max(1, len(run.train) // run.settings.batch_size)


def _finish(run: _Run, model: nn.Module, test: Images) -> Checkpoint:
    best = checkpoints.load(run.folder / BEST)
    _restore(model, best)
    EdgePopup(model, run.source, best.kept, best.scores.to(run.device))
    classes = predict(model, test, note="test")
    tested = replace(best, metrics={**best.metrics, "test_accuracy": accuracy(classes, test.labels)})
    tested.save(run.folder / BEST)
    return tested


def _interrupted(run: _Run, model: nn.Module, popup: EdgePopup, history: list[dict[str, float]]) -> Interrupted:
    if not (run.folder / BEST).exists():
        _state(run, model, popup, {"epoch": 0, "validation_accuracy": None, "history": []}).save(run.folder / BEST)
    return Interrupted(
        run.folder,
        expected=f"{run.settings.epochs} epochs",
        found=f"Ctrl-C after {len(history)}",
        remedy=f"{BEST} holds the best ticket so far; the same command with --resume goes on",
    )


def _first(source: Source, kept: int, settings: Settings, everything: Mapping[str, Any]) -> Checkpoint:
    scores = first_scores(source, settings.seed)
    return Checkpoint(source, kept, scores, 0.0, {}, everything, {"epoch": 0, "history": []})


def _last(folder: Path, source: Source, everything: Mapping[str, Any]) -> Checkpoint:
    last = checkpoints.load(folder / LAST)
    theirs = {**headers.source_parts(last.source), **last.settings}
    ours = {**headers.source_parts(source), **everything}
    # The day and the version may be others; what the result depends on may not. The layers follow from the rest.
    for name in ours:
        if name not in ("date", "sltpack", "layers") and ours[name] != theirs.get(name):
            raise RequestError(
                f"{folder / LAST}: {name}",
                expected=f"{ours[name]!r}, as this call has it",
                found=f"{theirs.get(name)!r}",
                remedy="resume with the options that the search began with",
            )
    return last


def _state(run: _Run, model: nn.Module, popup: EdgePopup, metrics: Mapping[str, Any]) -> Checkpoint:
    scores = popup.scores.detach().cpu().clone()
    return Checkpoint(run.source, popup.kept, scores, popup.threshold, _copied(model), run.noted, metrics)


def _copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.detach().cpu().clone() for name, buffer in buffers(model).items()}


def _restore(model: nn.Module, checkpoint: Checkpoint) -> None:
    own = buffers(model)
    for name, values in checkpoint.buffers.items():
        own[name].copy_(values)
