"""What weight training and a search are told, beside their network and their data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import OptionError
from .batches import AUTO, LARGEST
from .methods.table import METHODS
from .options import option, require_fitting
from .options import seed as seed_option
from .presets import OPTIMIZERS, PRECISIONS, THRESHOLDS


@dataclass(frozen=True)
class TrainingSettings:
    """The settings that the result of training depends on, of weights as of scores.

    Attributes:
        epochs: passes over what is trained on.
        batch_size: images or nodes in a step, over all processes; None takes all that train, and "auto" chooses by how
            many train (`sltpack.searching.batches`).
        optimizer: "sgd", stochastic gradient descent, or "adamw".
        learning_rate: the highest; it falls to 0 along a cosine, step by step.
        momentum: of stochastic gradient descent; AdamW's first beta.
        weight_decay: on what is trained.
        warmup: epochs at the start in which the rate rises from 0 along a line.
        precision: "float32", "bfloat16" for the products of the training steps, or "auto" for bfloat16 where the
            device multiplies it faster; evaluation is always float32.
        compiled: whether torch compiles the training steps.
        seed: of everything left to chance that has no seed of its own.
        split_seed: of the split into training and validation; without it, `seed`.
        order_seed: of the order in which they are trained on; without it, `seed`.
        augmentation_seed: of the crops and mirrors; without it, `seed`.

    Raises:
        RequestError: one of them is out of its range.
    """

    epochs: int = option("Passes over what is trained on.", "budget", int, least=1)
    batch_size: int | str | None = option(
        "Images or nodes in a step; otherwise 128 images, or 64, 32 or 16 where an epoch would have fewer than 20 "
        "steps, and of a graph all that train.",
        "budget",
        int,
        default=LARGEST,
        least=1,
        words=(AUTO,),
    )
    optimizer: str = option(
        "What takes the steps; adamw needs a --learning-rate of its own, such as 0.01.",
        "budget",
        choices=OPTIMIZERS,
        default="sgd",
    )
    learning_rate: float = option("The highest; it falls to 0 along a cosine.", "budget", float, default=0.1, above=0)
    momentum: float = option(
        "The share of a step that goes on in the next; of adamw, its first beta.",
        "budget",
        float,
        default=0.9,
        least=0,
        below=1,
    )
    weight_decay: float = option(
        "How strongly a step draws to 0 what is trained.", "budget", float, default=1e-4, least=0
    )
    warmup: int = option(
        "Epochs at the start in which the rate rises from 0; otherwise the recipe's, at most a third of all.",
        "budget",
        int,
        default=0,
        least=0,
    )
    precision: str = option(
        "Of the training steps' products; auto is bfloat16 where the device multiplies it faster.",
        "steps",
        choices=PRECISIONS,
        default="auto",
    )
    compiled: bool = option("Have torch compile the training steps.", "steps", bool, default=False, flag="compile")
    seed: int = seed_option("Of all chance that has no seed of its own.", default=0)
    split_seed: int | None = seed_option("Of the split into training and validation.")
    order_seed: int | None = seed_option("Of the order of the images.")
    augmentation_seed: int | None = seed_option("Of crops and mirrors.")

    def __post_init__(self) -> None:
        require_fitting(self)
        if self.warmup >= self.epochs:
            raise OptionError(
                "warmup",
                expected="a number of epochs below `epochs`",
                found=str(self.warmup),
                remedy="choose another",
            )

    def seed_of(self, what: str) -> int:
        """Return the seed of the split, the order, the augmentation or the scores: its own, or the one of all."""
        own: int | None = getattr(self, f"{what}_seed")
        return self.seed if own is None else own

    def rate(self, done: float) -> float:
        """Return the learning rate.

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
class Sparsity:
    """What stands first among the settings of a search."""

    sparsity: float = option("k, the share of zero weights.", "ticket", float, least=0, most=1)


@dataclass(frozen=True)
class Settings(TrainingSettings, Sparsity):
    """The settings that a search's result depends on: those of training, and these.

    Attributes:
        sparsity: k, the share of all weights that are zero in the ticket.
        method: a name of `sltpack.searching.methods.table.METHODS`.
        threshold: "global", or "layer" for one threshold a layer, each keeping the same share of its searched weights.
        score_seed: of the scores' start; without it, `seed`.

    Raises:
        RequestError: one of them is out of its range.
    """

    method: str = option(
        "Where the ticket comes from: " + "; ".join(f"{name}: {entry.help}" for name, entry in METHODS.items()) + ".",
        "ticket",
        choices=tuple(METHODS),
        default="edge-popup",
    )
    threshold: str = option(
        "One threshold for all layers, or one for each.", "ticket", choices=THRESHOLDS, default="global"
    )
    score_seed: int | None = seed_option("Of the scores' start, or of random supermasks.")
