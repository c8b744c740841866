"""What a search is told, beside its source network and its data."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
    """

    sparsity: float
    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    seed: int = 0
    precision: str = "float32"

    def rate(self, done: float) -> float:
        """Gives the learning rate.

        Args:
            done: the share of all steps that are done, 0..1.
        """
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
