"""The score of a ticket on labelled images or nodes: how many it gets right, how fast, and in how much memory."""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..bundled import locate
from ..data import sources
from ..data.dataset import DataSet, Labelled, require_fitting
from ..data.graphs.graph import nodes_of, whole_graph
from ..data.images.listing import part_of
from ..errors import DataError, MismatchError, RequestError, require_positive
from ..files import require_free, write_atomically
from ..format.records import MAX_WEIGHTS
from ..limits import MEMORY, Memory
from ..models import describe, takes_graph
from .devices import choose_device
from .memory import fitting_batch
from .network import Network, open_network
from .prediction import BATCH_SIZE, accuracy, predict
from .recorded import compare, fed, image_size, require_input

SPLITS = ("test", "validation", "train", "all")
"""The parts of a data set that a ticket can be run on; not every data set has one for validation."""
_ANOTHER = "choose one of these"


@dataclass(frozen=True)
class Part:
    """How a ticket did on a part of a data set.

    Attributes:
        right: the number of right predictions.
        count: of all.
    """

    right: int
    count: int

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return self.right / self.count

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, for scripts."""
        return {"accuracy": self.accuracy, **asdict(self)}


@dataclass(frozen=True)
class Result:
    """How a ticket did on labelled images or nodes.

    Attributes:
        classes: the likeliest class of each that was asked for, int64 [n].
        labels: the right one, int64 [n].
        unit: "images" or "nodes".
        parts: of the data set, by name: those that the model was run on, which of a graph are all.
        run_on: how many the model was run on; of a graph all nodes, labelled or not.
        load_seconds: to read the file, regenerate and check the weights and build the model.
        run_seconds: to run the model on all of these.
        peak_memory: of the device, or of the whole process on a CPU, in bytes; None where the system does not tell.
        device: where the model ran.
        split: the part of the data that was asked for, or that was taken.
        notes: lines that say how the data were read and divided, and where the accuracy is not what the file records.
    """

    classes: torch.Tensor
    labels: torch.Tensor
    unit: str
    parts: Mapping[str, Part]
    run_on: int
    load_seconds: float
    run_seconds: float
    peak_memory: int | None
    device: str
    split: str = "test"
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of images or nodes that were asked for."""
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
    def per_second(self) -> float:
        """Images or nodes by the time to run them."""
        return self.run_on / self.run_seconds

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, for scripts."""
        return {
            "accuracy": self.accuracy,
            "right": self.right,
            self.unit: self.count,
            "split": self.split,
            "splits": {name: part.summary() for name, part in self.parts.items()},
            f"{self.unit}_per_second": self.per_second,
            "load_seconds": self.load_seconds,
            "run_seconds": self.run_seconds,
            "peak_memory_bytes": self.peak_memory,
            "device": self.device,
            "notes": list(self.notes),
        }


def score_on(
    file: str | Path,
    data_name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    split: str | None = None,
    limit: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    predictions: Path | None = None,
    force: bool = False,
    builder: str | None = None,
    max_weights: int = MAX_WEIGHTS,
    limits: Memory = MEMORY,
) -> Result:
    """Run a ticket on a data set.

    Args:
        file: a `.slt` file, the name of a ticket in the package, or what a search or weight training kept.
        data_name: one of `sltpack.data.sources.NAMES`.
        data_dir: the data's folder; without it, the user's cache folder.
        workers: processes that read the images of "imagenet:PATH".
        split: "test", "train", "validation" where the data have it, or "all" of these. Without it, "test"; but "all"
            of a folder of pictures that has no parts and is itself called like one, such as "photos/test".
        limit: the most images or nodes to tell of, the first ones; at least 1.
        batch_size: the most images at a time; at least 1. Fewer are taken where memory would not do. A graph is
            run as a whole.
        device: "auto", "cpu", "cuda" or "mps".
        predictions: a CSV file to write, with index, label, predicted class and their names for each image, and its
            file where it has one; of a graph for each node, whatever the split, and its part.
        force: whether an existing CSV file is replaced.
        builder: "package.module:function" where the model is not one of sltpack's.
        max_weights: the most weights that the file may ask for.
        limits: on the memory for pictures and for the network.

    Returns:
        The predictions, accuracy, times and memory.

    Raises:
        RequestError: there is no such split, or a number is below 1.
        MismatchError: the images have another shape, number of classes or class names than the ticket's, or the model
            predicts other classes for the generated inputs than it did when the file was made.
        SltpackError: the ticket or the data cannot be read, the model not built, the CSV file not written.
    """
    if split is not None and split not in SPLITS:
        raise RequestError("--split", expected=" or ".join(SPLITS), found=str(split), remedy=_ANOTHER)
    require_positive("--limit", limit)
    require_positive("--batch-size", batch_size)
    if predictions is not None:
        require_free(predictions, locate(file), force=force)
    place_to_run = choose_device(device, sparse=sources.is_graph(data_name))
    begin = time.perf_counter()
    network = open_network(file, builder, max_weights)
    model = network.model.to(place_to_run)
    load_seconds = time.perf_counter() - begin
    graph = sources.source_of(data_name).graph
    _require_kind(network, graph, data_name)
    given = require_input(network, graph)
    network.check_outputs()
    fit = None if given is None else given.fit
    loaded = sources.load(data_name, data_dir, image_size(network, data_name), workers, limits, fit)
    loaded, assumed = fed(loaded, given, network, data_name)
    split, divided = _divided(loaded, data_name, split)
    names = [name for name in loaded.parts if split in (name, "all")]
    if not names:
        raise RequestError("--split", expected=f"{' or '.join(loaded.parts)} or all", found=split, remedy=_ANOTHER)
    if not any(len(loaded.parts[name]) for name in names):
        raise DataError(data_name, expected=f"any in its part {split}", found="none", remedy="choose another part")
    _, classes, shape = describe(network.spec)
    for part in loaded.parts.values():
        require_fitting(part, shape, classes, data_name)
        _require_classes(network.class_names, part.classes, data_name)
    if not graph:
        batch_size = fitting_batch(model, shape, batch_size, limits.activations, file)
    begin = time.perf_counter()
    answers = _of_graph(model, loaded) if graph else _of_images(model, loaded, names, limit, batch_size)
    run_seconds = time.perf_counter() - begin
    if predictions is not None:
        # File names as the operating system has them, which need not be text.
        write_atomically(predictions, answers.table().encode("utf-8", "surrogateescape"), force=force)
    parts = {name: _part(answers.predicted[name], part) for name, part in answers.parts.items() if len(part)}
    differing = compare(network, data_name, {name: (part.right, part.count) for name, part in parts.items()})
    return Result(
        torch.cat([answers.predicted[name] for name in names])[:limit],
        torch.cat([answers.parts[name].labels for name in names])[:limit],
        "nodes" if graph else "images",
        parts,
        answers.run_on,
        load_seconds,
        run_seconds,
        peak_memory(place_to_run),
        str(place_to_run),
        split,
        (*loaded.notes, *divided, *assumed, *differing),
    )


def peak_memory(device: torch.device) -> int | None:
    """Tell how much memory was taken at most so far.

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


