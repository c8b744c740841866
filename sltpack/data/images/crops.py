"""What is cut out of a photograph: any part of it to train on, its middle to evaluate on, scaled to one size."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .notes import Notes
from .pictures import plain

AREA = (0.08, 1.0)
"""A training crop covers from 8 to 100 % of a picture (Szegedy et al. 2015, section 6)."""
ASPECT = (3 / 4, 4 / 3)
"""Its width by its height, from the same place."""
TRIES = 10
"""How often a training crop is drawn that does not fit before the middle is taken, as in torchvision."""
MARGIN = 256 / 224
"""The shorter side of a picture by the side of the evaluation crop (Krizhevsky et al. 2012, section 2)."""
LEAST_REDUCTION = 2
"""By this much at least a picture is still scaled after a coarser decoding. Of photographs of 12 megapixels that takes
a third of the time of a whole decoding, and its values of 8 bits differ from that by 2 at most, 0.3 in the mean."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a crop, in pixels."""


def random_box(width: int, height: int, random: np.random.Generator) -> Box:
    """Draw a training crop: its area uniformly, the logarithm of its aspect uniformly, then its place.

    Where none of ten fits, it is the largest part in the middle of an aspect within the limits. The same as
    `RandomResizedCrop` of torchvision.

    Args:
        width: of the picture.
        height: of the picture.
        random: where the chance comes from.

    Returns:
        The crop, on whole pixels.
    """
    for _ in range(TRIES):
        area = width * height * random.uniform(*AREA)
        aspect = math.exp(random.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            left, top = int(random.integers(width - across + 1)), int(random.integers(height - down + 1))
            return left, top, left + across, top + down
    across = min(width, round(height * ASPECT[1]))
    down = min(height, round(width / ASPECT[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def middle_box(width: int, height: int, side: int) -> Box:
    """Return the evaluation crop: the square in the middle of a picture whose shorter side is scaled to 256/224 of it.

    Args:
        width: of the picture.
        height: of the picture.
        side: of the square after scaling, in pixels.

    Returns:
        The crop, on fractions of pixels.
    """
    length = min(width, height) * side / round(side * MARGIN)
    left, top = (width - length) / 2, (height - length) / 2
    return left, top, left + length, top + length


def cut(picture: Image.Image, box: Box, side: int, notes: Notes | None = None, file: object = "") -> NDArray[np.uint8]:
    """Cut a crop out of a picture and scales it to a square, bilinearly and antialiased.

    A JPEG far larger than needed is decoded at a half, a quarter or an eighth of its size.

    Args:
        picture: opened and not yet decoded.
        box: within the picture, as it is shown (`sltpack.data.images.pictures.shown_size`).
        side: of the square, in pixels.
        notes: where conversions are counted.
        file: its name in the notes.

    Returns:
        RGB, uint8 [side, side, 3].
    """
    left, top, right, bottom = box
    reduction = min(right - left, bottom - top) / side
    coarse = max(k for k in (1, 2, 4, 8) if k == 1 or reduction >= k * LEAST_REDUCTION)
    width = picture.width
    drafted = picture.draft(picture.mode, (width // coarse, picture.height // coarse)) if coarse > 1 else None
    shown = plain(picture, 3, notes, file)
    if drafted is not None:  # a JPEG, which now is this much smaller
        shrunk = drafted[1][2] / width
        box = left * shrunk, top * shrunk, right * shrunk, bottom * shrunk
    # Scales nothing but the crop, so that of a thin picture no more than the square is made.
    return np.array(shown.resize((side, side), Image.Resampling.BILINEAR, box=box))
