"""Conv-2, -4, -6 and -8 (Frankle & Carlin 2019; the form of Ramanujan et al. 2020, no biases)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

STAGES = (64, 128, 256, 512)
"""Channels of each pair of convolutions at width 1."""
HIDDEN = 256
"""Features of the two hidden linear layers at width 1."""


def conv(depth: int, width: float, classes: int, input_shape: tuple[int, int, int]) -> nn.Sequential:
    """Build pairs of 3x3 convolutions, each followed by a 2x2 maximum, then three linear layers.

    Args:
        depth: the number of convolutions: 2, 4, 6 or 8.
        width: factor of all channels and hidden features.
        classes: how many outputs.
        input_shape: channels, height, width of the images; each pair halves height and width.

    Returns:
        A module from images (B, C, H, W) to class scores (B, classes).

    Raises:
        ValueError: the images are too small to be halved so often.
    """
    channels, height, breadth = input_shape
    smallest = 2 ** (depth // 2)
    if min(height, breadth) < smallest:
        raise ValueError(f"images of {height}x{breadth} pixels, where {smallest}x{smallest} are the least")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    number = 0
    for stage in STAGES[: depth // 2]:
        for _ in range(2):
            number += 1
            out = max(1, round(stage * width))
            layers[f"conv{number}"] = nn.Conv2d(channels, out, 3, padding=1, bias=False)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            channels = out
        layers[f"pool{number // 2}"] = nn.MaxPool2d(2)
        height, breadth = height // 2, breadth // 2  # (B, channels, height, breadth)
    layers["flatten"] = nn.Flatten()
    hidden = max(1, round(HIDDEN * width))
    layers["linear1"] = nn.Linear(channels * height * breadth, hidden, bias=False)
    layers["relu_linear1"] = nn.ReLU(inplace=True)
    layers["linear2"] = nn.Linear(hidden, hidden, bias=False)
    layers["relu_linear2"] = nn.ReLU(inplace=True)
    layers["linear3"] = nn.Linear(hidden, classes, bias=False)
    return nn.Sequential(layers)