@dataclass(frozen=True)
class _Answers:
    """What a model said.

    Attributes:
        parts: of the data set, by name.
        predicted: the likeliest class of each in these parts, int64.
        run_on: how many the model was run on.
        table: makes the lines of a CSV file.
    """

    parts: Mapping[str, Labelled]
    predicted: Mapping[str, torch.Tensor]
    run_on: int
    table: Callable[[], str]


def _of_images(model: nn.Module, loaded: DataSet, names: list[str], limit: int | None, batch_size: int) -> _Answers:
    parts: dict[str, Labelled] = {}
    for name in names:
        left = None if limit is None else limit - sum(map(len, parts.values()))
        parts[name] = loaded.parts[name].take(slice(0, left))
    predicted = {name: predict(model, part, batch_size, note="infer") for name, part in parts.items()}

    def table() -> str:
        files = [file for part in parts.values() for file in part.files()]
        labels = torch.cat([part.labels for part in parts.values()])
        classes = torch.cat(list(predicted.values()))
        return _table(classes, labels, loaded.train.classes, {"file": files} if files else {})

    return _Answers(parts, predicted, sum(map(len, parts.values())), table)


def _of_graph(model: nn.Module, loaded: DataSet) -> _Answers:
    whole = whole_graph(loaded.train)
    classes = predict(model, whole, note="infer")

    def table() -> str:
        names = [""] * len(whole)
        for name, part in loaded.parts.items():
            for node in nodes_of(part).tolist():
                names[node] = name
        return _table(classes, whole.labels, loaded.train.classes, {"part": names})

    predicted = {name: classes[nodes_of(part)] for name, part in loaded.parts.items()}
    return _Answers(loaded.parts, predicted, len(whole), table)


def _divided(loaded: DataSet, data_name: str, split: str | None) -> tuple[str, tuple[str, ...]]:
    """Return which part of the data is taken, and lines that say so where the data have no parts of their own."""
    if not loaded.split_here:
        return split or "test", ()
    total, tests = len(loaded.train) + len(loaded.test), len(loaded.test)
    if split is None and part_of(sources.title_of(data_name) or ""):
        return "all", (f"{data_name}: has no parts, and its own name is that of one: all {total:,} pictures are used",)
    if split in (None, "test"):
        return "test", (
            f"{data_name}: has no parts: {tests:,} of {total:,} pictures are used, those that a search on this folder "
            "keeps for testing; --split all takes all of them",
        )
    return split or "all", ()


def _part(classes: torch.Tensor, part: Labelled) -> Part:
    return Part(int((classes == part.labels).sum()), len(part))


def _require_classes(of_ticket: tuple[str, ...], of_data: tuple[str, ...], where: object) -> None:
    if of_ticket and of_ticket != of_data:
        raise MismatchError(
            where,
            expected=f"the ticket's classes {', '.join(of_ticket)}",
            found=", ".join(of_data),
            remedy="choose the data set that the ticket was searched on",
        )


def _require_kind(network: Network, graph: bool, where: object) -> None:
    """Tell before a data set is read or downloaded that it is of the wrong kind."""
    name = network.spec.name
    if takes_graph(network.spec) != graph:
        kinds = "images", "a graph"
        raise MismatchError(
            where,
            expected=f"{kinds[not graph]} as data, for model {name}",
            found=kinds[graph],
            remedy="choose the data set that the ticket was searched on",
        )


def _table(
    classes: torch.Tensor, labels: torch.Tensor, names: tuple[str, ...], columns: Mapping[str, Sequence[str]]
) -> str:
    """Write a line for each image or node, with more columns; a label that is no class is no name."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["index", "label", "predicted", "label_name", "predicted_name", *columns])
    for index, (label, guess) in enumerate(zip(labels.tolist(), classes.tolist(), strict=True)):
        named = names[label] if 0 <= label < len(names) else ""
        rows.writerow([index, label, guess, named, names[guess], *(values[index] for values in columns.values())])
    return out.getvalue()
