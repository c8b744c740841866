"""The score of a ticket on labelled images: how many it gets right, how fast, and in how much memory."""

from __future__ import annotations

import csv
import io
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import data
from .bundled import locate
from .data.images import LabelledImages, require_shape
from .devices import choose_device
from .errors import DataError, MismatchError, RequestError, require_positive
from .evaluation import BATCH_SIZE, accuracy, predict
from .files import require_free, write_atomically
from .header import MAX_WEIGHTS
from .inference import Network, open_network
from .models import describe

SPLITS = ("test", "train", "all")
"""The parts of a data set that a ticket can be run on."""


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
        return accuracy(self.classes, self.labels)

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
    workers: int | None = None,
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
        file: a `.slt` file, the name of a ticket in the package, or what a search or weight training kept.
        data_name: "cifar10", "cifar100", "digits", "folder:PATH" or "imagenet:PATH".
        data_dir: the data's folder; without it, the user's cache folder.
        workers: processes that read the images of "imagenet:PATH".
        split: "test", "train" or "all" for both.
        limit: the most images to run on, the first ones; at least 1.
        batch_size: images at a time; at least 1.
        device: "auto", "cpu", "cuda" or "mps".
        predictions: a CSV file to write, with index, label, predicted class and their names for each image, and its
            file where it has one.
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
    require_positive("--limit", limit)
    require_positive("--batch-size", batch_size)
    if predictions is not None:
        require_free(predictions, locate(file), force=force)
    place_to_run = choose_device(device)
    begin = time.perf_counter()
    network = open_network(file, builder, max_weights)
    model = network.model.to(place_to_run)
    load_seconds = time.perf_counter() - begin
    _, classes, shape = describe(network.spec)
    images = data.load(data_name, data_dir, _image_size(network, data_name), workers)
    parts = [part.take(slice(0, limit)) for part in _parts(images, split)]
    if not any(map(len, parts)):
        raise DataError(data_name, expected=f"images in its part {split}", found="none", remedy="choose another part")
    for part in parts:
        require_shape(part, shape, classes, data_name)
        _require_classes(network.class_names, part.classes, data_name)
    begin = time.perf_counter()
    predicted = torch.cat([predict(model, part, batch_size, note="infer") for part in parts])[:limit]
    run_seconds = time.perf_counter() - begin
    labels = torch.cat([part.labels for part in parts])[:limit]
    if predictions is not None:
        files = [name for part in parts for name in part.files() or ()][: len(predicted)]
        _write_predictions(predictions, predicted, labels, images.train.classes, files, force)
    return Result(predicted, labels, load_seconds, run_seconds, peak_memory(place_to_run), str(place_to_run))


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


def _parts(images: data.ImageData, split: str) -> list[LabelledImages]:
    return {"test": [images.test], "train": [images.train], "all": [images.train, images.test]}[split]


def _image_size(network: Network, data_name: str) -> int | None:
    size = network.about.get("image_size", "")
    return int(size) if ":" in data_name and size.isdecimal() and len(size) <= 5 else None


def _require_classes(of_ticket: tuple[str, ...], of_data: tuple[str, ...], where: object) -> None:
    if of_ticket and of_ticket != of_data:
        raise MismatchError(
            where,
            expected=f"the ticket's classes {', '.join(of_ticket)}",
            found=", ".join(of_data),
            remedy="choose the data set that the ticket was searched on",
        )


def _write_predictions(
    path: Path,
    predicted: torch.Tensor,
    labels: torch.Tensor,
    classes: tuple[str, ...],
    files: list[str],
    force: bool,
) -> None:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["index", "label", "predicted", "label_name", "predicted_name", *(["file"] if files else [])])
    for index, (label, guess) in enumerate(zip(labels.tolist(), predicted.tolist(), strict=True)):
        rows.writerow([index, label, guess, classes[label], classes[guess], *files[index : index + 1]])
    # File names as the operating system has them, which need not be text.
    write_atomically(path, out.getvalue().encode("utf-8", "surrogateescape"), force=force)
