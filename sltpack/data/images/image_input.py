"""What is done to a picture before a network sees it: how it is cropped, scaled and normalised."""

from __future__ import annotations

from ...format.records import ImageInput

FULL_RANGE = 255
"""The value of the brightest pixel, as it is read; the darkest has 0."""
COVER, CENTER_CROP = "cover", "center-crop"
"""How a picture of another size is brought to the network's, by the names of the file format. `COVER` scales the
largest part in its middle that has the input's aspect; `CENTER_CROP`, the square in its middle whose side is 224/256 of
its shorter side. Both are bilinear and antialiased."""


def image_input(mean: tuple[float, ...], deviation: tuple[float, ...], fit: str = COVER) -> ImageInput:
    """Return how pictures with values from 0 to 1 become the input of a network: (value - mean) / deviation.

    Args:
        mean: of each channel.
        deviation: of each channel.
        fit: `COVER` or `CENTER_CROP`.
    """
    return ImageInput((0.0, 1.0), mean, deviation, fit)


IMAGENET = image_input((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The mean and deviation of ImageNet's training pictures, as torchvision's models have them."""
