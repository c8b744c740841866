"""The search: epochs of edge-popup, the best validation accuracy kept, and a way back in after any stop."""

from __future__ import annotations

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
from ..checkpoints import Checkpoint
from ..data.images import VALIDATION_SHARE, ImageData, Images, augment, require_shape, split
from ..errors import DataError, RequestError, SltpackError, one_line
from ..evaluation import accuracy, predict
from ..files import make_folder
from ..header import Source
from ..layers import buffers, channels_last, searchable
from ..models import build, describe, try_out
from ..progress import Bar, bar
from ..selection import select
from ..sources import searched_kept
from .edge_popup import EdgePopup, first_scores
from .folder import BEST, LAST, load_last, remove_leftovers, require_unused, write_metrics
from .settings import Settings

_NOTHING_MEASURED: Mapping[str, Any] = {"epoch": 0, "validation_accuracy": None, "history": []}
_REPORT_EVERY = 10
"""Steps between two looks at the loss, which wait for the device."""


class Interrupted(SltpackError):
    """The user stopped a search; what it had found is kept."""

    exit_status = 130

    def __str__(self) -> str:
        return one_line(f"{self.where}: stopped by Ctrl-C after {self.found} of {self.expected}; {self.remedy}")


@dataclass(frozen=True)
class _Run:
    """All that a search works with."""

    source: Source
    settings: Settings
    noted: Mapping[str, Any]
    folder: Path
    train: Images
    validation: Images
    model: nn.Module
    popup: EdgePopup
    optimizer: torch.optim.Optimizer

    @property
    def device(self) -> torch.device:
        return self.popup.scores.device

    @property
    def steps(self) -> int:
        """Steps of an epoch; the ragged end of its order is left out, and the next order is another."""
        return max(1, len(self.train) // self.settings.batch_size)


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
    _require_fitting(source, data)
    kept = searched_kept(source, settings.sparsity)
    everything = {**asdict(settings), **(noted or {})}
    model = build(source.model, builder)
    _require_real(model, source)
    model = channels_last(model.to(device))
    try_out(model, source.model)
    if resume:
        remove_leftovers(folder)
        start = load_last(folder, source, everything, buffers(model))
    else:
        require_unused(folder)
        make_folder(folder)
        scores = first_scores(source, settings.seed)
        threshold = select(scores, kept)[1]
        start = Checkpoint(source, kept, scores, threshold, _copied(model), everything, dict(_NOTHING_MEASURED))
        for name in (LAST, BEST):
            start.save(folder / name)
    history = list(start.metrics["history"])
    try:
        _restore(model, start)
        popup = EdgePopup(model, source, kept, start.scores.to(device))
        train, validation = (part.to(device) for part in split(data.train, settings.seed))
        optimizer = _optimizer(popup, settings, start.momentum)
        run = _Run(source, settings, everything, folder, train, validation, model, popup, optimizer)
        _epochs(run, history)
        return _finish(run, data.test)
    except KeyboardInterrupt as error:
        raise Interrupted(
            folder,
            expected=f"{settings.epochs} epochs",
            found=f"{len(history)}",
            remedy=f"{BEST} holds {_best_so_far(history)}; the same command with --resume goes on",
        ) from error


def _best_so_far(history: list[dict[str, float]]) -> str:
    return "the best ticket so far" if history else "what the first epoch had found"


def _epochs(run: _Run, history: list[dict[str, float]]) -> None:
    total = run.settings.epochs
    write_metrics(run.folder, history)  # a search that was killed may have left it behind by a line
    with bar("search", run.steps * total, run.steps * len(history)) as running:
        for epoch in range(len(history), total):
            best = max((entry["validation_accuracy"] for entry in history), default=-1.0)
            words = f"epoch {epoch + 1}/{total}" + (f" best {best:.3f}" if history else "")
            try:
                trained = _epoch(run, epoch, running, words)
            except KeyboardInterrupt:
                if not history:
                    _save_begun(run)
                raise
            if not _finite(buffers(run.model)):
                raise _not_finite(epoch, "a buffer, as BatchNorm's, with NaN or infinity")
            reached = accuracy(predict(run.model, run.validation), run.validation.labels)
            measured = {"epoch": epoch + 1, **trained, "validation_accuracy": reached}
            state = _state(run, {**measured, "history": [*history, measured]})
            if reached > best:
                state.save(run.folder / BEST)
            momentum = run.optimizer.state[run.popup.scores].get("momentum_buffer")  # none where momentum is 0
            replace(state, momentum=momentum).save(run.folder / LAST)
            history.append(measured)
            write_metrics(run.folder, history)


def _save_begun(run: _Run) -> None:
    """Keeps what the first epoch has found so far: better than the scores that it began with."""
    run.popup.apply()  # the interruption may have come between the scores and the weights
    if bool(torch.isfinite(run.popup.scores).all()):
        _state(run, dict(_NOTHING_MEASURED)).save(run.folder / BEST)


def _epoch(run: _Run, epoch: int, running: Bar, words: str) -> dict[str, float]:
    settings, train, steps = run.settings, run.train, run.steps
    # Every epoch has its own source of chance, so that a search can go on from any of them.
    random = np.random.default_rng([settings.seed, 2, epoch])
    order = torch.from_numpy(random.permutation(len(train))).to(run.device)
    size = min(settings.batch_size, len(train))
    losses, right = torch.zeros((), device=run.device), torch.zeros((), device=run.device)
    mean_loss, train_accuracy, reported = math.inf, 0.0, 0
    # sltpack draws nothing from torch; a model of the user's own, with dropout, may.
    torch.manual_seed(int(np.random.default_rng([settings.seed, 3, epoch]).integers(2**63)))
    run.model.train()
    for step in range(steps):
        index = order[step * size : (step + 1) * size]
        pixels, labels = augment(train.pixels[index], train.flips, random), train.labels[index]
        scores, loss = _gradients(run, train.normalise(pixels), labels)
        run.popup.take_gradient()
        for group in run.optimizer.param_groups:
            group["lr"] = settings.rate((epoch * steps + step) / (settings.epochs * steps))
        run.optimizer.step()
        run.popup.apply()
        losses += loss
        right += (scores.argmax(1) == labels).sum()
        done = step + 1
        if done % _REPORT_EVERY == 0 or done == steps:
            mean_loss, train_accuracy = float(losses) / done, float(right) / (done * size)
            _require_finite(mean_loss, run.popup.scores.detach(), epoch)
            running.advance(done - reported, f"{words} loss {mean_loss:.3f} accuracy {train_accuracy:.3f}")
            reported = done
    return {"loss": mean_loss, "train_accuracy": train_accuracy}


def _optimizer(popup: EdgePopup, settings: Settings, momentum: torch.Tensor | None) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(
        [popup.scores], lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
    if momentum is not None:
        optimizer.state[popup.scores]["momentum_buffer"] = momentum.to(popup.scores.device)
    return optimizer


def _require_fitting(source: Source, data: ImageData) -> None:
    _, classes, shape = describe(source.model)
    for images in (data.train, data.test):
        require_shape(images, shape, classes, f"model {source.model.name}")
    if len(data.train) < VALIDATION_SHARE or not len(data.test):
        raise DataError(
            "data",
            expected=f"at least {VALIDATION_SHARE} images to train and validate and one to test",
            found=f"{len(data.train)} and {len(data.test)}",
            remedy="add images",
        )


def _gradients(run: _Run, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    half = torch.autocast(run.device.type, torch.bfloat16, enabled=run.settings.precision == "bfloat16")
    try:
        with half:
            scores = run.model(images)  # (B, classes)
        loss = functional.cross_entropy(scores.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:  # too little memory, or BatchNorm over a single value
        raise RequestError(
            f"a step with {len(labels)} images",
            expected="a model that can be trained on them",
            found=f"{type(error).__name__}: {error}",
            remedy="choose another --batch-size or model",
        ) from error
    return scores.detach(), loss.detach()


def _require_real(model: nn.Module, source: Source) -> None:
    fault = _fault(model, source)
    if fault is not None:
        raise RequestError(
            f"model {source.model.name}",
            expected="a builder that makes the same finite model each time",
            found=fault,
            remedy="mend the builder",
        )


def _fault(model: nn.Module, source: Source) -> str | None:
    """Tells why a model, as its builder made it this time, cannot be searched; the layers come from the time before."""
    made = {name: tuple(weight.shape) for name, weight in searchable(model).items()}
    if made != {layer.name: layer.shape for layer in source.layers}:
        return "other layers than the time before"
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        return "a weight or buffer without memory"
    return None if _finite(buffers(model)) else "a buffer with NaN or infinity"


def _finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def _require_finite(loss: float, scores: torch.Tensor, epoch: int) -> None:
    if not math.isfinite(loss) or not bool(torch.isfinite(scores).all()):
        raise _not_finite(epoch, f"a loss of {loss:g} and scores of up to {float(scores.abs().max()):g}")


def _not_finite(epoch: int, found: str) -> SltpackError:
    return SltpackError(
        f"epoch {epoch + 1}",
        expected="a finite loss and finite scores",
        found=found,
        remedy="try a lower --learning-rate or --precision float32; the epochs before are kept",
    )


def _finish(run: _Run, test: Images) -> Checkpoint:
    best = checkpoints.load(run.folder / BEST, run.source.size)
    if "test_accuracy" in best.metrics:
        return best  # the test set is looked at once
    _restore(run.model, best)
    EdgePopup(run.model, run.source, best.kept, best.scores.to(run.device))
    classes = predict(run.model, test, note="test")
    tested = replace(best, metrics={**best.metrics, "test_accuracy": accuracy(classes, test.labels)})
    tested.save(run.folder / BEST)
    return tested


def _state(run: _Run, metrics: Mapping[str, Any]) -> Checkpoint:
    popup = run.popup
    scores = popup.scores.detach().cpu().clone()
    return Checkpoint(run.source, popup.kept, scores, popup.threshold, _copied(run.model), run.noted, metrics)


def _copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.detach().cpu().clone() for name, buffer in buffers(model).items()}


def _restore(model: nn.Module, checkpoint: Checkpoint) -> None:
    own = buffers(model)
    for name, values in checkpoint.buffers.items():
        own[name].copy_(values)
