"""A ticket, or a network whose weights were trained, as a running model, and what it says of single images."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import data
from ..checkpoints import reading as checkpoint_reader
from ..checkpoints.records import Kept
from ..data.images.in_memory import Images
from ..errors import MismatchError, require_positive
from ..format.detection import Kind, kind_of
from ..format.records import MAX_WEIGHTS, ModelSpec, Source
from ..models import MODELS, AnyBuilder, describe, shapes, takes_graph, try_out
from ..models import build as build_model
from ..models.layers import assign, buffers, channels_last
from ..tickets.ticket import Ticket, load, weights_digest
from .devices import choose_device
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
    if isinstance(ticket, Kept):
        return build_kept(ticket, model, where)
    spec = ticket.source.model
    _require_layers(ticket.source, shapes(spec, model, where), where)
    state = ticket.state()
    ticket.check(weights_digest(state[layer.parameter] for layer in ticket.source.layers), where)
    tensors = {name: torch.from_numpy(values) for name, values in state.items()}
    return _filled(spec, tensors, ticket.buffers, model, where)


def _filled(
    spec: ModelSpec,
    state: Mapping[str, torch.Tensor],
    packed: Mapping[str, Any],
    builder: AnyBuilder | None,
    where: object,
) -> nn.Module:
    """Builds a model and puts a state into it, whose buffers have to be the model's own."""
    users = spec.name not in MODELS or not isinstance(builder, str | None)
    # A model of the user's own may hold constants that no ticket has: only its builder can make them, in real memory.
    with nullcontext() if users else torch.device("meta"):
        model = build_model(spec, builder, where)
    own = {name: tuple(buffer.shape) for name, buffer in buffers(model).items()}
    if own != {name: tuple(values.shape) for name, values in packed.items()}:
        raise MismatchError(
            where,
            expected=f"the buffers of model {spec.name}: {', '.join(own) or 'none'}",
            found=", ".join(packed) or "none",
            remedy="use the model that the ticket was searched with",
        )
    assign(model, state)
    model = channels_last(model).eval()
    if users:
        try_out(model, spec, where)
    return model


@dataclass(frozen=True, eq=False)
class Network:
    """A running model, and what its file says of it.

    Attributes:
        model: a plain torch module in evaluation mode, on the CPU.
        spec: its name and arguments.
        about: free text by name, as in a ticket.
    """

    model: nn.Module
    spec: ModelSpec
    about: Mapping[str, str]

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each output of the model; none at all where they are unknown, or are not as many."""
        try:
            names = json.loads(self.about.get("classes", "[]"))
        except (ValueError, RecursionError):
            names = []
        told = tuple(map(str, names)) if isinstance(names, list) else ()
        known = told or data.fixed_classes(self.about.get("data", ""))
        _, classes, _ = describe(self.spec)
        return known if len(known) == classes else ()


def open_network(file: str | Path, builder: AnyBuilder | None = None, max_weights: int = MAX_WEIGHTS) -> Network:
    """Makes the running model of a file.

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
        return Network(build_kept(kept, builder, file), kept.source.model, kept.about())
    ticket = load(file, max_weights)
    return Network(build(ticket, builder, file), ticket.source.model, ticket.about)


def classify_files(
    file: str | Path,
    paths: Sequence[Path],
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    builder: AnyBuilder | None = None,
    max_weights: int = MAX_WEIGHTS,
    likeliest: int = 3,
) -> list[tuple[Path, list[tuple[str, float]]]]:
    """Runs a ticket on image files, scaled and cropped to the size that it takes.

    Args:
        file: as for `open_network`.
        paths: image files of any format that Pillow reads.
        batch_size: images at a time, which are in memory together; at least 1.
        device: "auto", "cpu", "cuda" or "mps".
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.
        likeliest: how many classes to name, at most.

    Returns:
        For each file, the names of the likeliest classes with their shares of the softmax, best first.

    Raises:
        RequestError: the batch size is below 1.
        MismatchError: it is unknown how images of the ticket's number of channels were normalised.
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
    kind = network.about.get("data", "")
    found = []
    with evaluating(model):
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            pixels = torch.from_numpy(np.stack([data.read_image(kind, path, sides) for path in batch]))  # (B, H, W, C)
            images = data.unlabelled(kind, pixels)
            _require_normalisation(images, file)
            shares = model(images.normalise(pixels.to(place_to_run))).softmax(1).cpu()  # (B, classes)
            best, indices = shares.topk(min(likeliest, classes))
            for path, values, numbers in zip(batch, best.tolist(), indices.tolist(), strict=True):
                found.append((path, [(names[number], share) for number, share in zip(numbers, values, strict=True)]))
    return found


def build_kept(kept: Kept, builder: AnyBuilder | None = None, where: object = "checkpoint") -> nn.Module:
    """Make the running model of what a search or weight training kept.

    Args:
        kept: the checkpoint or the trained network.
        builder: as for `build`.
        where: what to name in an error.

    Returns:
        A plain torch module, as from `build`.

    Raises:
        SltpackError: as from `build`.
    """
    spec = kept.source.model
    _require_layers(kept.source, shapes(spec, builder, where), where)
    return _filled(spec, kept.state(), kept.buffers, builder, where)


def _require_normalisation(images: Images, where: object) -> None:
    channels, _, _ = images.shape
    if len(images.mean) != channels:
        raise MismatchError(
            where,
            expected=f"a ticket for images of {len(images.mean)} channels, as far as its data set is known",
            found=f"one of {channels}",
            remedy="normalise the images yourself and run the model from Python",
        )


def _require_layers(source: Source, own: dict[str, tuple[int, ...]], where: object) -> None:
    packed = {layer.name: layer.shape for layer in source.layers}
    if list(own.items()) == list(packed.items()):
        return
    other = next(iter(dict(set(own.items()) ^ set(packed.items()))), "the order of the layers")
    raise MismatchError(
        f"{where}: layer {other}",
        expected=f"as model {source.model.name} has it, {own.get(other, 'no such layer')}",
        found=f"{packed.get(other, 'no such layer')}",
        remedy="the file does not fit this version's model, or was not written by sltpack",
    )
