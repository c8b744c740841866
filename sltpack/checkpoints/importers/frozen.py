"""Checkpoints of the code of Otsuka et al. 2024: scores, a ternary freezing mask, thresholds and scales, all stored."""

from __future__ import annotations

import numpy as np

from .foreign import Choices, Foreign, Masked, damaged, scores_of, weight_of

summary = "slt_within_frozen_network (Otsuka et al. 2024)"
own = (
    ".weight",
    ".score",
    ".mask",
    ".ternary_frozen_mask",
    ".local_sparsity",
    ".global_sparsity",
    ".scale",
    ".kthvalue",
)


def recognise(foreign: Foreign) -> bool:
    """Tell by the names in a file whether it is of this kind."""
    return bool(foreign.named(".ternary_frozen_mask"))


def read(foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
    """Read the masked layers; the file says all: locked, or searched and above the stored threshold, strictly."""
    del choices
    layers = []
    for layer, scores in scores_of(foreign, ".score").items():
        weights = weight_of(foreign, layer, scores)
        frozen = foreign.tensors.get(f"{layer}.ternary_frozen_mask")
        threshold, scale = (foreign.tensors.get(f"{layer}.{name}") for name in ("kthvalue", "scale"))
        if frozen is None or frozen.shape != scores.shape or not np.isin(frozen, (-1, 0, 1)).all():
            raise damaged(foreign, f"{layer}.ternary_frozen_mask of -1, 0 and 1", "another")
        if threshold is None or threshold.size != 1 or scale is None or scale.size != 1:
            raise damaged(foreign, f"one number each in {layer}.kthvalue and {layer}.scale", "others")
        kept = (frozen == 1) | ((frozen == 0) & (np.abs(scores) > np.float32(threshold.item())))
        layers.append(Masked(f"{layer}.weight", kept, weights * np.float32(scale.item())))
    return tuple(layers)
