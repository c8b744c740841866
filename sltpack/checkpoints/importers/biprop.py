"""Checkpoints of biprop (Diffenderfer & Kailkhura 2021): signs of the weights times one constant a layer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from . import rules
from .foreign import Choices, Foreign, Masked, one_rate, scores_of, weight_of

summary = "biprop (Diffenderfer & Kailkhura 2021)"
own = (".weight", ".scores")
_GLOBAL = "GlobalSubnetConv"


def recognise(foreign: Foreign) -> bool:
    """Tell by the names in a file whether it is of this kind."""
    return bool(foreign.named(".scores")) and "conv_type" in foreign.around and "prune_rate" in foreign.around


def read(foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
    """Read the masked layers; the file holds the share kept (`prune_rate`) and whether one threshold is for all."""
    rate = one_rate(foreign, choices.kept(foreign, "prune_rate", foreign.around.get("prune_rate")))
    scores = scores_of(foreign, ".scores")
    if foreign.around.get("conv_type") == _GLOBAL:
        removed = int((1 - rate) * sum(each.size for each in scores.values()))
        masks = rules.above_rank(list(scores.values()), removed)
        divisors = [int(np.count_nonzero(mask)) for mask in masks]
    else:
        masks = [rules.largest_of_layer(each, rate) for each in scores.values()]
        divisors = [int(rate * each.size) for each in scores.values()]
    layers = []
    for layer, mask, divisor in zip(scores, masks, divisors, strict=True):
        weights = weight_of(foreign, layer, scores[layer])
        constant = _mean_size(weights, mask, divisor)
        layers.append(Masked(f"{layer}.weight", mask, np.sign(weights) * constant))
    return tuple(layers)


def _mean_size(weights: NDArray[np.float32], mask: NDArray[np.bool_], divisor: int) -> np.float32:
    """Return the layer's constant: the sum by torch, as the code adds, since the file does not hold it."""
    if divisor == 0:
        return np.float32(0)
    total = torch.sum(torch.abs(torch.from_numpy(weights * mask)))
    return np.float32((total / divisor).item())
