"""A running model on images or a graph: the one way in which sltpack counts right answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from ..data.dataset import Labelled
from ..errors import RequestError
from ..progress import bar

BATCH_SIZE = 500
"""Images at a time unless the caller says otherwise."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Set up what a model needs to be run and not trained: evaluation mode, no gradients, products in full float32.

    Args:
        model: the model; it stays in evaluation mode.

    Yields:
        The device that its weights are on.

    Raises:
        RequestError: the model fails on its images, or there is too little memory for them.
    """
    model.eval()
    switches = _precision_switches()
    before = [getattr(place, name) for place, name, _ in switches]
    try:
        for place, name, exact in switches:
            setattr(place, name, exact)
        with torch.inference_mode():
            yield next(model.parameters()).device
    except RuntimeError as error:  # torch's way to tell of too little memory
        raise RequestError(
            "a batch",
            expected="a model that can be run on them, and memory for it",
            found=f"{type(error).__name__}: {error}",
            remedy="lower --batch-size",
        ) from error
    finally:
        for (place, name, _), value in zip(switches, before, strict=True):
            setattr(place, name, value)


def predict(model: nn.Module, data: Labelled, batch_size: int = BATCH_SIZE, note: str | None = None) -> torch.Tensor:
    """Run a model on images or nodes, in float32, on the device that its weights are on.

    A CPU and a GPU sum in different orders, so their scores may differ in the last bits, and with them the class of an
    image whose two best scores are as good as equal.

    Args:
        model: from a batch to class scores (B, classes); it is put into evaluation mode.
        data: the images or nodes, on any device.
        batch_size: images at a time; a graph is run as a whole.
        note: what a progress bar says; none is shown without it.

    Returns:
        The likeliest class of each, int64 [n], on the CPU.
    """
    classes = torch.empty(len(data), dtype=torch.int64)
    with evaluating(model) as device, nullcontext() if note is None else bar(note, len(data)) as running:
        start = 0
        for batch, labels in data.to(device).batches(batch_size):
            classes[start : start + len(labels)] = model(batch).argmax(1)
            start += len(labels)
            if running is not None:
                running.advance(len(labels))
    return classes


def accuracy(classes: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of predictions that are right.

    Args:
        classes: the predicted classes, int64 [n], on the CPU.
        labels: the right ones, int64 [n], on any device.

    Returns:
        A share in 0..1.
    """
    return int((classes == labels.cpu()).sum()) / len(labels)


def _precision_switches() -> tuple[tuple[Any, str, object], ...]:
    """Tell what may let a GPU round the factors of float32 products to TF32: place, name, the value that forbids it.

    For convolutions, torch allows it unless told otherwise.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(convolutions, "conv"):  # torch 2.9 and later, where the older names cannot be read beside these
        return (convolutions.conv, "fp32_precision", "ieee"), (products, "fp32_precision", "ieee")
    return (convolutions, "allow_tf32", False), (products, "allow_tf32", False)
