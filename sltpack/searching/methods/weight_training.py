"""Weight training: what a ticket is measured against, on the same network, data and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...checkpoints import reading as checkpoint_reader
from ...checkpoints.records import Kept, TrainedNetwork
from ...errors import RequestError
from ...format.records import MAX_WEIGHTS, Source
from ...models.layers import searchable
from ...source.initializers import step_of, units
from ..steps import Memory


class WeightTraining:
    """The weights of a model, begun at its source network.

    Args:
        model: whose weights are overwritten, and then trained.
        source: the source network, nothing in it frozen.
    """

    def __init__(self, model: nn.Module, source: Source) -> None:
        layers = tuple(replace(layer, kept=layer.size) for layer in source.layers)
        self.source = replace(source, layers=layers)
        self.parameters = [weight for weight in searchable(model).values() if isinstance(weight, nn.Parameter)]
        with torch.no_grad():
            for index, weight in enumerate(self.parameters):
                drawn = torch.from_numpy(units(source.init, source.seeds.weights, index, 0, weight.numel()))
                weight.copy_((drawn * float(step_of(self.source, index))).view(weight.shape))

    def take_gradient(self) -> None:
        """Leaves the gradients where they are: the weights themselves are trained."""

    def apply(self) -> None:
        """Does nothing: the weights are where the step left them."""

    def keep(
        self,
        noted: Mapping[str, Any],
        metrics: Mapping[str, Any],
        buffers: Mapping[str, torch.Tensor],
        memory: Memory,
    ) -> TrainedNetwork:
        """Gives the state to write."""
        return TrainedNetwork(
            self.source,
            _joined(self.parameters),
            buffers,
            noted,
            metrics,
            {name: _joined(values) for name, values in memory.items()},
        )

    def restore(self, kept: Kept) -> Memory:
        """Goes back to a state, and gives the optimiser's memory in it."""
        assert isinstance(kept, TrainedNetwork)
        with torch.no_grad():
            for weight, values in zip(self.parameters, self._parts(kept.weights), strict=True):
                weight.copy_(values)
        return {name: self._parts(values) for name, values in kept.memory.items()}

    def load(self, path: Path) -> TrainedNetwork:
        """Reads a state.

        Raises:
            RequestError: the file is a search's.
            FormatError: it is damaged.
        """
        kept = checkpoint_reader.load_any(path, max(self.source.size, MAX_WEIGHTS))
        if not isinstance(kept, TrainedNetwork):
            raise RequestError(path, expected="a training of weights", found="a search", remedy="choose another folder")
        return kept

    def _parts(self, joined: torch.Tensor) -> list[torch.Tensor]:
        """Gives each weight's part of numbers in C order, in the weight's shape and memory order."""
        parts = torch.split(joined, [weight.numel() for weight in self.parameters])
        return [
            torch.empty_like(weight, requires_grad=False).copy_(part.view(weight.shape))
            for weight, part in zip(self.parameters, parts, strict=True)
        ]


def _joined(tensors: list[Any]) -> torch.Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).cpu()
