"""The accuracy of a ticket or a module on any labelled data, as Python asks for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import data as data_sets
from ..checkpoints.records import Kept
from ..data.dataset import DataSet, Labelled
from ..data.graphs.graph import nodes_of, whole_graph
from ..data.own import tensors_of
from ..errors import RequestError
from ..models import AnyBuilder
from ..tickets.ticket import Ticket
from .devices import choose_device
from .network import build
from .prediction import BATCH_SIZE, predict


@dataclass(frozen=True, eq=False, repr=False)
class Score:
    """How many of some images or nodes were classified correctly.

    Attributes:
        predicted: the likeliest class of each, int64 [n].
        labels: the right one, int64 [n].
    """

    predicted: torch.Tensor
    labels: torch.Tensor

    def __repr__(self) -> str:
        return f"<Score {self.accuracy:.4f}: {self.right:,} of {len(self.labels):,}>"

    @property
    def right(self) -> int:
        """The number of correct predictions."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """The fraction of correct predictions."""
        return self.right / len(self.labels)


def evaluate(
    ticket: Ticket | Kept | nn.Module | str | os.PathLike[str],
    data: Any,
    *,
    model: AnyBuilder | None = None,
    split: str = "test",
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
) -> Score:
    """Run a ticket or a module on labelled data.

    Args:
        ticket: a ticket, a checkpoint, their file, the name of a ticket in the package, or any module.
        data: the name of a data set; images and labels as a tuple of two tensors; or a `torch.utils.data.Dataset`.
            Images are float [n, channels, height, width] as the network takes them, or uint8, which become 0..1.
        model: what makes the ticket's model, where it is not one of sltpack's: a builder, or a module.
        split: "train", "validation" or "test": which part of a named data set.
        data_dir: the folder of a named data set; without it, the user's cache folder.
        image_size: the size that images of a folder are scaled and cropped to.
        batch_size: images at a time; a graph is run as a whole.
        device: "auto", "cpu", "cuda" or "mps".

    Returns:
        The predictions and their accuracy.

    Raises:
        SltpackError: the ticket or the data cannot be read, or do not fit.
    """
    part = _part(data, split, data_dir, image_size)
    is_graph = len(part.shape) == 1
    place = choose_device(device, sparse=is_graph)
    network = ticket if isinstance(ticket, nn.Module) else build(ticket, model)
    was_training = network.training
    try:
        network = network.to(place)
        if is_graph:
            predicted = predict(network, whole_graph(part))[nodes_of(part)]
        else:
            predicted = predict(network, part, batch_size)
    finally:
        network.train(was_training)
    return Score(predicted, part.labels.cpu())


def _part(data: Any, split: str, data_dir: str | os.PathLike[str] | None, image_size: int | None) -> Labelled:
    if not isinstance(data, str | DataSet):
        return tensors_of(data)
    loaded = data
    if isinstance(loaded, str):
        loaded = data_sets.load(loaded, None if data_dir is None else Path(data_dir), image_size)
    if split not in loaded.parts:
        raise RequestError("split", expected=" or ".join(loaded.parts), found=f"{split}", remedy="choose one of these")
    return loaded.parts[split]
