"""Masks that stand in the file as they are: of torch.nn.utils.prune, and a user's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .foreign import Array, Choices, Foreign, Masked, damaged


@dataclass(frozen=True)
class TorchPrune:
    """What torch.nn.utils.prune leaves: `NAME_orig` and `NAME_mask` for each pruned parameter."""

    summary: str = "torch.nn.utils.prune"
    own: tuple[str, ...] = ("_orig", "_mask")

    def recognise(self, foreign: Foreign) -> bool:
        """Tell by the names in a file whether it is of this kind."""
        return bool(set(foreign.named("_orig")) & set(foreign.named("_mask")))

    def read(self, foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
        """Read the masked parameters, of two or more dimensions; the file says all."""
        del choices
        masks = foreign.named("_mask")
        return tuple(
            Masked(name, _mask(foreign, name, masks[name], original), _weights(foreign, name, original))
            for name, original in foreign.named("_orig").items()
            if name in masks and original.ndim >= 2
        )


@dataclass(frozen=True)
class MaskFile:
    """A file of the user's own: `NAME.mask` with `NAME.weight`, or with `NAME.sign` and, unless 1, `NAME.step`."""

    summary: str = "a user's own file: NAME.mask with NAME.weight or NAME.sign"
    own: tuple[str, ...] = (".mask", ".weight", ".sign", ".step")

    def recognise(self, foreign: Foreign) -> bool:
        """Tell by the names in a file whether it is of this kind."""
        masks = foreign.named(".mask")
        return bool(masks) and all(
            f"{name}.weight" in foreign.tensors or f"{name}.sign" in foreign.tensors for name in masks
        )

    def read(self, foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
        """Read the masked layers; the file says all."""
        del choices
        layers = []
        for layer, mask in foreign.named(".mask").items():
            weight = foreign.tensors.get(f"{layer}.weight")
            if weight is None:
                weight = self._from_signs(foreign, layer)
            weights = _weights(foreign, layer, weight)
            layers.append(Masked(f"{layer}.weight", _mask(foreign, layer, mask, weights), weights))
        return tuple(layers)

    def _from_signs(self, foreign: Foreign, layer: str) -> Array:
        signs = foreign.tensors.get(f"{layer}.sign")
        step = foreign.tensors.get(f"{layer}.step", np.ones(1, np.float32))
        if signs is None or not np.isin(signs, (-1, 1)).all() or signs.dtype.kind not in "if" or step.size != 1:
            raise damaged(foreign, f"{layer}.sign of -1 and 1, and one number in {layer}.step", "others")
        return signs.astype(np.float32) * np.float32(step.item())


def _mask(foreign: Foreign, name: str, mask: Array, weights: Array) -> NDArray[np.bool_]:
    if mask.shape != weights.shape or not np.isin(mask, (0, 1)).all():
        raise damaged(foreign, f"a mask of 0 and 1 for {name}, {list(weights.shape)}", f"{list(mask.shape)} or others")
    kept: NDArray[np.bool_] = mask == 1
    return kept


def _weights(foreign: Foreign, name: str, weights: Array) -> NDArray[np.float32]:
    if weights.dtype != np.float32 or weights.ndim < 2 or not np.isfinite(weights).all():
        raise damaged(foreign, f"finite float32 weights of two or more dimensions for {name}", f"{weights.dtype}")
    return weights
