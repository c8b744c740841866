"""Checkpoints of multicoated supermasks (Okoshi et al. 2022): a weight counts as often as coats keep it."""

from __future__ import annotations

import numpy as np

from . import rules
from .foreign import Choices, Foreign, Masked, damaged, scores_of, weight_of

summary = "multicoated supermasks (Okoshi et al. 2022)"
own = (".weight", ".score", ".scale")


def recognise(foreign: Foreign) -> bool:
    """Tell by the names in a file whether it is of this kind."""
    return bool(foreign.named(".score")) and bool(foreign.named(".scale")) and not foreign.named(".ternary_frozen_mask")


def read(foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
    """Read the masked layers; the shares removed, one for each coat, have to be told."""
    removed = tuple(sorted(choices.removed(foreign, "sparsity, one for each coat")))
    layers = []
    for layer, scores in scores_of(foreign, ".score").items():
        scale = foreign.tensors.get(f"{layer}.scale")
        if scale is None or scale.size != 1:
            raise damaged(foreign, f"one number in {layer}.scale", "others")
        times = rules.coats(scores, removed)
        weights = weight_of(foreign, layer, scores) * np.float32(scale.item())
        layers.append(Masked(f"{layer}.weight", times > 0, weights, times))
    return tuple(layers)
