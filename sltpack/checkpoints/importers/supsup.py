"""Checkpoints of SupSup (Wortsman et al. 2020): one ticket for each task over the same weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError
from . import rules
from .foreign import Choices, Foreign, Masked, is_task_of, one_rate, scores_of, weight_of

summary = "SupSup (Wortsman et al. 2020), one of its tasks"
own = (".weight",)
_SIGNED = "FastMultitaskMaskConv"


def recognise(foreign: Foreign) -> bool:
    """Tell by the names in a file whether it is of this kind."""
    return bool(_tasks(foreign))


def read(foreign: Foreign, choices: Choices) -> tuple[Masked, ...]:
    """Read the masked layers of one task; the share kept (`sparsity`) stands in the file's arguments."""
    tasks = _tasks(foreign)
    task = tasks[0] if len(tasks) == 1 else choices.task
    if task not in tasks:
        raise RequestError(
            f"{foreign.where}",
            expected=f"one of the tasks {', '.join(map(str, tasks))}",
            found="none was chosen" if task is None else str(task),
            remedy="pass --task",
        )
    scores = scores_of(foreign, f".scores.{task}")
    if foreign.argument("conv_type") == _SIGNED:
        masks = {layer: ~(each < 0) for layer, each in scores.items()}
    else:
        rate = _rate(foreign, choices)
        by_layer = bool(foreign.argument("er_sparsity"))
        masks = {
            layer: rules.largest_of_layer(each, _of_layer(each, rate) if by_layer else rate)
            for layer, each in scores.items()
        }
    return tuple(
        Masked(f"{layer}.weight", mask, weight_of(foreign, layer, scores[layer])) for layer, mask in masks.items()
    )


def _tasks(foreign: Foreign) -> list[int]:
    return sorted({task for name in foreign.tensors if (task := is_task_of(".scores", name)) is not None})


def _rate(foreign: Foreign, choices: Choices) -> float:
    stored = foreign.argument("sparsity")
    if isinstance(stored, int | float) and not isinstance(stored, bool) and foreign.argument("er_sparsity"):
        return float(stored)  # a factor, which may pass 1
    return one_rate(foreign, choices.kept(foreign, "sparsity", stored))


def _of_layer(scores: NDArray[np.float32], factor: float) -> float:
    """Return the share that a layer keeps, in the manner of Erdos and Renyi."""
    return float(min(0.5, factor * (scores.shape[0] + scores.shape[1]) / math.prod(scores.shape)))
