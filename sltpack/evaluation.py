"""A running model on images: the one way in which sltpack counts right answers."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from .data.images import Images
from .progress import bar

BATCH_SIZE = 500
"""Images at a time unless the caller says otherwise."""


def predict(model: nn.Module, images: Images, batch_size: int = BATCH_SIZE, note: str | None = None) -> torch.Tensor:
    """Runs a model on images, in float32, on the device that its weights are on.

    Args:
        model: from normalised images (B, C, H, W) to class scores (B, classes); it is put into evaluation mode.
        images: the images, on any device.
        batch_size: images at a time.
        note: what a progress bar says; none is shown without it.

    Returns:
        The likeliest class of each image, int64 [n], on the CPU.
    """
    device = next(model.parameters()).device
    model.eval()
    classes = torch.empty(len(images), dtype=torch.int64)
    with torch.inference_mode(), nullcontext() if note is None else bar(note, len(images)) as running:
        for start in range(0, len(images), batch_size):
            batch = images.pixels[start : start + batch_size].to(device)
            classes[start : start + len(batch)] = model(images.normalise(batch)).argmax(1)
            if running is not None:
                running.advance(len(batch))
    return classes


def accuracy(classes: torch.Tensor, labels: torch.Tensor) -> float:
    """Gives the share of predictions that are right."""
    return int((classes == labels.cpu()).sum()) / len(labels)
