"""Sets of labelled images: what a search asks of them, and sets in memory, which are augmented by whole batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...format.records import GraphInput, ImageInput
from ..dataset import WHOLE, Batch, Share
from .image_input import FULL_RANGE

CROP_SHARE = 8
"""One part in eight of the shorter side is put as zeros around a training image before a random crop of the old size:
4 pixels around 32 (He et al. 2016, section 4.2)."""


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images in memory.

    Attributes:
        pixels: uint8 [n, height, width, channels].
        labels: int64 [n].
        classes: the names of the classes, by label.
        input: how the pixels are normalised.
        flips: whether a mirrored image is as good as the image.
        names: of the files that they come from, within the data set's folder, text [n]; None where from none.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    input: ImageInput
    flips: bool = True
    names: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    def take(self, index: torch.Tensor | slice) -> Images:
        """Return some of the images, by index or slice."""
        some = replace(self, pixels=self.pixels[index], labels=self.labels[index])
        if self.names is None:
            return some
        return replace(some, names=self.names[index if isinstance(index, slice) else index.cpu().numpy()])

    def to(self, device: torch.device) -> Images:
        """Put all of the images on a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def fed(self, given: ImageInput | GraphInput) -> Images:
        """Return the same images, normalised in another way."""
        assert isinstance(given, ImageInput)
        return replace(self, input=given)

    def sha256(self) -> str:
        """Tell these images and labels from others: the SHA-256 of their bytes."""
        digest = hashlib.sha256(self.pixels.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def files(self) -> Sequence[str]:
        """Return the files that they come from, within the data set's folder, where there are any."""
        return () if self.names is None else list(map(str, self.names))

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Make network input of pixels, as `Normaliser` does: uint8 [B, H, W, C] to float32 [B, C, H, W]."""
        return Normaliser(self.input, pixels.device)(pixels)

    def batches(self, size: int) -> Iterator[Batch]:
        """Return the images as they are, in order, `size` at a time."""
        normalise = Normaliser(self.input, self.pixels.device)
        for start in range(0, len(self), size):
            yield normalise(self.pixels[start : start + size]), self.labels[start : start + size]

    def training_batches(
        self, order: NDArray[np.int64], size: int, chance: Sequence[int], share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Return cropped and mirrored images, as `Labelled` says; nothing in between waits for the device."""
        device = self.pixels.device
        shifts = draw_shifts(len(order), self.shape, self.flips, np.random.default_rng(chance)).to(device)
        index = torch.from_numpy(order).to(device)
        normalise = Normaliser(self.input, device)
        for start in range(0, len(order) - size + 1, size):
            part = slice(start + share.of(size).start, start + share.of(size).stop)
            pixels = augment(self.pixels[index[part]], shifts[part])
            yield normalise(pixels), self.labels[index[part]]


class Normaliser:
    """Make network input of pixels, as `sltpack.tickets.preprocessing.preprocess` does, bit for bit.

    The numbers are put on the device once, since a copy to a GPU waits for it. All are tensors, since a GPU does not
    divide by a plain number but multiplies by its inverse.

    Args:
        input: the range, and the mean and deviation of each channel.
        device: where the pixels are.
    """

    def __init__(self, input: ImageInput, device: torch.device) -> None:
        low, high = input.range
        self._brightest, self._spread, self._low, self._mean, self._deviation = (
            torch.tensor(numbers, dtype=torch.float32, device=device)
            for numbers in (FULL_RANGE, high - low, low, input.mean, input.deviation)
        )
        self._spreads = (low, high) != (0, 1)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return float32 [B, C, H, W] in channels-last memory for uint8 [B, H, W, C]."""
        scaled = pixels.to(torch.float32).div_(self._brightest)  # (B, H, W, C)
        if self._spreads:
            scaled.mul_(self._spread).add_(self._low)
        return scaled.sub_(self._mean).div_(self._deviation).permute(0, 3, 1, 2)  # (B, C, H, W)


def draw_shifts(count: int, shape: tuple[int, int, int], flips: bool, random: np.random.Generator) -> torch.Tensor:
    """Draw how images are to be cropped and mirrored.

    Args:
        count: of images.
        shape: their channels, height and width.
        flips: whether any are to be mirrored.
        random: where the chance comes from.

    Returns:
        For each image the row and the column where the crop begins in the frame of zeros, and whether it is mirrored,
        int64 [count, 3].
    """
    _, height, width = shape
    starts = random.integers(0, 2 * (min(height, width) // CROP_SHARE) + 1, (count, 2))
    mirrored = random.integers(0, 2, (count, 1)) if flips else np.zeros((count, 1), np.int64)
    return torch.from_numpy(np.concatenate([starts, mirrored], axis=1))


def augment(pixels: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Crops each image of a batch out of a frame of zeros, and mirrors it or not.

    Args:
        pixels: uint8 [B, H, W, C].
        shifts: as `draw_shifts` gives them, int64 [B, 3], on the same device.

    Returns:
        uint8 [B, H, W, C].
    """
    _, height, width, _ = pixels.shape
    padding = min(height, width) // CROP_SHARE
    padded = functional.pad(pixels, (0, 0, padding, padding, padding, padding))
    top, left, mirrored = shifts.unbind(1)
    rows = torch.arange(height, device=pixels.device)
    columns = torch.arange(width, device=pixels.device)
    columns = torch.where(mirrored[:, None] == 1, columns.flip(0), columns)  # (B, W)
    image = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return padded[image, (top[:, None] + rows)[:, :, None], (left[:, None] + columns)[:, None, :]]  # (B, H, W, C)
