"""Checkpoints of IteRand (Chijiwa et al. 2021) and UGT (Huang et al. 2022): signed scores, kept from a rank on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import RequestError
from . import rules
from .foreign import Choices, Foreign, Masked, one_rate, scores_of, weight_of

_GRAPH = "layers_"
"""How the layers of UGT's graph networks are called: layers_GCN, layers_GIN, layers_GAT."""


@dataclass(frozen=True)
class SignedScores:
    """One of the two codes.

    Attributes:
        whole: whether one threshold is for the whole network.
        summary: which code writes such files.
    """

    whole: bool
    summary: str
    own: tuple[str, ...] = (".weight", ".weight_score")

    def recognise(self, foreign: Foreign) -> bool:
        """Tell by the names in a file whether it is of this kind."""
        layers = foreign.named(".weight_score")
        return bool(layers) and self.whole == any(layer.startswith(_GRAPH) for layer in layers)

    def read(self, foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
        """Read the masked layers; the share removed has to be told, and one of the last layer where it has its own."""
        scores = scores_of(foreign, ".weight_score")
        removed = choices.removed(foreign, "conv_sparsity or linear_sparsity")
        if self.whole:
            everything = np.sort(np.concatenate([each.ravel() for each in scores.values()]))
            threshold = everything[rules.signed_rank(len(everything), one_rate(foreign, removed)) - 1]
            thresholds = [threshold] * len(scores)
        else:
            if len(removed) > 2:
                raise RequestError(
                    foreign.where,
                    expected="one rate, or two: of all layers but the last, and of the last",
                    found=f"{len(removed)}",
                    remedy="pass as many as the code was given",
                )
            shares = [removed[0]] * (len(scores) - 1) + [removed[-1]]
            thresholds = [
                np.sort(each.ravel())[rules.signed_rank(each.size, share) - 1]
                for each, share in zip(scores.values(), shares, strict=True)
            ]
        return tuple(
            Masked(f"{layer}.weight", rules.from_rank(each, threshold), weight_of(foreign, layer, each))
            for (layer, each), threshold in zip(scores.items(), thresholds, strict=True)
        )
