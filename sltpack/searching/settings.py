"""What weight training and a search are told, beside their network and their data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import RequestError
from ..format.records import SEED_LIMIT
from .batches import AUTO, LARGEST
from .presets import METHODS, OPTIMIZERS, PRECISIONS, THRESHOLDS

_Check = tuple[str, bool, str]


@dataclass(frozen=True)
class TrainingSettings:
    """The settings that the result of training depends on, of weights as of scores.

    Attributes:
        epochs: passes over what is trained on.
        batch_size: images or nodes in a step, over all processes; None takes all that train, and "auto" chooses by how
            many train (`sltpack.searching.batches`).
        learning_rate: the highest; it falls to 0 along a cosine, step by step.
        optimizer: "sgd", stochastic gradient descent, or "adamw".
        momentum: of stochastic gradient descent; AdamW's first beta.
        weight_decay: on what is trained.
        warmup: epochs at the start in which the rate rises from 0 along a line.
        seed: of everything left to chance that has no seed of its own.
        split_seed: of the split into training and validation; without it, `seed`.
        order_seed: of the order in which they are trained on; without it, `seed`.
        augmentation_seed: of the crops and mirrors; without it, `seed`.
        precision: "float32", "bfloat16" for the products of the training steps, or "auto" for bfloat16 where the
            device multiplies it faster; evaluation is always float32.
        compiled: whether torch compiles the training steps.

    Raises:
        RequestError: one of them is out of its range.
    """

    epochs: int
    batch_size: int | str | None = LARGEST
    learning_rate: float = 0.1
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: int = 0
    seed: int = 0
    split_seed: int | None = None
    order_seed: int | None = None
    augmentation_seed: int | None = None
    precision: str = "auto"
    compiled: bool = False

    def __post_init__(self) -> None:
        for name, proper, expected in self._checks():
            if not proper:
                found = getattr(self, name.replace("-", "_"))
                raise RequestError(f"--{name}", expected=expected, found=str(found), remedy="choose another")

    def _checks(self) -> Iterable[_Check]:
        yield "epochs", self.epochs >= 1, "at least 1"
        yield "batch-size", _is_batch_size(self.batch_size), "at least 1"
        yield "learning-rate", 0 < self.learning_rate < math.inf, "a finite number above 0"
        yield "optimizer", self.optimizer in OPTIMIZERS, _either(OPTIMIZERS)
        yield "momentum", 0 <= self.momentum < 1, "a number from 0 to below 1"
        yield "weight-decay", 0 <= self.weight_decay < math.inf, "a finite number from 0 on"
        yield "warmup", 0 <= self.warmup < self.epochs, "a number of epochs below --epochs"
        yield "precision", self.precision in PRECISIONS, _either(PRECISIONS)
        for name in ("seed", "split-seed", "order-seed", "augmentation-seed"):
            yield name, _is_seed(getattr(self, name.replace("-", "_"))), "an integer in 0..2^64 - 1"

    def seed_of(self, what: str) -> int:
        """Gives the seed of the split, the order, the augmentation or the scores: its own, or the one of all."""
        own: int | None = getattr(self, f"{what}_seed")
        return self.seed if own is None else own

    def rate(self, done: float) -> float:
        """Gives the learning rate.

        Args:
            done: the share of all steps that are done, 0..1.

        Returns:
            The rate on the line, or on the cosine (Loshchilov & Hutter 2017, equation 5, without restarts).
        """
        rising = self.warmup / self.epochs
        if done < rising:
            return self.learning_rate * done / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))


@dataclass(frozen=True)
class _Sparsity:
    """What stands first among the settings of a search."""

    sparsity: float


@dataclass(frozen=True)
class Settings(TrainingSettings, _Sparsity):
    """The settings that a search's result depends on: those of training, and these.

    Attributes:
        sparsity: k, the share of all weights that are zero in the ticket.
        method: "edge-popup", or "random" for the best of random supermasks.
        threshold: "global", or "layer" for one threshold a layer, each keeping the same share of its searched weights.
        score_seed: of the scores' start; without it, `seed`.

    Raises:
        RequestError: one of them is out of its range.
    """

    method: str = "edge-popup"
    threshold: str = "global"
    score_seed: int | None = None

    def _checks(self) -> Iterable[_Check]:
        yield "sparsity", 0 <= self.sparsity <= 1, "a share in 0..1"
        yield from super()._checks()
        yield "method", self.method in METHODS, _either(METHODS)
        yield "threshold", self.threshold in THRESHOLDS, _either(THRESHOLDS)
        yield "score-seed", _is_seed(self.score_seed), "an integer in 0..2^64 - 1"


def _is_batch_size(value: int | str | None) -> bool:
    return value >= 1 if isinstance(value, int) else value in (None, AUTO)


def _is_seed(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < SEED_LIMIT)


def _either(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
