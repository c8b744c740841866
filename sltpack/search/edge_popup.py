"""Global edge-popup over the searched positions only.

Edge-popup is Ramanujan et al. 2020; one threshold for the whole network, Sreenivasan et al. 2022; frozen positions,
Otsuka et al. 2024.

The network itself stays plain: its weights are the ticket's effective weights. After each backward pass the gradient of
the effective weights is read at the searched positions and handed to their scores, straight through the selection; so
frozen positions have no score, no gradient, no momentum and no place in the selection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ..freezing import LOCKED, SEARCHED, mask
from ..header import Source
from ..initializers import step_of, units
from ..layers import searchable
from ..selection import select


@dataclass(frozen=True)
class _SearchedLayer:
    """One layer in the search.

    Attributes:
        weight: the model's parameter, which holds the effective weights.
        units: the layer's random units in C order, float32 [n].
        kept: which weights are in the ticket, bool [n]; only searched positions ever change.
        positions: the searched positions, ascending, int64 [searched].
    """

    weight: torch.Tensor
    units: torch.Tensor
    kept: torch.Tensor
    positions: torch.Tensor


class EdgePopup:
    """The scores of a model's searched positions, and the effective weights that they lead to.

    Args:
        model: whose searchable weights are overwritten.
        source: the source network.
        kept: how many searched weights the supermask keeps.
        scores: where the search stands, float32 [searched], on the model's device.
    """

    def __init__(self, model: nn.Module, source: Source, kept: int, scores: torch.Tensor) -> None:
        self.source = source
        self.kept = kept
        self.scores = nn.Parameter(scores)
        self.threshold = 0.0
        self._layers = [
            _searched_layer(source, index, weight) for index, weight in enumerate(searchable(model).values())
        ]
        self._sizes = [len(layer.positions) for layer in self._layers]
        self._steps: list[float] = []
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Selects the supermask anew and writes the effective weights, as the packed ticket would have them."""
        selected, self.threshold = select(self.scores, self.kept)
        parts = torch.split(selected, self._sizes)
        counts = torch.stack([part.sum() for part in parts]).tolist()
        layers = tuple(
            replace(layer, kept=layer.locked + int(count))
            for layer, count in zip(self.source.layers, counts, strict=True)
        )
        self.source = replace(self.source, layers=layers)
        self._steps = [float(step_of(self.source, index)) for index in range(len(layers))]
        for layer, part, step in zip(self._layers, parts, self._steps, strict=True):
            layer.kept[layer.positions] = part
            # One float32 product a weight, as a reader of the file does it; the selection gives +0.0.
            effective = torch.where(layer.kept, layer.units * step, 0.0)
            layer.weight.copy_(effective.view(layer.weight.shape))

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Hands the gradient of the effective weights to the scores, and clears it.

        For a searched weight w with score s, the size |s| decides, so the gradient is dL/dw * w * sign(s), as if the
        weight were multiplied by |s| (Ramanujan et al. 2020, equation 2).
        """
        gradients = []
        for layer, step in zip(self._layers, self._steps, strict=True):
            assert layer.weight.grad is not None
            of_weights = layer.weight.grad.reshape(-1)[layer.positions]
            gradients.append(of_weights * (layer.units[layer.positions] * step))
            layer.weight.grad = None
        self.scores.grad = torch.cat(gradients) * self.scores.sign()


def first_scores(source: Source, seed: int) -> torch.Tensor:
    """Draws the scores that a search starts from: Kaiming normal, by each layer's whole fan-in (He et al. 2015).

    Args:
        source: the source network.
        seed: of the search.

    Returns:
        float32 [searched], on the CPU.
    """
    random = np.random.default_rng([seed, 1])
    drawn = [
        random.standard_normal(layer.searched, np.float32) * np.float32((2 / layer.fan_in) ** 0.5)
        for layer in source.layers
    ]
    return torch.from_numpy(np.concatenate(drawn))


def _searched_layer(source: Source, index: int, weight: torch.Tensor) -> _SearchedLayer:
    layer = source.layers[index]
    frozen = mask(source.seeds.freezing, index, layer, 0, layer.size)
    drawn = units(source.init, source.seeds.weights, index, 0, layer.size)
    return _SearchedLayer(
        weight,
        torch.from_numpy(drawn).to(weight.device),
        torch.from_numpy(frozen == LOCKED).to(weight.device),
        torch.from_numpy(np.flatnonzero(frozen == SEARCHED)).to(weight.device),
    )
