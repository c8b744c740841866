"""A ticket, or a network whose weights were trained, as a running model, and what it says of single images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..checkpoints import reading as checkpoint_reader
from ..checkpoints.facts import Facts, facts_of_ticket
from ..checkpoints.records import Kept
from ..data.images.folders import read_image
from ..data.images.in_memory import Normaliser
from ..data.images.notes import Notes
from ..errors import MismatchError, require_positive, shown
from ..format.detection import Kind, kind_of
from ..format.records import FITS, MAX_WEIGHTS, ImageInput, ModelSpec
from ..limits import MEMORY, Memory
from ..models import MODELS, AnyBuilder, describe, takes_graph
from ..models.building import build_ticket, filled, require_layers
from ..models.generated import is_small, predict_generated, require_alike, require_channels
from ..tickets.storage import load
from ..tickets.ticket import Ticket
from .devices import choose_device
from .memory import fitting_batch
from .prediction import BATCH_SIZE, evaluating

_CHECKPOINT = ".pt"


def build(
    ticket: Ticket | Kept | str | os.PathLike[str], model: AnyBuilder | None = None, where: object = "ticket"
) -> nn.Module:
    """Make the running model of a ticket; its regenerated weights are checked against the ticket's digest.

    >>> import sltpack
    >>> type(sltpack.build("conv6-cifar10")).__name__
    'Sequential'

    Args:
        ticket: the ticket, or a checkpoint, or the file of one of them, or the name of a ticket in the package.
        model: what makes the model where it is not one of sltpack's: a module like the one that was searched, which
            stays as it is; a function or class that makes one; or "package.module:function", which has to be the name
            that the ticket has.
        where: what to name in an error.

    Returns:
        A plain torch module on the CPU, in evaluation mode and channels-last memory, that needs no gradients.

    Raises:
        RequestError: the model is unknown, or is code that the caller did not name or that fails.
        MismatchError: the model has other layers or buffers than the ticket.
        FormatError: the regenerated weights are not the ones that the ticket was made with.
    """
    if isinstance(ticket, str | os.PathLike):
        return open_network(os.fspath(ticket), model).model
    if isinstance(ticket, Ticket):
        return build_ticket(ticket, model, where)
    require_layers(ticket.source, model, where)
    return filled(ticket.source.model, ticket.state(), list(ticket.buffers), model, where)


@dataclass(frozen=True, eq=False)
class Network:
    """A running model, and what its file says of it.

    Attributes:
        model: a plain torch module in evaluation mode, on the CPU or where it was put.
        spec: its name and arguments.
        facts: how it is fed, its classes, what was measured and what it predicts.
        where: its file, which errors name.
    """

    model: nn.Module
    spec: ModelSpec
    facts: Facts
    where: object

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each output of the model; none at all where they are unknown, or are not as many."""
        _, classes, _ = describe(self.spec)
        return self.facts.classes if len(self.facts.classes) == classes else ()

    @property
    def is_users(self) -> bool:
        """Whether the model is not one of sltpack's, so that its code may change under its files."""
        return self.spec.name not in MODELS

    def input_of_images(self) -> ImageInput:
        """Return how pictures become the model's input.

        Raises:
            MismatchError: the file does not say it, or not in a way that is known and fits the model.
        """
        given, (_, _, shape) = self.facts.input, describe(self.spec)
        if isinstance(given, ImageInput) and given.fit in FITS:
            require_channels(given, shape[0], self.where)
            return given
        raise MismatchError(
            f"{self.where}: input",
            expected=f"how pictures are fitted and normalised, with a fit of {' or '.join(FITS)}",
            found="nothing" if given is None else shown(getattr(given, "fit", "a graph's")),
            remedy="build the model in Python and feed it yourself",
        )

    def check_outputs(self) -> int | None:
        """Run the model on the generated inputs, and compare with what the file says that it predicts.

        Returns:
            How many of the 32 are alike, at least 30; None where the file says nothing, or the inputs would be too
            large.

        Raises:
            MismatchError: fewer are alike: the model's code has changed under the file.
        """
        recorded = self.facts.outputs
        if not recorded or not is_small(self.spec):
            return None
        with evaluating(self.model):
            found = predict_generated(self.model, self.spec, self.facts.input, self.where)
        return require_alike(found, recorded, self.where)


