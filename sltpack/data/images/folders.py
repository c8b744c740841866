"""Folders of pictures: one folder for each class, in any format that Pillow reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...errors import DataError, MismatchError, require_positive
from ...limits import MEMORY, Memory
from ...progress import Bar, bar
from ..dataset import DataSet
from ..sources import Reader
from .crops import cut, middle_box
from .image_input import CENTER_CROP, COVER, IMAGENET
from .in_memory import Images
from .listing import class_names, find_parts, pictures_in, require_pair, require_same_classes
from .notes import Notes
from .pictures import MODES, opened, plain, shown_size

TEST_SHARE = 5
"""One image in five tests where the folder has no test part of its own."""
_CHANNELS = 3


@dataclass(frozen=True)
class _Labelled:
    path: Path
    label: int


def reader(name: str) -> Reader:
    """Return how a folder is read."""
    return Reader(
        lambda choices: load(choices.files, choices.image_size, choices.limits, choices.fit or COVER), images=IMAGENET
    )


def load(path: Path, image_size: int | None, limits: Memory = MEMORY, fit: str = COVER) -> DataSet:
    """Read a folder of pictures, as RGB.

    Where the folder has a folder `train` and one called `test` or `validation`, under any of their usual names
    (`sltpack.data.images.listing`), these are the parts, with a folder for each class in each; where there is no
    `test`, `validation` tests. Otherwise it has one folder for each class, and every fifth picture of an order that is
    always the same tests.

    Args:
        path: the folder.
        image_size: height and width, in pixels, to which all pictures are scaled, by the shorter side, and cropped, at
            the centre; without it, all must have one size.
        limits: on the memory for one picture and for all.
        fit: how they are scaled and cropped, `COVER` or `CENTER_CROP`.

    Returns:
        The parts, [height, width, 3], and in the notes what was left out or converted.

    Raises:
        RequestError: the image size is not positive.
        DataError: there are fewer than two classes, a class has no picture, a picture is damaged, the pictures have
            several sizes, or they are too large for the memory.
    """
    require_positive("--image-size", image_size)
    notes = Notes()
    names, parts, split_here = _parts(path, notes)
    images = [image for part in parts.values() for image in part]
    with bar(f"read {path.name}", len(images)) as running:
        size = (image_size, image_size) if image_size else _size_of(images[0].path, limits)
        require_memory(path, (len(images), *size, _CHANNELS), limits)
        reading = _Reading(path, size, fit if image_size else None, images[0].path, limits, notes, running)
        read = {name: _read(reading, part, names) for name, part in parts.items()}
    return DataSet(read["train"], read["test"], read.get("validation"), notes.lines(path), split_here)


def read_image(
    path: Path,
    shape: tuple[int, int, int],
    fit: str = COVER,
    limits: Memory = MEMORY,
    notes: Notes | None = None,
) -> NDArray[np.uint8]:
    """Read one picture in the shape that a model takes.

    Args:
        path: the file.
        shape: channels (1 for grey, 3 for RGB), height and width; the picture is scaled and cropped at the centre.
        fit: `COVER`, or `CENTER_CROP` for a square of RGB.
        limits: on the memory for one picture and for what is made of it.
        notes: where conversions are counted.

    Returns:
        uint8 [height, width, channels].

    Raises:
        MismatchError: the model takes another number of channels.
        DataError: the file is no picture, or too large for the memory.
    """
    channels, height, width = shape
    if channels not in MODES:
        raise MismatchError(
            path,
            expected="a model of 1 or 3 channels",
            found=f"one of {channels}",
            remedy="run the model from Python on an array of your own",
        )
    require_memory(path, (height, width, channels), limits)
    with opened(path, limits.picture) as image:
        return _fitted(image, shape, fit, notes, path)


def require_memory(path: Path, shape: tuple[int, ...], limits: Memory) -> None:
    """Make sure that pixels fit in memory, before it is taken.

    Args:
        path: what to name in an error.
        shape: of the pixels, one byte each.
        limits: on the memory.

    Raises:
        DataError: they do not.
    """
    needed = int(np.prod(shape, dtype=object))
    if needed > limits.pictures:
        raise DataError(
            path,
            expected=f"at most {limits.pictures} bytes of pixels",
            found=f"{needed}",
            remedy=f"choose a smaller image size or fewer images, or allow as much (--max-memory {needed})",
        )


def _parts(path: Path, notes: Notes) -> tuple[tuple[str, ...], dict[str, list[_Labelled]], bool]:
    """Return the names of the classes, the pictures of each part, and whether the parts were split here."""
    parts = find_parts(path, notes)
    if "train" not in parts or len(parts) == 1:
        require_pair(path, parts)
        names, images = _classes(path, notes)
        order = np.random.default_rng(0).permutation(len(images))
        tests = {int(index) for index in order[::TEST_SHARE]}
        divided: dict[str, list[_Labelled]] = {"train": [], "test": []}
        for index, image in enumerate(images):
            divided["test" if index in tests else "train"].append(image)
        return names, divided, True
    names, images = _classes(parts["train"], notes)
    found = {"train": images}
    for name in ("test", "validation"):
        if name in parts:
            other_names, found[name] = _classes(parts[name], notes)
            require_same_classes(parts["train"], names, parts[name], other_names)
    found.setdefault("test", found.get("validation", []))
    if "test" not in parts:
        del found["validation"]
    return names, found, False


def _classes(path: Path, notes: Notes) -> tuple[tuple[str, ...], list[_Labelled]]:
    """Return the names of the class folders, in order, and their pictures."""
    names = class_names(path, notes)
    return names, [
        _Labelled(path / name / file, label)
        for label, name in enumerate(names)
        for file, _ in pictures_in(path / name, notes, f"{name}/")
    ]


def _size_of(path: Path, limits: Memory) -> tuple[int, int]:
    """Return the height and width of a picture as it is shown."""
    with opened(path, limits.picture) as image:
        shown = plain(image, _CHANNELS)
        return shown.height, shown.width


@dataclass(frozen=True)
class _Reading:
    """How the pictures of a folder are read; where there is no fit, all have the size of the first."""

    folder: Path
    size: tuple[int, int]
    fit: str | None
    first: Path
    limits: Memory
    notes: Notes
    running: Bar

    def pixels(self, path: Path) -> NDArray[np.uint8]:
        height, width = self.size
        with opened(path, self.limits.picture) as image:
            if self.fit is not None:
                return _fitted(image, (_CHANNELS, height, width), self.fit, self.notes, path)
            shown = plain(image, _CHANNELS, self.notes, path)
            if shown.size != (width, height):
                raise DataError(
                    path,
                    expected=f"{width} x {height} pixels, as {self.first.name} has",
                    found=f"{shown.width} x {shown.height}",
                    remedy="pass --image-size to scale and crop all images to one size",
                )
            return np.array(shown, np.uint8)


def _read(reading: _Reading, images: list[_Labelled], classes: tuple[str, ...]) -> Images:
    pixels = np.empty((len(images), *reading.size, _CHANNELS), np.uint8)
    for index, image in enumerate(images):
        pixels[index] = reading.pixels(image.path)
        reading.running.advance()
    labels = torch.tensor([image.label for image in images], dtype=torch.int64)
    names = np.array([image.path.relative_to(reading.folder).as_posix() for image in images], np.str_)
    return Images(torch.from_numpy(pixels), labels, classes, IMAGENET, names=names)


def _fitted(
    picture: Image.Image, shape: tuple[int, int, int], fit: str, notes: Notes | None, path: Path
) -> NDArray[np.uint8]:
    channels, height, width = shape
    if fit == CENTER_CROP and shape == (_CHANNELS, height, height):
        return cut(picture, middle_box(*shown_size(picture), width), width, notes, path)
    shown = plain(picture, channels, notes, path)
    # Cuts before it scales, so that no picture between the two is larger than both.
    fitted = ImageOps.fit(shown, (width, height), Image.Resampling.BILINEAR)
    return np.array(fitted, np.uint8).reshape(height, width, channels)
