"""Labelled data, whatever it is made of: what a search and an evaluation ask of it, and its three parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError, MismatchError
from ..format.records import GraphInput, ImageInput

VALIDATION_SHARE = 5
"""One of so many validates where a data set has no part for it (Otsuka et al. 2024: a split of 4 to 1)."""

Batch = tuple[Any, torch.Tensor]
"""What a network takes, and the labels that it should find, int64 [B]: of images, normalised, float32 [B, C, H, W] in
channels-last memory; of a graph, `sltpack.models.graph_batch.Nodes`."""
Own = TypeVar("Own", bound="Labelled")


@dataclass(frozen=True)
class Share:
    """The part of each batch that one of several processes works on.

    Attributes:
        index: of the process, from 0.
        count: of all processes.
    """

    index: int = 0
    count: int = 1

    def of(self, size: int) -> slice:
        """Return the places of this process among so many."""
        return slice(size * self.index // self.count, size * (self.index + 1) // self.count)


WHOLE = Share()
"""The share of a process that works alone."""


class Labelled(Protocol):
    """A set of labelled images, or of nodes of a graph, wherever they are kept."""

    @property
    def labels(self) -> torch.Tensor:
        """The right classes, int64 [n]."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image, or the number of features of a node."""

    @property
    def input(self) -> ImageInput | GraphInput | None:
        """How they become what a network takes; None where that was done before and is not known."""

    def __len__(self) -> int: ...

    def take(self: Own, index: torch.Tensor | slice) -> Own:
        """Return some of them, by index or slice."""

    def to(self: Own, device: torch.device) -> Own:
        """Have batches put on a device."""

    def fed(self: Own, given: ImageInput | GraphInput) -> Own:
        """Return the same ones, which become what a network takes in another way."""

    def sha256(self) -> str:
        """Tell these and their labels from others."""

    def files(self) -> Sequence[str]:
        """Return the files that they come from, within the data set's folder; none where there are none."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Return them as they are, in order, `size` at a time; nodes, all at once."""

    def training_batches(
        self, order: NDArray[np.int64], size: int, chance: Sequence[int], share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Return them as they are trained on, images augmented, a batch for each whole `size` in an order.

        Args:
            order: indices, int64.
            size: of a batch, over all processes.
            chance: where the augmentation comes from: what is made of an image depends on this, its place and the
                length of the order, and on nothing else.
            share: the part of each batch that is wanted.

        Yields:
            This share of each batch.
        """


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set.

    Attributes:
        train: what is trained on and, where there is no such part, what validates.
        test: what is looked at once, at the end.
        validation: what picks the best epoch.
        notes: lines that say what was left out or converted when it was read.
        split_here: whether sltpack chose which of them test, since the data say nothing of parts.
    """

    train: Labelled
    test: Labelled
    validation: Labelled | None = None
    notes: tuple[str, ...] = ()
    split_here: bool = False

    def of_training(self, seed: int) -> tuple[Labelled, Labelled]:
        """Return the part that trains and the part that validates, which is cut off by chance where there is none.

        Args:
            seed: of that split.

        Returns:
            Training and validation.
        """
        return split(self.train, seed) if self.validation is None else (self.train, self.validation)

    @property
    def parts(self) -> Mapping[str, Labelled]:
        """The parts by name; none that validates where it is cut off by chance."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def fed(self, given: ImageInput | GraphInput) -> DataSet:
        """Return the same data, which become what a network takes in another way."""
        validation = None if self.validation is None else self.validation.fed(given)
        return replace(self, train=self.train.fed(given), test=self.test.fed(given), validation=validation)

    @property
    def validation_size(self) -> int:
        """How many validate."""
        return len(self.train) - self.training_size if self.validation is None else len(self.validation)

    @property
    def training_size(self) -> int:
        """How many train."""
        count = len(self.train)
        return count if self.validation is not None else count - count // VALIDATION_SHARE


def split(part: Own, seed: int) -> tuple[Own, Own]:
    """Split 4:1 into a part that trains and a part that validates.

    Args:
        part: all that there is for both.
        seed: of the split.

    Returns:
        The training part and the validation part.
    """
    order = torch.from_numpy(np.random.default_rng([seed, 0]).permutation(len(part)))
    held_out = len(part) // VALIDATION_SHARE
    return part.take(order[held_out:]), part.take(order[:held_out])


def require_fitting(part: Labelled, shape: tuple[int, ...], classes: int, where: object) -> None:
    """Make sure that images or nodes fit a model.

    Args:
        part: the images or nodes.
        shape: what the model takes: channels, height and width, or features.
        classes: how many classes it tells apart.
        where: what to name in an error.

    Raises:
        MismatchError: they do not.
    """
    remedy = "choose the data set that the ticket was searched on"
    if part.shape != shape:
        raise MismatchError(where, expected=_in_words(shape), found=_in_words(part.shape), remedy=remedy)
    if len(part.classes) != classes:
        raise MismatchError(where, expected=f"{classes} classes", found=f"{len(part.classes)}", remedy=remedy)


def require_enough(data: DataSet) -> None:
    """Make sure that a data set has something in each part.

    Args:
        data: the data set.

    Raises:
        DataError: there is too little.
    """
    if data.validation is None and (len(data.train) < VALIDATION_SHARE or not len(data.test)):
        raise DataError(
            "data",
            expected=f"at least {VALIDATION_SHARE} images to train and validate and one to test",
            found=f"{len(data.train)} and {len(data.test)}",
            remedy="add images",
        )
    for name, part in data.parts.items():
        if not len(part):
            raise DataError("data", expected=f"something in its part {name}", found="nothing", remedy="add to it")


def _in_words(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"a graph whose nodes have {shape[0]} features"
    return f"images of shape {list(shape)} (channels, height, width)"