def open_network(file: str | Path, builder: AnyBuilder | None = None, max_weights: int = MAX_WEIGHTS) -> Network:
    """Make the running model of a file.

    Args:
        file: a `.slt` file, the name of a ticket in the package, or what a search or weight training kept; which of
            them, its first bytes tell.
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.

    Returns:
        The network.

    Raises:
        SltpackError: the file cannot be read, or the model not built.
    """
    kind = kind_of(Path(file))
    # A name in .pt of anything but a ticket is told what is wrong with it as a checkpoint.
    if kind is Kind.CHECKPOINT or (kind is not Kind.TICKET and str(file).endswith(_CHECKPOINT)):
        kept = checkpoint_reader.load_any(Path(file), max_weights)
        return Network(build(kept, builder, file), kept.source.model, kept.facts(), file)
    ticket = load(file, max_weights)
    return Network(build(ticket, builder, file), ticket.source.model, facts_of_ticket(ticket), file)


def classify_files(
    file: str | Path,
    paths: Sequence[Path],
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    builder: AnyBuilder | None = None,
    max_weights: int = MAX_WEIGHTS,
    likeliest: int = 3,
    limits: Memory = MEMORY,
    notes: Notes | None = None,
) -> list[tuple[Path, list[tuple[str, float]]]]:
    """Run a ticket on image files, scaled and cropped to the size that it takes.

    Args:
        file: as for `open_network`.
        paths: image files of any format that Pillow reads.
        batch_size: the most images at a time; at least 1. Fewer are taken where memory would not do for so many.
        device: "auto", "cpu", "cuda" or "mps".
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.
        likeliest: how many classes to name, at most.
        limits: on the memory for a picture and for the network.
        notes: where conversions of pictures are counted.

    Returns:
        For each file, the names of the likeliest classes with their shares of the softmax, best first.

    Raises:
        RequestError: the batch size is below 1, or the network takes too much memory.
        MismatchError: the file does not say how pictures become the network's input, or a model of the user's own
            predicts other classes than it did when the file was made.
        SltpackError: the ticket or an image cannot be read, or the model not built.
    """
    require_positive("--batch-size", batch_size)
    place_to_run = choose_device(device)
    network = open_network(file, builder, max_weights)
    _, classes, shape = describe(network.spec)
    if takes_graph(network.spec):
        raise MismatchError(
            file, expected="a ticket for images", found="one for graphs", remedy="run it on one: infer FILE --data NAME"
        )
    sides = (shape[0], shape[1], shape[2])
    model = network.model.to(place_to_run)
    names = network.class_names or tuple(f"class {number}" for number in range(classes))
    how = network.input_of_images()
    batch_size = fitting_batch(model, sides, batch_size, limits.activations, file)
    if network.is_users:  # for sltpack's own, this would take far longer than a few pictures
        network.check_outputs()
    normalise = Normaliser(how, place_to_run)
    found = []
    with evaluating(model):
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            read = [read_image(path, sides, how.fit, limits, notes) for path in batch]
            pixels = torch.from_numpy(np.stack(read))  # (B, H, W, C)
            shares = model(normalise(pixels.to(place_to_run))).softmax(1).cpu()  # (B, classes)
            best, indices = shares.topk(min(likeliest, classes))
            for path, values, numbers in zip(batch, best.tolist(), indices.tolist(), strict=True):
                found.append((path, [(names[number], share) for number, share in zip(numbers, values, strict=True)]))
    return found
