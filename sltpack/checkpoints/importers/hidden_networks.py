"""Checkpoints of hidden-networks (Ramanujan et al. 2020): scores beside weights; the kept share stands nowhere."""

from __future__ import annotations

from . import rules
from .foreign import Choices, Foreign, Masked, one_rate, scores_of, weight_of

summary = "hidden-networks (Ramanujan et al. 2020)"
own = (".weight", ".scores")


def recognise(foreign: Foreign) -> bool:
    """Tell by the names in a file whether it is of this kind."""
    return bool(foreign.named(".scores")) and not foreign.named(".flag") and "conv_type" not in foreign.around


def read(foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
    """Read the masked layers: of each, the largest magnitudes; `prune_rate` is the share kept."""
    rate = one_rate(foreign, choices.kept(foreign, "prune_rate"))
    return tuple(
        Masked(f"{layer}.weight", rules.largest_of_layer(scores, rate), weight_of(foreign, layer, scores))
        for layer, scores in scores_of(foreign, ".scores").items()
    )
