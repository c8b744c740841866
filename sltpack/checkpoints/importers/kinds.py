"""The table of foreign checkpoints: a new kind is one file and one line."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import FormatError, RequestError, closest
from . import biprop, frozen, hidden_networks, multicoated, supsup
from .foreign import AUTO, Foreign, Importer
from .gem_miner import GemMiner
from .plain_masks import MaskFile, TorchPrune
from .signed_scores import SignedScores

KINDS: Mapping[str, Importer] = {
    "frozen": frozen,
    "supsup": supsup,
    "gem-miner": GemMiner("rounded"),
    "gem-miner-ep": GemMiner("layer"),
    "gem-miner-global-ep": GemMiner("global"),
    "biprop": biprop,
    "hidden-networks": hidden_networks,
    "ugt": SignedScores(True, "UGT (Huang et al. 2022)"),
    "iterand": SignedScores(False, "IteRand (Chijiwa et al. 2021)"),
    "multicoated": multicoated,
    "torch-prune": TorchPrune(),
    "mask": MaskFile(),
}
"""By the name that `--from` takes; `auto` takes the first that recognises a file."""


def choose(name: str, foreign: Foreign) -> str:
    """Choose the kind of a foreign checkpoint.

    Args:
        name: one of `KINDS`, or `AUTO`.
        foreign: the file.

    Returns:
        One of `KINDS`.

    Raises:
        RequestError: there is no such kind.
        FormatError: no kind recognises the file.
    """
    if name == AUTO:
        found = next((kind for kind, importer in KINDS.items() if importer.recognise(foreign)), None)
        if found is not None:
            return found
        gem = "gem-miner-ep or gem-miner-global-ep" if foreign.named(".flag") else f"one of {', '.join(KINDS)}"
        raise FormatError(
            foreign.where,
            expected="a checkpoint whose names tell which code wrote it",
            found=f"names such as {next(iter(foreign.tensors))}",
            remedy=f"pass --from with {gem}",
        )
    if name not in KINDS:
        raise RequestError(
            "--from",
            expected=f"{AUTO} or one of {', '.join(KINDS)}",
            found=name,
            remedy=closest(name, KINDS) or "choose one of them",
        )
    return name
