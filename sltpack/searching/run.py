"""What a run works with, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checkpoints.records import KINDS, Kept
from ..data.dataset import Labelled
from ..models.layers import copied_buffers
from .distributed.team import Team
from .methods.method import Method
from .settings import Settings, TrainingSettings
from .steps import Memory, Stepper


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files and does its work, as `search` is told.

    Attributes:
        folder: for checkpoints and metrics.
        device: that computes.
        resume: whether to go on from the folder's last checkpoint.
        tensorboard: whether to write event files.
        team: the processes that share the work.
        on_epoch: is called after each epoch with what it measured.
    """

    folder: Path
    device: torch.device
    resume: bool
    tensorboard: bool
    team: Team
    on_epoch: Callable[[Mapping[str, float]], None] | None = None


@dataclass(frozen=True)
class Run:
    """All that a run works with.

    Attributes:
        settings: its own, the precision settled.
        noted: what its checkpoints say of it.
        place: where it is.
        train: what is trained on.
        validation: what picks the best epoch.
        model: the network; what joins processes or compiles it is the stepper's.
        stepper: what takes the steps.
    """

    settings: TrainingSettings
    noted: Mapping[str, Any]
    place: Place
    train: Labelled
    validation: Labelled
    model: nn.Module
    stepper: Stepper

    @property
    def name(self) -> str:
        """What its progress bar says."""
        return "search" if isinstance(self.settings, Settings) else "train"

    @property
    def team(self) -> Team:
        """The processes that share the work."""
        return self.place.team

    @property
    def method(self) -> Method:
        """What is moved by the steps."""
        return self.stepper.method

    def state(self, metrics: Mapping[str, Any], memory: Memory | None = None) -> Kept:
        """Return what to write: what has been found, and what the optimizer remembers in order to go on from there."""
        return state_of(self.method, self.model, self.noted, metrics, memory or {})

    @property
    def batch_size(self) -> int:
        """Images or nodes of a step, over all processes."""
        return batch_size_of(self.settings, self.train)

    @property
    def steps(self) -> int:
        """Step of an epoch."""
        return steps_of(self.settings, self.train)


def batch_size_of(settings: TrainingSettings, train: Labelled) -> int:
    """Return how many images or nodes a step takes: no more than there are."""
    assert not isinstance(settings.batch_size, str)  # it was settled
    return min(settings.batch_size or len(train), len(train))


def steps_of(settings: TrainingSettings, train: Labelled) -> int:
    """Return the steps of an epoch; the ragged end of its order is left out, and the next order is another."""
    return len(train) // batch_size_of(settings, train)


def state_of(
    method: Method, model: nn.Module, noted: Mapping[str, Any], metrics: Mapping[str, Any], memory: Memory
) -> Kept:
    """Return the state of a run, to be written or gone back to.

    Args:
        method: what is moved.
        model: whose buffers belong to it.
        noted: what a checkpoint says of the run.
        metrics: what was measured.
        memory: what the optimiser remembers.
    """
    return KINDS[method.holds](
        method.source,
        _joined(method.parameters),
        method.planes(),
        copied_buffers(model),
        noted,
        metrics,
        {name: _joined(values) for name, values in memory.items()},
    )


def go_back(method: Method, kept: Kept) -> Memory:
    """Put the parameters of a method where they were, and return what the optimiser remembered there.

    Args:
        method: as it began.
        kept: its state.
    """
    with torch.no_grad():
        for parameter, values in zip(method.parameters, _parts(method, kept.parameters), strict=True):
            parameter.copy_(values)
    method.apply()
    return {name: _parts(method, values) for name, values in kept.memory.items()}


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Copy numbers to the CPU, one tensor behind the other, each in C order."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).cpu()


def _parts(method: Method, joined: torch.Tensor) -> list[torch.Tensor]:
    """Return each parameter's part of such numbers, in its shape and memory order."""
    parts = torch.split(joined, [parameter.numel() for parameter in method.parameters])
    return [
        torch.empty_like(parameter, requires_grad=False).copy_(part.view(parameter.shape))
        for parameter, part in zip(method.parameters, parts, strict=True)
    ]
