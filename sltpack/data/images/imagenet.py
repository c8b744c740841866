"""Photographs in ImageNet's folder layout, left on the disk: read, cropped and scaled by worker processes as needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import RequestError, require_positive
from ...format.records import GraphInput, ImageInput
from ...launch import count_local_processes
from ...limits import MEMORY, Memory
from ...progress import Bar, bar
from ..dataset import WHOLE, Batch, DataSet, Share
from ..sources import Choices, Reader
from .crops import cut, random_box
from .folders import read_image
from .image_input import CENTER_CROP, IMAGENET
from .in_memory import Normaliser
from .listing import class_names, find_parts, pictures_in, require_same_classes
from .notes import Notes
from .pictures import opened, shown_size
from .workers import in_workers

SIDE = 224
"""Height and width of what is cut out where nothing else is asked for."""
_CPU = torch.device("cpu")
_LAYOUT = "lay it out as train/CLASS/*.JPEG and val/CLASS/*.JPEG"
INPUT = replace(IMAGENET, fit=CENTER_CROP)


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Labelled pictures on the disk, of which the names are in memory: `Labelled` of any number.

    The names are one array, not an object each: worker processes share its memory, and need not copy it.

    Attributes:
        folder: holds the class folders.
        names: of the files in them, as the operating system has them, bytes [n].
        sizes: of the files in bytes, int64 [n].
        labels: int64 [n], on the CPU.
        classes: the names of the class folders, by label.
        side: height and width of what is cut out.
        workers: how many processes read; 0 reads in this one.
        limits: on the memory for decoding one.
        device: where batches are put.
        input: how they are cropped, except where they are trained on, and normalised.
    """

    folder: Path
    names: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    labels: torch.Tensor
    classes: tuple[str, ...]
    side: int
    workers: int
    limits: Memory = MEMORY
    device: torch.device = _CPU
    input: ImageInput = INPUT

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return 3, self.side, self.side

    def path(self, index: int) -> Path:
        """Return the file of an image."""
        return self.folder / self.classes[int(self.labels[index])] / os.fsdecode(self.names[index])

    def take(self, index: torch.Tensor | slice) -> ImageFiles:
        """Return some of the images, by index or slice."""
        kept = index if isinstance(index, slice) else index.cpu().numpy()
        return replace(self, names=self.names[kept], sizes=self.sizes[kept], labels=self.labels[kept])

    def to(self, device: torch.device) -> ImageFiles:
        """Have batches put on a device."""
        return replace(self, device=device)

    def fed(self, given: ImageInput | GraphInput) -> ImageFiles:
        """Return the same images, cropped and normalised in another way."""
        assert isinstance(given, ImageInput)
        return replace(self, input=given)

    def sha256(self) -> str:
        """Tell these images from others: the SHA-256 of the names of classes and files, their sizes and labels.

        Names end with a zero byte, each of the two lists with another; sizes and labels are little-endian int64. What
        is in the files is not looked at: ImageNet has 140 GB, which take longer to read than its search to begin.
        """
        digest = hashlib.sha256()
        for names in (map(os.fsencode, self.classes), self.names.tolist()):
            digest.update(b"".join(name + b"\0" for name in names) + b"\0")
        for numbers in (self.sizes, self.labels.numpy()):
            digest.update(numbers.astype("<i8").tobytes())
        return digest.hexdigest()

    def files(self) -> Sequence[str]:
        """Return the names of the files, within the folder that holds the parts."""
        of_classes = [f"{self.folder.name}/{name}" for name in self.classes]
        labelled = zip(self.labels.tolist(), self.names.tolist(), strict=True)
        return [f"{of_classes[label]}/{os.fsdecode(name)}" for label, name in labelled]

    def batches(self, size: int) -> Iterator[Batch]:
        """Return the images cropped as `input` says, by default to their middle, in order, `size` at a time."""
        return _Pass(self, np.arange(len(self)), size).run(-(-len(self) // size))

    def training_batches(
        self, order: NDArray[np.int64], size: int, chance: Sequence[int], share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Return parts of images by chance, some of them mirrored, as `Labelled` says."""
        return _Pass(self, order, size, share, tuple(chance)).run(len(order) // size)


def reader(name: str) -> Reader:
    """Return how a folder is read."""
    return Reader(_chosen, images=INPUT)


def _chosen(choices: Choices) -> DataSet:
    workers = _cores() if choices.workers is None else choices.workers
    return load(choices.files, choices.image_size, workers, choices.limits)


def _cores() -> int:
    """Return the number of cores that this process may use, its share where torchrun started several."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // count_local_processes())


def load(path: Path, image_size: int | None, workers: int, limits: Memory = MEMORY) -> DataSet:
    """Find the pictures of a data set in ImageNet's layout: PATH/train/CLASS/*.JPEG and PATH/val/CLASS/*.JPEG.

    They may be of any format that Pillow reads, and of any size. None is opened yet, so that a damaged one is reported
    when it is reached. The two parts may have any of their usual names (`sltpack.data.images.listing`); a folder `test`
    tests where there is no `val`, since that of ImageNet has no labels.

    Args:
        path: the folder.
        image_size: height and width, in pixels, of what is cut out of each; without it, 224.
        workers: how many processes read; 0 reads in this one.
        limits: on the memory for decoding one picture.

    Returns:
        The training images, and those in `val` as test images, [height, width, 3].

    Raises:
        RequestError: the image size is not positive, or the number of processes negative.
        DataError: a folder cannot be read, there are fewer than two classes, a class has no image, or the two parts
            have different classes.
    """
    require_positive("--image-size", image_size)
    if workers < 0:
        raise RequestError("--workers", expected="at least 0", found=f"{workers}", remedy="choose a larger number")
    notes = Notes()
    parts = find_parts(path, notes)
    train, test = parts.get("train", path / "train"), parts.get("validation", parts.get("test", path / "val"))
    classes = class_names(train, notes, _LAYOUT)
    require_same_classes(train, classes, test, class_names(test, notes, _LAYOUT))
    with bar(f"list {path.name}", 2 * len(classes)) as running:
        training, testing = (
            _listed(part, classes, image_size or SIDE, workers, limits, notes, running) for part in (train, test)
        )
    return DataSet(training, testing, notes=notes.lines(path))


def training_pixels(path: Path, side: int, random: np.random.Generator, limits: Memory = MEMORY) -> NDArray[np.uint8]:
    """Read any part of a picture, mirrored or not, as a coin falls.

    Args:
        path: the file.
        side: height and width of the result.
        random: where the chance comes from.
        limits: on the memory for decoding it.

    Returns:
        RGB, uint8 [side, side, 3].

    Raises:
        DataError: the file is no picture.
    """
    with opened(path, limits.picture) as picture:
        pixels = cut(picture, random_box(*shown_size(picture), random), side)
    return pixels[:, ::-1] if random.random() < 0.5 else pixels


@dataclass(frozen=True)
class _Pass:
    """One pass over images in an order: what a worker process has to know."""

    images: ImageFiles
    order: NDArray[np.int64]
    size: int
    share: Share = WHOLE
    chance: tuple[int, ...] | None = None

    def run(self, count: int) -> Iterator[Batch]:
        """Return the first `count` batches."""
        device = self.images.device
        pinned = device.type == "cuda"
        normalise = Normaliser(self.images.input, device)
        for number, pixels in enumerate(in_workers(self.pixels, count, self.images.workers, pinned)):
            labels = self.images.labels[torch.from_numpy(self.order[self._places(number)])]
            # Sent as bytes, a quarter of what the normalised images take.
            moved = pixels.to(device, non_blocking=True)
            yield normalise(moved), labels.to(device, non_blocking=True)

    def pixels(self, number: int) -> torch.Tensor:
        """Read a batch, uint8 [B, side, side, 3]."""
        places = self._places(number)
        pixels = np.empty((len(places), self.images.side, self.images.side, 3), np.uint8)
        for row, place in enumerate(places.tolist()):
            path = self.images.path(int(self.order[place]))
            if self.chance is None:
                pixels[row] = read_image(path, self.images.shape, self.images.input.fit, self.images.limits)
            else:
                # Of the place alone, so that it does not matter which process reads it.
                random = np.random.default_rng([*self.chance, place])
                pixels[row] = training_pixels(path, self.images.side, random, self.images.limits)
        return torch.from_numpy(pixels)

    def _places(self, number: int) -> NDArray[np.int64]:
        """Return the places in the order that this process's share of a batch has."""
        start = number * self.size
        return np.arange(start, min(start + self.size, len(self.order)))[self.share.of(self.size)]


def _listed(
    folder: Path, classes: tuple[str, ...], side: int, workers: int, limits: Memory, notes: Notes, running: Bar
) -> ImageFiles:
    names: list[bytes] = []
    sizes: list[int] = []
    counts = []
    for name in classes:
        files = pictures_in(folder / name, notes, f"{name}/")
        names += [os.fsencode(file) for file, _ in files]
        sizes += [size for _, size in files]
        counts.append(len(files))
        running.advance()
    labels = torch.from_numpy(np.repeat(np.arange(len(classes)), counts))
    return ImageFiles(folder, np.array(names), np.array(sizes, np.int64), labels, classes, side, workers, limits)
