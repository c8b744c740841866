"""What is done to a picture before a network sees it: how it is cropped, scaled and normalised."""

from __future__ import annotations

from dataclasses import dataclass

FULL_RANGE = 255
"""The value of the brightest pixel, as it is read; the darkest has 0."""


@dataclass(frozen=True)
class ImageInput:
    """How the pictures of a data set become the input of a network: (value / 255 - mean) / deviation.

    Attributes:
        mean: of each channel, in units of the full range.
        deviation: of each channel, in the same units.
        fit: how a picture of another size is brought to the network's: "cover" scales the largest part in its middle
            that has the input's aspect; "middle" scales the square in its middle whose side is 224/256 of its shorter
            side. Both are bilinear and antialiased.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    fit: str = "cover"


IMAGENET = ImageInput((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The mean and deviation of ImageNet's training pictures, as torchvision's models have them."""
