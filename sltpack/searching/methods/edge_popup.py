"""Edge-popup over the searched positions only.

Edge-popup is Ramanujan et al. 2020; one threshold for the whole network, Sreenivasan et al. 2022; frozen positions,
Otsuka et al. 2024.

The network itself stays plain: its weights are the ticket's effective weights. After each backward pass the gradient of
the effective weights is read at the searched positions and handed to their scores, straight through the selection; so
frozen positions have no score, no gradient, no momentum and no place in the selection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...checkpoints import reading as checkpoint_reader
from ...checkpoints.records import Checkpoint, Kept
from ...checkpoints.selection import Selector
from ...errors import RequestError
from ...format.records import MAX_WEIGHTS, Source
from ...models.layers import searchable
from ...source.freezing import LOCKED, SEARCHED, mask
from ...source.initializers import UNIT_SIZE, VARIANCE, units
from ...source.network import kept_by_layer
from ..steps import Memory

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


class EdgePopup:
    """The scores of a model's searched positions, and the effective weights that they lead to.

    Args:
        model: whose searchable weights are overwritten.
        source: the source network.
        kept: how many searched weights the supermask keeps.
        scores: where the search stands, float32 [searched], on the model's device.
        by_layer: whether each layer has its own threshold, and keeps the same share of its searched weights; otherwise
            one threshold holds for the whole network.
    """

    def __init__(
        self, model: nn.Module, source: Source, kept: int, scores: torch.Tensor, by_layer: bool = False
    ) -> None:
        self.kept = kept
        self._by_layer = by_layer
        self.scores = nn.Parameter(scores)
        self._source = source
        counts = kept_by_layer(source, kept) if by_layer else (kept,)
        sizes = [layer.searched for layer in source.layers] if by_layer else [source.searched]
        self._selectors = [Selector(size, count, scores.device) for size, count in zip(sizes, counts, strict=True)]
        ends = np.cumsum([layer.searched for layer in source.layers]).tolist()
        starts = [0, *ends[:-1]]
        drawn = []
        self._layers = []
        for index, (weight, start, end) in enumerate(zip(searchable(model).values(), starts, ends, strict=True)):
            layer, of_searched = _searched_layer(source, index, weight, slice(start, end))
            self._layers.append(layer)
            drawn.append(of_searched)
        self._units = torch.cat(drawn).to(scores.device)
        self._steps = _Steps(source, scores.device)
        # Taken once, since fresh memory of this size costs a processor more than what is done in it.
        self._chosen = torch.empty_like(self._units)
        self._gradient = torch.empty_like(self._units)
        self._signs = torch.empty_like(self._units)
        self.apply()

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What an optimiser moves."""
        return [self.scores]

    @property
    def source(self) -> Source:
        """The source network with the kept counts of the ticket as it stands."""
        bits = self._supermask().cpu().numpy()
        layers = tuple(
            replace(row, kept=row.locked + int(np.count_nonzero(bits[layer.part])))
            for row, layer in zip(self._source.layers, self._layers, strict=True)
        )
        return replace(self._source, layers=layers)

    @property
    def threshold(self) -> float:
        """The size of the smallest score that is kept, in any layer."""
        return min(float(selector.threshold) for selector in self._selectors)

    @torch.no_grad()
    def apply(self) -> None:
        """Selects the supermask anew and writes the effective weights, as the packed ticket would have them."""
        start = 0
        for selector in self._selectors:
            part = slice(start, start := start + selector.kept.numel())
            selector.select(self.scores[part])
        supermask = self._supermask()
        self._steps.follow([supermask[layer.part] for layer in self._layers])
        # The sum makes +0.0 of the -0.0 that is left of a negative weight; torch.where takes ten times as long.
        torch.mul(self._units, supermask, out=self._chosen).add_(0.0)
        for layer, step in zip(self._layers, self._steps.of_layers, strict=True):
            # One float32 product a weight, as a reader of the file does it.
            chosen, weight = self._chosen[layer.part], layer.weight.detach()
            if layer.places is None:
                torch.mul(chosen.view(weight.shape), step, out=weight)
            else:
                layer.units.scatter_(0, layer.places, chosen)
                torch.mul(layer.units, step, out=_in_memory_order(weight))

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Hands the gradient of the effective weights to the scores, and clears it.

        For a searched weight w with score s, the size |s| decides, so the gradient is dL/dw * w * sign(s), as if the
        weight were multiplied by |s| (Ramanujan et al. 2020, equation 2).
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
        torch.sign(self.scores, out=self._signs)
        self.scores.grad = self._gradient.mul_(self._units).mul_(self._signs)

    @torch.no_grad()
    def draw(self, seed: int, number: int) -> None:
        """Draws a supermask at random, each of so many kept weights as likely as any other.

        Args:
            seed: of the scores.
            number: which of the supermasks of that seed.
        """
        drawn = np.random.default_rng([seed, 5, number]).random(self.scores.numel(), np.float32)
        self.scores.copy_(torch.from_numpy(drawn))
        self.apply()

    def keep(
        self,
        noted: Mapping[str, Any],
        metrics: Mapping[str, Any],
        buffers: Mapping[str, torch.Tensor],
        memory: Memory,
    ) -> Checkpoint:
        """Gives the state to write."""
        return Checkpoint(
            self._source,
            self.kept,
            self.scores.detach().cpu().clone(),
            self.threshold,
            buffers,
            noted,
            metrics,
            {name: values.cpu().clone() for name, (values,) in memory.items()},
            self._by_layer,
        )

    def restore(self, kept: Kept) -> Memory:
        """Goes back to a state, and gives the optimiser's memory in it."""
        assert isinstance(kept, Checkpoint)
        with torch.no_grad():
            self.scores.copy_(kept.scores)
        self.apply()
        return {name: [values.to(self.scores.device)] for name, values in kept.memory.items()}

    def load(self, path: Path) -> Checkpoint:
        """Reads a state.

        Raises:
            RequestError: the file is a training's.
            FormatError: it is damaged.
        """
        kept = checkpoint_reader.load_any(path, max(self._source.size, MAX_WEIGHTS))
        if not isinstance(kept, Checkpoint):
            raise RequestError(path, expected="a search", found="a training of weights", remedy="choose another folder")
        return kept

    def _supermask(self) -> torch.Tensor:
        if len(self._selectors) == 1:
            return self._selectors[0].kept
        return torch.cat([selector.kept for selector in self._selectors])


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
        """Takes note of a new supermask, 1.0 or 0.0, float32 [searched] of each layer."""
        if self._source.scale == "none":
            return
        kept = torch.stack([_ones(bits, self._locked.device) for bits in supermasks]) + self._locked
        self.of_layers = self._worked_out(kept.sum().expand_as(kept) if self._source.scale == "global" else kept)

    def _worked_out(self, kept: torch.Tensor) -> tuple[torch.Tensor, ...]:
        deviations = torch.sqrt(self._over / (self._fan_in * kept.clamp(min=1))) * UNIT_SIZE[self._source.init]
        return torch.where(kept > 0, deviations, 0.0).to(self._device, torch.float32).unbind()


def first_scores(source: Source, seed: int) -> torch.Tensor:
    """Draws the scores that a search starts from: Kaiming normal, by each layer's whole fan-in (He et al. 2015).

    Args:
        source: the source network.
        seed: of the scores.

    Returns:
        float32 [searched], on the CPU.
    """
    random = np.random.default_rng([seed, 1])
    drawn = [
        random.standard_normal(layer.searched, np.float32) * np.float32((2 / layer.fan_in) ** 0.5)
        for layer in source.layers
    ]
    return torch.from_numpy(np.concatenate(drawn))


def _searched_layer(
    source: Source, index: int, weight: torch.Tensor, part: slice
) -> tuple[_SearchedLayer, torch.Tensor]:
    """Gives a layer, and the units of its searched positions in C order."""
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
    """Counts ones in float32, which is fast, in pieces so small that it is exact; gives float64 []."""
    counts = [piece.sum() for piece in torch.split(bits, 2**24)]
    return torch.stack(counts).to(place).to(torch.float64).sum()


def _in_memory_order(weight: torch.Tensor) -> torch.Tensor:
    """Gives a dense tensor's numbers as they lie in memory, without a copy, [n]."""
    return weight.detach().as_strided((weight.numel(),), (1,))
