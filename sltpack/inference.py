"""A ticket as a running model, and its score on data."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import data
from .data.folders import read_image
from .data.images import Images, require_shape
from .devices import choose_device
from .errors import DataError, MismatchError, RequestError
from .evaluation import BATCH_SIZE, evaluating, predict
from .files import refuse_existing, write_atomically
from .header import MAX_WEIGHTS
from .layers import assign, buffers, channels_last
from .models import MODELS, describe, shapes, try_out
from .models import build as build_model
from .tickets import Ticket, load, weights_digest

SPLITS = ("test", "train", "all")
"""The parts of a data set that a ticket can be run on."""


def build(ticket: Ticket, builder: str | None = None, where: object = "ticket") -> nn.Module:
    """Makes the running model of a ticket; its regenerated weights are checked against the ticket's digest.

    Args:
        ticket: the ticket.
        builder: "package.module:function" where the model is not one of sltpack's; it has to be the one that the
            ticket names.
        where: what to name in an error.

    Returns:
        A plain torch module on the CPU, in evaluation mode and channels-last memory, that needs no gradients.

    Raises:
        RequestError: the model is unknown, or is code that the caller did not name or that fails.
        MismatchError: the model has other layers or buffers than the ticket.
        FormatError: the regenerated weights are not the ones that the ticket was made with.
    """
    spec = ticket.source.model
    _require_layers(ticket, shapes(spec, builder, where), where)
    state = ticket.state()
    ticket.check(weights_digest(state[layer.parameter] for layer in ticket.source.layers), where)
    users = spec.name not in MODELS
    # A model of the user's own may hold constants that no ticket has: only its builder can make them, in real memory.
    with nullcontext() if users else torch.device("meta"):
        model = build_model(spec, builder, where)
    own = {name: tuple(buffer.shape) for name, buffer in buffers(model).items()}
    packed = {name: values.shape for name, values in ticket.buffers.items()}
    if own != packed:
        raise MismatchError(
            where,
            expected=f"the buffers of model {spec.name}: {', '.join(own) or 'none'}",
            found=", ".join(packed) or "none",
            remedy="use the model that the ticket was searched with",
        )
    assign(model, {name: torch.from_numpy(values) for name, values in state.items()})
    model = channels_last(model).eval()
    if users:
        try_out(model, spec, where)
    return model


@dataclass(frozen=True)
class Result:
    """How a ticket did on labelled images.

    Attributes:
        classes: the likeliest class of each image, int64 [n].
        labels: the right one, int64 [n].
        load_seconds: to read the file, regenerate and check the weights and build the model.
        run_seconds: to run the model on all images.
        peak_memory: of the device, or of the whole process on a CPU, in bytes; None where the system does not tell.
        device: where the model ran.
    """

    classes: torch.Tensor
    labels: torch.Tensor
    load_seconds: float
    run_seconds: float
    peak_memory: int | None
    device: str

    @property
    def images(self) -> int:
        """The number of images."""
        return len(self.classes)

    @property
    def right(self) -> int:
        """The number of right predictions."""
        return int((self.classes == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return self.right / self.images

    @property
    def images_per_second(self) -> float:
        """Images by the time to run them."""
        return self.images / self.run_seconds

    def summary(self) -> dict[str, Any]:
        """Gives the numbers by name, for scripts."""
        return {
            "accuracy": self.accuracy,
            "right": self.right,
            "images": self.images,
            "images_per_second": self.images_per_second,
            "load_seconds": self.load_seconds,
            "run_seconds": self.run_seconds,
            "peak_memory_bytes": self.peak_memory,
            "device": self.device,
        }


def score_on(
    file: str | Path,
    data_name: str,
    *,
    data_dir: Path | None = None,
    split: str = "test",
    limit: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    predictions: Path | None = None,
    force: bool = False,
    builder: str | None = None,
    max_weights: int = MAX_WEIGHTS,
) -> Result:
    """Runs a ticket on a data set.

    Args:
        file: a `.slt` file or the name of a ticket in the package.
        data_name: "cifar10", "cifar100", "digits" or "folder:PATH".
        data_dir: the data's folder; without it, the user's cache folder.
        split: "test", "train" or "all" for both.
        limit: the most images to run on, the first ones; at least 1.
        batch_size: images at a time; at least 1.
        device: "auto", "cpu", "cuda" or "mps".
        predictions: a CSV file to write, with index, label, predicted class and their names for each image.
        force: whether an existing CSV file is replaced.
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.

    Returns:
        The predictions, accuracy, times and memory.

    Raises:
        RequestError: there is no such split, or a number is below 1.
        MismatchError: the images have another shape, number of classes or class names than the ticket's.
        SltpackError: the ticket or the data cannot be read, the model not built, the CSV file not written.
    """
    if split not in SPLITS:
        raise RequestError("--split", expected=" or ".join(SPLITS), found=str(split), remedy="choose one of these")
    _require_positive("--limit", limit)
    _require_positive("--batch-size", batch_size)
    if predictions is not None and not force:
        refuse_existing(predictions)
    place_to_run = choose_device(device)
    begin = time.perf_counter()
    ticket = load(file, max_weights)
    model = build(ticket, builder, file).to(place_to_run)
    load_seconds = time.perf_counter() - begin
    _, classes, shape = describe(ticket.source.model)
    images = _part(data.load(data_name, data_dir, _image_size(ticket, data_name)), split, limit)
    if not len(images):
        raise DataError(data_name, expected=f"images in its part {split}", found="none", remedy="choose another part")
    require_shape(images, shape, classes, data_name)
    _require_classes(class_names(ticket), images.classes, data_name)
    begin = time.perf_counter()
    predicted = predict(model, images, batch_size, note="infer")
    run_seconds = time.perf_counter() - begin
    if predictions is not None:
        _write_predictions(predictions, predicted, images, force)
    return Result(predicted, images.labels, load_seconds, run_seconds, peak_memory(place_to_run), str(place_to_run))


def classify_files(
    file: str | Path,
    paths: Sequence[Path],
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    builder: str | None = None,
    max_weights: int = MAX_WEIGHTS,
    likeliest: int = 3,
) -> list[tuple[Path, list[tuple[str, float]]]]:
    """Runs a ticket on image files, scaled and cropped to the size that it takes.

    Args:
        file: a `.slt` file or the name of a ticket in the package.
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
    _require_positive("--batch-size", batch_size)
    place_to_run = choose_device(device)
    ticket = load(file, max_weights)
    _, classes, shape = describe(ticket.source.model)
    model = build(ticket, builder, file).to(place_to_run)
    names = class_names(ticket) or tuple(f"class {number}" for number in range(classes))
    found = []
    with evaluating(model):
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            pixels = torch.from_numpy(np.stack([read_image(path, shape) for path in batch]))  # (B, H, W, C)
            images = data.unlabelled(ticket.about.get("data", ""), pixels)
            _require_normalisation(images, file)
            shares = model(images.normalise(pixels.to(place_to_run))).softmax(1).cpu()  # (B, classes)
            best, indices = shares.topk(min(likeliest, classes))
            for path, values, numbers in zip(batch, best.tolist(), indices.tolist(), strict=True):
                found.append((path, [(names[number], share) for number, share in zip(numbers, values, strict=True)]))
    return found


