"""The generated inputs by whose predicted classes a changed model is noticed (docs/format.md, "Running it")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import LimitError, MismatchError
from ..format.records import GraphInput, ImageInput, ModelSpec
from ..source.streams import WEIGHTS, Stream
from ..tickets.preprocessing import preprocess
from .graph_batch import Neighbours, Nodes, compact
from .registry import describe

COUNT = 32
"""Pictures, or nodes of the one graph."""
ALIKE = 30
"""So many of them must have the recorded class: where two classes are nearly even, machines may differ."""
GRID = 4
"""A picture has so many fields in height and in width, each of one colour."""
CONTRASTS = 4
"""The values of picture i are divided by 1 + i mod 4."""
STEPS = (1, 5)
"""Node i is next to the nodes i + 1 and i + 5, modulo `COUNT`."""
PRESENT = 224
"""A feature is 1 where its byte is at least this, in one of eight, and 0 elsewhere."""
UNKNOWN = ImageInput((0.0, 1.0), (0.5,), (0.25,), "cover")
"""What stands for the `input` of a ticket that has none, each channel alike."""
_LARGEST = 2**22
"""Numbers of one picture."""
_AT_A_TIME = 2**20
"""Numbers of the pictures that run together."""


def generated_pictures(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Generate the pictures: 4 x 4 fields of random colours, darker ones among them.

    Args:
        shape: channels, height and width.

    Returns:
        uint8 [32, height, width, channels].
    """
    channels, height, width = shape
    fields = _stream(COUNT * channels * GRID * GRID).reshape(COUNT, channels, GRID, GRID)
    fields = fields // (1 + np.arange(COUNT, dtype=np.uint8) % CONTRASTS)[:, None, None, None]
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    return np.ascontiguousarray(fields[:, :, rows[:, None], columns].transpose(0, 2, 3, 1))


def generated_graph(features: int) -> Nodes:
    """Generate the graph: 32 nodes in a ring, each also next to the ones five further on, with features 0 and 1.

    Args:
        features: of a node.

    Returns:
        The graph, all of its nodes wanted.
    """
    nodes = np.arange(COUNT)
    pairs = np.concatenate([[nodes, (nodes + step) % COUNT] for step in STEPS], axis=1)
    starts, ends = np.concatenate([pairs, pairs[::-1]], axis=1)
    order = np.lexsort((ends, starts))
    rows = torch.from_numpy(np.searchsorted(starts[order], np.arange(COUNT + 1)))
    present = (_stream(COUNT * features).reshape(COUNT, features) >= PRESENT).astype(np.float32)
    neighbours = Neighbours.of(rows, torch.from_numpy(ends[order]))
    return Nodes(compact(torch.from_numpy(present)), neighbours, torch.from_numpy(nodes))


def is_small(spec: ModelSpec) -> bool:
    """Return whether a model's input is small enough for the generated inputs.

    Args:
        spec: the model's name and arguments.
    """
    _, _, shape = describe(spec)
    return math.prod(shape) <= _LARGEST


def predict_generated(
    model: nn.Module, spec: ModelSpec, given: ImageInput | GraphInput | None, where: object = "model"
) -> tuple[int, ...]:
    """Run a model on the generated inputs.

    Args:
        model: the model, on any device; it is put into evaluation mode.
        spec: its name and arguments.
        given: the `input` of its ticket, by which the pictures are normalised; None for (v / 255 - 0.5) / 0.25.
        where: what to name in an error.

    Returns:
        The predicted class of each of the 32.

    Raises:
        LimitError: the model's input is too large for this.
        MismatchError: the model's input has other channels than `given`.
    """
    _, _, shape = describe(spec, where)
    if not is_small(spec):
        raise LimitError(
            where,
            expected=f"an input of at most {_LARGEST} numbers",
            found=" x ".join(map(str, shape)),
            remedy="its outputs cannot be checked; run it on data",
        )
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        if len(shape) == 1:
            graph = generated_graph(shape[0])
            moved = Nodes(graph.features.to(device), graph.neighbours.to(device), graph.wanted.to(device))
            return _classes(model(moved))
        channels, height, width = shape
        pixels = generated_pictures((channels, height, width))
        if not isinstance(given, ImageInput):
            given = ImageInput(UNKNOWN.range, UNKNOWN.mean * channels, UNKNOWN.deviation * channels, UNKNOWN.fit)
        require_channels(given, channels, where)
        size = max(1, _AT_A_TIME // (channels * height * width))
        found: list[int] = []
        for start in range(0, COUNT, size):
            batch = torch.from_numpy(preprocess(pixels[start : start + size], given))
            found += _classes(model(batch.to(device)))
        return tuple(found)


def require_channels(given: ImageInput, channels: int, where: object) -> None:
    """Require an `input` to have a mean and a deviation for each channel.

    Args:
        given: the `input` of a file.
        channels: of its model's input.
        where: what to name in an error.

    Raises:
        MismatchError: it has others.
    """
    if len(given.mean) != channels:
        raise MismatchError(
            f"{where}: input",
            expected=f"a mean and a deviation for each of {channels} channels",
            found=f"{len(given.mean)}",
            remedy="the file was not made by a correct writer",
        )


def require_alike(found: Sequence[int], recorded: Sequence[int], where: object) -> int:
    """Require a model to predict what it predicted when its ticket was made.

    Args:
        found: the predicted classes of the generated inputs.
        recorded: those in the file.
        where: what to name in an error.

    Returns:
        How many of the 32 are alike.

    Raises:
        MismatchError: fewer than 30 of the 32 are alike.
    """
    alike = sum(one == other for one, other in zip(found, recorded, strict=False))
    if len(recorded) != COUNT or alike < ALIKE:
        raise MismatchError(
            f"{where}: outputs",
            expected=f"at least {ALIKE} of {COUNT} generated inputs in the class that the file records",
            found=f"{alike}",
            remedy="the model's code has changed since the file was made; run it with that code",
        )
    return alike


def _stream(count: int) -> NDArray[np.uint8]:
    """Return the first bytes of the stream of seed 0, layer 0, purpose 0."""
    return Stream(0, 0, WEIGHTS).read(0, count)


def _classes(scores: torch.Tensor) -> tuple[int, ...]:
    return tuple(scores.argmax(1).tolist())
