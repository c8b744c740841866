"""Checkpoints of Gem-Miner (Sreenivasan et al. 2022, "Rare Gems"), and of the two edge-popups in its code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import rules
from .foreign import Choices, Foreign, Masked, damaged, one_rate, scores_of, weight_of

ROUNDED_AT = 0.5
"""Scores above it are 1 (the code's quantize_threshold)."""


@dataclass(frozen=True)
class GemMiner:
    """One algorithm of the code.

    Attributes:
        rule: how scores become masks.
    """

    rule: Literal["rounded", "layer", "global"]
    own: tuple[str, ...] = (".weight", ".scores", ".flag", ".bias_scores", ".bias_flag")

    @property
    def summary(self) -> str:
        """Which code writes such files."""
        names = {"rounded": "Gem-Miner, hc_iter", "layer": "Gem-Miner's ep", "global": "Gem-Miner's global_ep"}
        return f"{names[self.rule]} (Sreenivasan et al. 2022)"

    def recognise(self, foreign: Foreign) -> bool:
        """Tell by the names in a file whether it is of this kind; only scores in 0..1 tell that they are rounded."""
        if self.rule != "rounded" or not foreign.named(".flag"):
            return False
        return all(bool((scores >= 0).all() and (scores <= 1).all()) for scores in foreign.named(".scores").values())

    def read(self, foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
        """Read the masked layers; of ep the share kept has to be told, of global_ep the share removed."""
        scores = scores_of(foreign, ".scores")
        masks = self._masks(foreign, choices, list(scores.values()), list(scores))
        return tuple(
            Masked(f"{layer}.weight", mask, weight_of(foreign, layer, scores[layer]))
            for layer, mask in zip(scores, masks, strict=True)
        )

    def _masks(
        self, foreign: Foreign, choices: Choices, scores: list[NDArray[np.float32]], layers: list[str]
    ) -> list[NDArray[np.bool_]]:
        if self.rule == "rounded":
            return [
                (each > ROUNDED_AT) & _flag(foreign, layer, each) for layer, each in zip(layers, scores, strict=True)
            ]
        if self.rule == "layer":
            kept = one_rate(foreign, choices.kept(foreign, "prune_rate"))
            return [rules.largest_of_layer(each, kept) for each in scores]
        removed = one_rate(foreign, choices.removed(foreign, "prune_rate"))
        return rules.above_rank(scores, math.ceil(removed * sum(each.size for each in scores)))


def _flag(foreign: Foreign, layer: str, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    flag = foreign.tensors.get(f"{layer}.flag")
    if flag is None or flag.shape != scores.shape or not np.isin(flag, (0, 1)).all():
        raise damaged(foreign, f"{layer}.flag of 0 and 1", "another")
    unpruned: NDArray[np.bool_] = flag == 1
    return unpruned
