"""What a search is told, beside its source network and its data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import RequestError
from ..header import SEED_LIMIT

PRECISIONS = ("float32", "bfloat16")
"""What the training steps can multiply in."""


@dataclass(frozen=True)
class Settings:
    """The settings that a search's result depends on.

    Attributes:
        sparsity: k, the share of all weights that are zero in the ticket.
        epochs: passes over the training images.
        batch_size: images in a step.
        learning_rate: at the start; it falls to 0 along a cosine, step by step.
        momentum: of stochastic gradient descent.
        weight_decay: on the scores.
        seed: of the split, the order, the augmentation and the scores' start.
        precision: "float32", or "bfloat16" for the products of the training steps; evaluation is always float32.

    Raises:
        RequestError: one of them is out of its range.
    """

    sparsity: float
    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        ranges = (
            ("sparsity", 0 <= self.sparsity <= 1, "a share in 0..1"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch-size", self.batch_size >= 1, "at least 1"),
            ("learning-rate", 0 < self.learning_rate < math.inf, "a number above 0"),
            ("momentum", 0 <= self.momentum < 1, "a number from 0 to below 1"),
            ("weight-decay", 0 <= self.weight_decay < math.inf, "a number from 0 on"),
            ("seed", 0 <= self.seed < SEED_LIMIT, "an integer in 0..2^64 - 1"),
            ("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS)),
        )
        for name, proper, expected in ranges:
            if not proper:
                found = getattr(self, name.replace("-", "_"))
                raise RequestError(f"--{name}", expected=expected, found=str(found), remedy="choose another")

    def rate(self, done: float) -> float:
        """Gives the learning rate.

        Args:
            done: the share of all steps that are done, 0..1.

        Returns:
            The rate on the cosine (Loshchilov & Hutter 2017, equation 5, without restarts).
        """
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