def class_names(ticket: Ticket) -> tuple[str, ...]:
    """Gives the names of a ticket's classes: those in the file, else those that its data set fixes.

    Args:
        ticket: the ticket, whose free text a stranger may have written.

    Returns:
        One name for each output of the model; none at all where the names are unknown, or are not as many.
    """
    try:
        names = json.loads(ticket.about.get("classes", "[]"))
    except (ValueError, RecursionError):
        names = []
    told = tuple(map(str, names)) if isinstance(names, list) else ()
    known = told or data.fixed_classes(ticket.about.get("data", ""))
    _, classes, _ = describe(ticket.source.model)
    return known if len(known) == classes else ()


def peak_memory(device: torch.device) -> int | None:
    """Tells how much memory was taken at most so far.

    Args:
        device: where the model runs.

    Returns:
        Bytes: of a CUDA device's memory, otherwise of the whole process; None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _require_positive(where: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise RequestError(where, expected="at least 1", found=f"{number}", remedy="choose a larger one")


def _part(images: data.ImageData, split: str, limit: int | None) -> Images:
    parts = {"test": [images.test], "train": [images.train], "all": [images.train, images.test]}[split]
    joined = replace(
        parts[0],
        pixels=torch.cat([part.pixels for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
    )
    return joined.take(slice(0, limit))


def _image_size(ticket: Ticket, data_name: str) -> int | None:
    size = ticket.about.get("image_size", "")
    return int(size) if data_name.startswith("folder:") and size.isdecimal() else None


def _require_classes(of_ticket: tuple[str, ...], of_data: tuple[str, ...], where: object) -> None:
    if of_ticket and of_ticket != of_data:
        raise MismatchError(
            where,
            expected=f"the ticket's classes {', '.join(of_ticket)}",
            found=", ".join(of_data),
            remedy="choose the data set that the ticket was searched on",
        )


def _require_normalisation(images: Images, where: object) -> None:
    channels, _, _ = images.shape
    if len(images.mean) != channels:
        raise MismatchError(
            where,
            expected=f"a ticket for images of {len(images.mean)} channels, as far as its data set is known",
            found=f"one of {channels}",
            remedy="normalise the images yourself and run the model from Python",
        )


def _write_predictions(path: Path, predicted: torch.Tensor, images: Images, force: bool) -> None:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["index", "label", "predicted", "label_name", "predicted_name"])
    for index, (label, guess) in enumerate(zip(images.labels.tolist(), predicted.tolist(), strict=True)):
        rows.writerow([index, label, guess, images.classes[label], images.classes[guess]])
    write_atomically(path, out.getvalue().encode(), force=force)


def _require_layers(ticket: Ticket, own: dict[str, tuple[int, ...]], where: object) -> None:
    packed = {layer.name: layer.shape for layer in ticket.source.layers}
    if list(own.items()) == list(packed.items()):
        return
    other = next(iter(dict(set(own.items()) ^ set(packed.items()))), "the order of the layers")
    raise MismatchError(
        f"{where}: layer {other}",
        expected=f"as model {ticket.source.model.name} has it, {own.get(other, 'no such layer')}",
        found=f"{packed.get(other, 'no such layer')}",
        remedy="the file does not fit this version's model, or was not written by sltpack",
    )
