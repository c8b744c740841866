"""Weight training: the baseline of a ticket, on the same network, data and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from ...format.records import Source
from ...models.layers import searchable
from ...source.initializers import step_of, units


class WeightTraining:
    """The weights of a model, begun at its source network; a method beside those of search.

    Args:
        model: whose weights are overwritten, and then trained.
        source: the source network, nothing in it frozen.
    """

    holds = "weights"
    learns = True

    def __init__(self, model: nn.Module, source: Source) -> None:
        layers = tuple(replace(layer, kept=layer.size) for layer in source.layers)
        self.source = replace(source, layers=layers)
        self.parameters = [weight for weight in searchable(model).values() if isinstance(weight, nn.Parameter)]
        with torch.no_grad():
            for index, weight in enumerate(self.parameters):
                drawn = torch.from_numpy(units(source.init, source.seeds.weights, index, 0, weight.numel()))
                weight.copy_((drawn * float(step_of(self.source, index))).view(weight.shape))

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing: all epochs are alike."""

    def begin_step(self, done: float) -> None:
        """Do nothing: there is no schedule."""

    def take_gradient(self) -> None:
        """Leave the gradients where they are: the weights themselves are trained."""

    def apply(self) -> None:
        """Do nothing: the weights are where the step left them."""

    def settle(self) -> None:
        """Do nothing, either."""

    def planes(self) -> Mapping[str, torch.Tensor]:
        """Return nothing: there is no supermask."""
        return {}
