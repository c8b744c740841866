"""Named choices: which source network and way of searching, and how long to train at which rate.

Nothing of other libraries is imported here, so that `sltpack search --help` answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RequestError, closest
from .batches import AUTO

THRESHOLDS = ("global", "layer")
"""Whether one threshold holds for the whole network or one for each layer."""
OPTIMIZERS = ("sgd", "adamw")
"""What takes the steps."""
PRECISIONS = ("auto", "float32", "bfloat16")
"""What the training steps can multiply in."""

_KU = {"init": "ku", "scale": "none", "ratios": "epl", "method": "edge-popup", "threshold": "global"}
_SKC = {**_KU, "init": "skc", "scale": "layer"}

DEFAULT_PRESET = "frozen-skc"
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "dense": {**_KU, "sparsity": 0.5, "freeze": 0.0},
    "dense-skc": {**_SKC, "sparsity": 0.5, "freeze": 0.0},
    "sparse": {**_KU, "sparsity": 0.75, "prune": 0.5, "lock": 0.0},
    "sparse-skc": {**_SKC, "sparsity": 0.75, "prune": 0.5, "lock": 0.0},
    "frozen": {**_KU, "sparsity": 0.5, "freeze": 0.5},
    "frozen-skc": {**_SKC, "sparsity": 0.5, "freeze": 0.5},
    "frozen-80": {**_KU, "sparsity": 0.5, "freeze": 0.8},
    "frozen-80-skc": {**_SKC, "sparsity": 0.5, "freeze": 0.8},
    "edge-popup": {**_SKC, "sparsity": 0.5, "freeze": 0.0, "threshold": "layer"},
    "random": {**_SKC, "sparsity": 0.5, "freeze": 0.5, "method": "random"},
}
"""What sets all of a search but its budget.

Dense, sparse and frozen sources are those that Otsuka et al. 2024 compare: nothing frozen, half of the weights pruned
for good (with the sparsity in the middle of what is left to choose), or a share f frozen around the sparsity. Names
with -skc take the signed Kaiming constant with the layer scale, the others Kaiming uniform without scale. "edge-popup"
is the method of Ramanujan et al. 2020: a dense source, one threshold for each layer. "random" searches nothing: the
best of as many random supermasks as there are epochs.
"""

_GRAPH = {
    "epochs": 400,
    "batch_size": None,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "warmup": 0,
}
_SGD = {"batch_size": AUTO, "optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-4}

DEFAULT_RECIPE = "paper"
RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "paper": {
        "search": {**_SGD, "epochs": 100, "learning_rate": 0.1, "warmup": 0},
        "train": {**_SGD, "epochs": 100, "learning_rate": 0.1, "warmup": 5},
        "graph": _GRAPH,
    },
    "short": {
        "search": {**_SGD, "epochs": 10, "learning_rate": 1.0, "warmup": 0},
        "train": {**_SGD, "epochs": 10, "learning_rate": 0.05, "warmup": 1},
        "graph": {**_GRAPH, "epochs": 100},
    },
}
"""What sets the budget, for a search and for weight training on images, and for both on a graph.

"paper" is that of Otsuka et al. 2024 for CIFAR-10 (stochastic gradient descent, cosine) and for graphs (AdamW, cosine,
the whole graph in a step); weights begin to learn at a rate that rises, since those of a network without BatchNorm grow
without bound at 0.1 from the start. "short" is for a few epochs on two cores, with rates found by trial
(docs/results.md, "Rates for a short budget").
"""

_FREEZING = ("freeze", "prune", "lock")


def default_scale(init: str) -> str:
    """Return the scale that the paper takes with an initialiser: by the layer for SKC, none for KU."""
    return {"skc": "layer"}.get(init, "none")


def of_preset(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill what was not given from a preset.

    Args:
        name: of the preset.
        given: values by option; None for what was not given.

    Returns:
        Values for every option of a preset and every one given; where one of freeze, prune and lock is given, the
        preset says nothing of the others, and where the initialiser is given, nothing of the scale.

    Raises:
        RequestError: there is no preset of that name.
    """
    filled = dict(_known("--preset", name, PRESETS))
    if any(given.get(option) is not None for option in _FREEZING):
        filled = {option: value for option, value in filled.items() if option not in _FREEZING}
    if given.get("init") not in (None, filled["init"]):
        filled["scale"] = default_scale(given["init"])
    return {**given, **filled, **{option: value for option, value in given.items() if value is not None}}


def of_recipe(name: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill what was not given from a recipe.

    Args:
        name: of the recipe.
        kind: "search" or "train" on images, or "graph".
        given: values by option; None for what was not given.

    Returns:
        Values for every option of a recipe and every one given; a warm-up that is not given takes at most a third
        of the epochs.

    Raises:
        RequestError: there is no recipe of that name.
    """
    filled = {
        **given,
        **_known("--recipe", name, RECIPES)[kind],
        **{option: value for option, value in given.items() if value is not None},
    }
    if given.get("warmup") is None:
        filled["warmup"] = min(filled["warmup"], filled["epochs"] // 3)
    return filled


def _known(where: str, name: str, table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if name not in table:
        raise RequestError(
            where,
            expected=f"one of {', '.join(table)}",
            found=name,
            remedy=closest(name, table) or "choose one of them",
        )
    return table[name]
