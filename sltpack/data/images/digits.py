"""1797 handwritten digits of 8 x 8 pixels, which come with sltpack: for first steps and for tests, without a download.

They are the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998), UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49, used under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changed from the original: grey values are scaled from 0..16 to 0..255,
and the images are put in another order, once, and split into 1437 for training and 360 for testing.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import torch

from ..dataset import DataSet
from ..sources import Reader
from .image_input import image_input
from .in_memory import Images

CLASSES = tuple("0123456789")
INPUT = image_input((0.3055,), (0.3759,))
"""The mean and deviation of all pixels of the training images."""


def reader(name: str) -> Reader:
    """Return how the digits are read."""
    return Reader(lambda _: load(), CLASSES, INPUT)


def load() -> DataSet:
    """Read the digits.

    Returns:
        1437 training and 360 test images, each [8, 8, 1].
    """
    return DataSet(*read())


def read() -> tuple[Images, Images]:
    """Read the training and the test images, as `load` does."""
    with resources.files(__package__).joinpath("digits.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        train, test = (_images(stored[f"{part}_images"], stored[f"{part}_labels"]) for part in ("train", "test"))
    return train, test


def _images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    return Images(torch.from_numpy(pixels[..., None]), torch.from_numpy(labels.astype(np.int64)), CLASSES, INPUT, False)
