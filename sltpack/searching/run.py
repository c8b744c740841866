"""What a run works with, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checkpoints.records import Kept
from ..data.dataset import Labelled
from ..models.layers import copied_buffers
from .distributed.team import Team
from .settings import Settings, TrainingSettings
from .steps import Memory, Method, Stepper


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files and does its work, as `search` is told.

    Attributes:
        folder: for checkpoints and metrics.
        device: that computes.
        resume: whether to go on from the folder's last checkpoint.
        tensorboard: whether to write event files.
        team: the processes that share the work.
    """

    folder: Path
    device: torch.device
    resume: bool
    tensorboard: bool
    team: Team


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
        """Gives what to write: what has been found, and what the optimizer remembers in order to go on from there."""
        return self.method.keep(self.noted, metrics, copied_buffers(self.model), memory or {})

    @property
    def batch_size(self) -> int:
        """Images or nodes of a step, over all processes."""
        return batch_size_of(self.settings, self.train)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return steps_of(self.settings, self.train)


def batch_size_of(settings: TrainingSettings, train: Labelled) -> int:
    """Gives how many images or nodes a step takes: no more than there are."""
    assert not isinstance(settings.batch_size, str)  # it was settled
    return min(settings.batch_size or len(train), len(train))


def steps_of(settings: TrainingSettings, train: Labelled) -> int:
    """Gives the steps of an epoch; the ragged end of its order is left out, and the next order is another."""
    return len(train) // batch_size_of(settings, train)
