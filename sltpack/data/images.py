"""Sets of labelled images in memory, and what is done to whole batches of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from ..errors import MismatchError

CROP_SHARE = 8
"""One part in eight of the shorter side is put as zeros around a training image before a random crop of the old size:
4 pixels around 32 (He et al. 2016, section 4.2)."""
VALIDATION_SHARE = 5
"""One image in five validates (Otsuka et al. 2024: a split of 4 to 1)."""


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    Attributes:
        pixels: uint8 [n, height, width, channels].
        labels: int64 [n].
        classes: the names of the classes, by label.
        mean: of each channel, in units of the full range.
        deviation: of each channel, in the same units.
        flips: whether a mirrored image is as good as the image.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    flips: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    def take(self, index: torch.Tensor | slice) -> Images:
        """Gives some of the images, by index or slice."""
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    def to(self, device: torch.device) -> Images:
        """Puts the images on a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def sha256(self) -> str:
        """Tells these images and labels from others: the SHA-256 of their bytes."""
        digest = hashlib.sha256(self.pixels.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Makes network input of pixels.

        Args:
            pixels: uint8 [B, H, W, C], on any device.

        Returns:
            (pixels / 255 - mean) / deviation, float32 [B, C, H, W] in channels-last memory.
        """
        mean = torch.tensor(self.mean, dtype=torch.float32, device=pixels.device)
        deviation = torch.tensor(self.deviation, dtype=torch.float32, device=pixels.device)
        scaled = pixels.to(torch.float32).div_(255).sub_(mean).div_(deviation)  # (B, H, W, C)
        return scaled.permute(0, 3, 1, 2)  # (B, C, H, W)


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set with its training and test parts."""

    train: Images
    test: Images


def split(images: Images, seed: int) -> tuple[Images, Images]:
    """Splits training images 4:1 into a part that trains and a part that validates.

    Args:
        images: all training images.
        seed: of the split.

    Returns:
        The training part and the validation part.
    """
    order = torch.from_numpy(np.random.default_rng([seed, 0]).permutation(len(images)))
    held_out = len(images) // VALIDATION_SHARE
    return images.take(order[held_out:]), images.take(order[:held_out])


def augment(pixels: torch.Tensor, flips: bool, random: np.random.Generator) -> torch.Tensor:
    """Crops each image of a batch at random out of a frame of zeros, and mirrors it or not, as a coin falls.

    Args:
        pixels: uint8 [B, H, W, C].
        flips: whether to mirror.
        random: where the chance comes from, on the CPU whatever the device, so that it is the same on all.

    Returns:
        uint8 [B, H, W, C].
    """
    count, height, width, _ = pixels.shape
    padding = min(height, width) // CROP_SHARE
    offsets = random.integers(0, 2 * padding + 1, (2, count, 1))
    rows = offsets[0] + np.arange(height)
    columns = offsets[1] + np.arange(width)
    if flips:
        columns = np.where(random.random((count, 1)) < 0.5, columns[:, ::-1], columns)
    padded = functional.pad(pixels, (0, 0, padding, padding, padding, padding))
    batch = torch.arange(count, device=pixels.device)[:, None, None]
    row, column = (torch.from_numpy(index).to(pixels.device) for index in (rows, columns))
    return padded[batch, row[:, :, None], column[:, None, :]]  # (B, H, W, C)


def require_shape(images: Images, shape: tuple[int, int, int], classes: int, where: object) -> None:
    """Makes sure that images fit a model.

    Args:
        images: the images.
        shape: the channels, height and width that the model takes.
        classes: how many classes it tells apart.
        where: what to name in an error.

    Raises:
        MismatchError: they do not.
    """
    if images.shape != shape:
        raise MismatchError(
            where,
            expected=f"images of shape {list(shape)} (channels, height, width)",
            found=f"{list(images.shape)}",
            remedy="choose the data set that the ticket was searched on",
        )
    if len(images.classes) != classes:
        raise MismatchError(
            where,
            expected=f"{classes} classes",
            found=f"{len(images.classes)}",
            remedy="choose the data set that the ticket was searched on",
        )
