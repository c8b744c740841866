"""How long a run will take: some of its steps, taken and timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..data.dataset import Batch, DataSet, Labelled
from ..format.records import Source
from ..inference.prediction import BATCH_SIZE, predict
from ..models import AnyBuilder
from .methods.method import Method
from .methods.weight_training import WeightTraining
from .run import batch_size_of, steps_of
from .runner import ready_model, ready_search, settle
from .settings import Settings, TrainingSettings
from .steps import make_stepper

_STEPS = 5
"""Steps that are timed, after one that is not: it allocates, and chooses how to multiply."""
_LOOKS = 4
"""Batches that an evaluation is timed on."""


@dataclass(frozen=True)
class Pace:
    """How fast a run goes.

    Attributes:
        step: seconds of a step, the median of some.
        steps: of an epoch.
        evaluation: seconds to look at the images or nodes that validate.
        test: seconds to look at those that test.
    """

    step: float
    steps: int
    evaluation: float
    test: float

    def seconds(self, epochs: int) -> float:
        """Return the seconds of a run of so many epochs, without the start of its process."""
        return epochs * (self.steps * self.step + self.evaluation) + self.test


def time_steps(
    source: Source, data: DataSet, settings: TrainingSettings, device: torch.device, builder: AnyBuilder | None = None
) -> Pace:
    """Take some steps of a run and looks at some images, and write nothing.

    Args:
        source: the source network.
        data: the data.
        settings: `Settings` of a search, or `TrainingSettings` of weight training.
        device: where the work is done.
        builder: "package.module:function" where the model is not one of sltpack's.

    Returns:
        How fast the run goes.

    Raises:
        SltpackError: as `sltpack.searching.runner.search`.
    """
    settings = settle(settings, data, device)
    method: Method
    if isinstance(settings, Settings):
        model, method = ready_search(source, data, settings, device, builder)
    else:
        model = ready_model(source, data, device, builder)
        method = WeightTraining(model, source)
    training, validation = (part.to(device) for part in data.of_training(settings.seed_of("split")))
    network = torch.compile(model) if settings.compiled else model
    stepper = make_stepper(network, method, settings)  # type: ignore[arg-type]
    model.train()
    size = batch_size_of(settings, training)
    seconds: list[float] = []
    begin = time.perf_counter()
    for batch, labels in _batches(training, size):
        stepper.step(batch, labels, 0.0)
        _wait_for(device)
        end = time.perf_counter()
        seconds.append(end - begin)
        begin = end
    step = statistics.median(seconds[1:])
    parts = (_looking(model, part, min(size, BATCH_SIZE)) for part in (validation, data.test.to(device)))
    return Pace(step, steps_of(settings, training), *parts)


def _batches(training: Labelled, size: int) -> Iterator[Batch]:
    """Return as many batches as are timed; where an epoch has fewer, the next ones begin it again."""
    taken = 0
    while taken <= _STEPS:
        order = np.arange(len(training))[: size * (_STEPS + 1 - taken)]
        for batch in training.training_batches(order, size, [0, 4, taken]):
            taken += 1
            yield batch


def _looking(model: nn.Module, part: Labelled, size: int) -> float:
    """Return the seconds that a look at a part takes, from a look at some of it; a graph is run as a whole."""
    some = part.take(slice(0, size * _LOOKS)) if len(part.shape) > 1 else part
    predict(model, some.take(slice(0, size)) if len(part.shape) > 1 else some, size)
    begin = time.perf_counter()
    predict(model, some, size)
    return (time.perf_counter() - begin) * len(part) / len(some)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
