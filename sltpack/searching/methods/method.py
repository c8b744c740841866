"""What a method is: an algorithm from numbers that an optimiser moves to the weights of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import nn

from ...format.records import Source


class Method(Protocol):
    """A way to find a network, whether a supermask is searched in it or its weights are trained.

    A method knows the model and its source network, and neither files nor checkpoints. All that it has to remember
    from one epoch to the next is in its parameters; what it leaves to chance it draws from its seed and the number of
    the epoch, so that a run goes on after any stop as if there had been none.

    A run calls it in this order: `begin_epoch`; for each step `begin_step`, the model forward and backward,
    `take_gradient`, a step of the optimiser and `apply`; at the end of the epoch, before the network is evaluated,
    `settle`.

    Attributes:
        holds: what its parameters are called in a checkpoint: "scores" or "weights".
        learns: whether steps move its parameters; otherwise they only renew BatchNorm's statistics.
    """

    holds: str
    learns: bool

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves."""

    @property
    def source(self) -> Source:
        """The source network that it began with."""

    def begin_epoch(self, epoch: int) -> None:
        """Make ready for an epoch, counted from 0: draw a supermask, say, or freeze scores."""

    def begin_step(self, done: float) -> None:
        """Make ready for a step: follow a schedule of the share of all steps that are done, 0..1."""

    def take_gradient(self) -> None:
        """Make the gradients of the parameters from those of the model's weights, and clear the latter.

        A penalty on the parameters is no part of the loss: its gradient is added here.
        """

    def apply(self) -> None:
        """Write the model's weights for the next step, from the parameters that the optimiser has moved."""

    def settle(self) -> None:
        """Write the model's weights as the result has them, where they differ from those of a training step."""

    def planes(self) -> Mapping[str, torch.Tensor]:
        """Return what was searched, by the names of the file format: "kept", bool [searched], on the CPU.

        Weight training, which searches nothing, has none.
        """
