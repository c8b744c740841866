"""The network in a search: its weights are the effective ones of the ticket as it stands.

The network itself stays plain. After each backward pass the gradient of the effective weights is read at the searched
positions alone; so frozen positions have no score, no gradient, no momentum and no place in any selection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...errors import RequestError
from ...format.records import Source
from ...models.layers import searchable
from ...source.freezing import LOCKED, SEARCHED, mask
from ...source.initializers import UNIT_SIZE, VARIANCE, units

_EXACT = 2**53
"""Up to here, float64 holds every integer."""


@dataclass(frozen=True)
class _SearchedLayer:
    """One layer in the search, its tensors in the order in which its weights lie in memory, or places in that order.

    Attributes:
        weight: the model's parameter, which holds the effective weights.
        units: the random units of the ticket's weights, 0 elsewhere, float32 [n].
        places: where the searched positions, which are ascending in C order, lie in memory, int64 [searched]; None
            where all are searched.
        part: which of all scores are this layer's.
    """

    weight: torch.Tensor
    units: torch.Tensor
    places: torch.Tensor | None
    part: slice


class SearchedNetwork:
    """The effective weights of a model that is searched, and their gradients.

    Args:
        model: whose searchable weights are overwritten.
        source: the source network.
        device: where the model is.

    Raises:
        RequestError: a layer is so large that its scale is not exact.
    """

    def __init__(self, model: nn.Module, source: Source, device: torch.device) -> None:
        ends = np.cumsum([layer.searched for layer in source.layers]).tolist()
        starts = [0, *ends[:-1]]
        drawn = []
        self._layers = []
        for index, (weight, start, end) in enumerate(zip(searchable(model).values(), starts, ends, strict=True)):
            layer, of_searched = _searched_layer(source, index, weight, slice(start, end))
            self._layers.append(layer)
            drawn.append(of_searched)
        self._units = torch.cat(drawn).to(device)
        self._steps = _Steps(source, device)
        # Taken once, since fresh memory of this size costs a processor more than what is done in it.
        self._chosen = torch.empty_like(self._units)
        self._gradient = torch.empty_like(self._units)

    @torch.no_grad()
    def write(self, kept: torch.Tensor) -> None:
        """Write the effective weights, as the packed ticket would have them.

        Args:
            kept: 1.0 for each searched weight that is kept and 0.0 elsewhere, float32 [searched].
        """
        self._steps.follow([kept[layer.part] for layer in self._layers])
        # The sum makes +0.0 of the -0.0 that is left of a negative weight; torch.where takes ten times as long.
        torch.mul(self._units, kept, out=self._chosen).add_(0.0)
        for layer, step in zip(self._layers, self._steps.of_layers, strict=True):
            # One float32 product a weight, as a reader of the file does it.
            chosen, weight = self._chosen[layer.part], layer.weight.detach()
            if layer.places is None:
                torch.mul(chosen.view(weight.shape), step, out=weight)
            else:
                layer.units.scatter_(0, layer.places, chosen)
                torch.mul(layer.units, step, out=_in_memory_order(weight))

    @torch.no_grad()
    def take_gradient(self) -> torch.Tensor:
        """Return the gradient of the loss with respect to the factors of `write`, and clear that of the weights.

        Returns:
            dL/dw * w for each searched weight w of the source network, float32 [searched]; the next call overwrites it.
        """
        for layer, step in zip(self._layers, self._steps.of_layers, strict=True):
            part, of_weights = self._gradient[layer.part], layer.weight.grad
            if of_weights is None:  # of a layer that the model defines but does not use
                part.zero_()
                continue
            if of_weights.stride() != layer.weight.stride():
                of_weights = torch.empty_like(layer.weight).copy_(of_weights)
            if layer.places is None:
                torch.mul(of_weights, step, out=part.view(of_weights.shape))
            else:
                torch.index_select(_in_memory_order(of_weights), 0, layer.places, out=part)
                part.mul_(step)
            layer.weight.grad = None
        return self._gradient.mul_(self._units)


class _Steps:
    """The float32 factors of the layers' units, which follow the kept counts where the scale does.

    They are worked out where the scores are, so that nothing waits for the counts: by the operations of
    `initializers.step`, each correctly rounded, on integers that float64 holds exactly.

    Args:
        source: the source network.
        device: where the scores are.

    Attributes:
        of_layers: float32 [], one for each layer.

    Raises:
        RequestError: a layer is so large that float64 does not hold its integers.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        self._source, self._device = source, device
        weights = [source.size if source.scale == "global" else layer.size for layer in source.layers]
        scaled = source.scale != "none"
        over = [VARIANCE[source.init] * (n if scaled else 1) for n in weights]
        under = [layer.fan_in * (n if scaled else 1) for n, layer in zip(weights, source.layers, strict=True)]
        if max(over + under) > _EXACT:
            raise RequestError(
                f"scale {source.scale}",
                expected=f"at most {_EXACT} as the product of fan-in and weights",
                found=str(max(over + under)),
                remedy="search without scale, or a smaller model",
            )
        place = torch.device("cpu") if device.type == "mps" else device  # which knows no float64
        self._over = torch.tensor(over, dtype=torch.float64, device=place)
        self._fan_in = self._over.new_tensor([layer.fan_in for layer in source.layers])
        self._locked = self._over.new_tensor([layer.locked for layer in source.layers])
        self.of_layers = self._worked_out(torch.ones_like(self._over))

    def follow(self, supermasks: list[torch.Tensor]) -> None:
        """Take note of a new supermask, 1.0 or 0.0, float32 [searched] of each layer."""
        if self._source.scale == "none":
            return
        kept = torch.stack([_ones(bits, self._locked.device) for bits in supermasks]) + self._locked
        self.of_layers = self._worked_out(kept.sum().expand_as(kept) if self._source.scale == "global" else kept)

    def _worked_out(self, kept: torch.Tensor) -> tuple[torch.Tensor, ...]:
        deviations = torch.sqrt(self._over / (self._fan_in * kept.clamp(min=1))) * UNIT_SIZE[self._source.init]
        return torch.where(kept > 0, deviations, 0.0).to(self._device, torch.float32).unbind()


def _searched_layer(
    source: Source, index: int, weight: torch.Tensor, part: slice
) -> tuple[_SearchedLayer, torch.Tensor]:
    """Return a layer, and the units of its searched positions in C order."""
    row = source.layers[index]
    frozen = torch.from_numpy(mask(source.seeds.freezing, index, row, 0, row.size))
    drawn = torch.from_numpy(units(source.init, source.seeds.weights, index, 0, row.size))
    # Number n stands at the place in memory of the n-th weight in C order.
    places = torch.arange(row.size).as_strided(weight.shape, weight.stride()).reshape(-1)
    of_ticket = torch.zeros(row.size).index_copy_(0, places, torch.where(frozen == LOCKED, drawn, 0.0))
    searched = torch.nonzero(frozen == SEARCHED).flatten()
    device = weight.device
    scattered = None if len(searched) == row.size else places[searched].to(device)
    return _SearchedLayer(weight, of_ticket.to(device), scattered, part), drawn[searched]


def _ones(bits: torch.Tensor, place: torch.device) -> torch.Tensor:
    """Count ones in float32, which is fast, in pieces so small that it is exact; gives float64 []."""
    counts = [piece.sum() for piece in torch.split(bits, 2**24)]
    return torch.stack(counts).to(place).to(torch.float64).sum()


def _in_memory_order(weight: torch.Tensor) -> torch.Tensor:
    """Return a dense tensor's numbers as they lie in memory, without a copy, [n]."""
    return weight.detach().as_strided((weight.numel(),), (1,))
