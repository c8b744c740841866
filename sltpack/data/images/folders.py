"""Folders of images: one folder for each class, in any format that Pillow reads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...errors import DataError, MismatchError, require_positive
from ...progress import Bar, bar
from ..dataset import DataSet
from .in_memory import Images
from .pictures import MODES, class_files, class_names, opened, require_same_classes, with_channels

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's training images, as torchvision's models have them."""
TEST_SHARE = 5
"""One image in five tests where the folder has no test part of its own."""
BYTES_LIMIT = 8 << 30
"""Bytes of all pixels together, since they are kept in memory."""


@dataclass(frozen=True)
class _Labelled:
    path: Path
    label: int


def load(path: Path, image_size: int | None) -> DataSet:
    """Reads a folder of images, as RGB.

    Where the folder has a `train` folder and a `test` or `val` folder (`test` if it has both), these are the parts,
    with a folder for each class in both. Otherwise it has one folder for each class, and every fifth image of an
    order that is always the same tests. Hidden files, and folders in class folders, are passed over.

    Args:
        path: the folder.
        image_size: height and width, in pixels, to which all images are scaled, by the shorter side, and cropped, at
            the centre; without it, all must have one size.

    Returns:
        The training and test images, [height, width, 3].

    Raises:
        RequestError: the image size is not positive.
        DataError: there are fewer than two classes, a class has no image, a file is no image, the images have several
            sizes, or they are too large for the memory.
    """
    require_positive("--image-size", image_size)
    names, train, test = _parts(path)
    images = [*train, *test]
    with bar(f"read {path.name}", len(images) * (1 if image_size else 2)) as running:
        size = (image_size, image_size) if image_size else _common_size(images, running)
        require_memory(path, (len(images), *size, 3))
        return DataSet(*(_read(path, part, names, size, running) for part in (train, test)))


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Reads one image in the shape that a model takes.

    Args:
        path: the file.
        shape: channels (1 for grey, 3 for RGB), height and width; the image is scaled and cropped at the centre.

    Returns:
        uint8 [height, width, channels].

    Raises:
        MismatchError: the model takes another number of channels.
        DataError: the file is no image, or too large for the memory.
    """
    channels, height, width = shape
    if channels not in MODES:
        raise MismatchError(
            path,
            expected="a model of 1 or 3 channels",
            found=f"one of {channels}",
            remedy="run the model from Python on an array of your own",
        )
    require_memory(path, (height, width, channels))
    return _pixels(path, channels, (height, width))


def _parts(path: Path) -> tuple[tuple[str, ...], list[_Labelled], list[_Labelled]]:
    """Gives the names of the classes, the training images and the test images."""
    train = path / "train"
    test = next((path / name for name in ("test", "val") if os.path.isdir(path / name)), None)
    if not os.path.isdir(train) or test is None:
        names, images = _classes(path)
        order = np.random.default_rng(0).permutation(len(images))
        tests = {int(index) for index in order[::TEST_SHARE]}
        return (
            names,
            [image for index, image in enumerate(images) if index not in tests],
            [image for index, image in enumerate(images) if index in tests],
        )
    names, train_images = _classes(train)
    test_names, test_images = _classes(test)
    require_same_classes(path, names, test_names, test.name)
    return names, train_images, test_images


def _classes(path: Path) -> tuple[tuple[str, ...], list[_Labelled]]:
    """Gives the names of the class folders, in order, and their images."""
    names = class_names(path)
    return names, [
        _Labelled(path / name / file, label) for label, name in enumerate(names) for file, _ in class_files(path / name)
    ]


def _common_size(images: list[_Labelled], running: Bar) -> tuple[int, int]:
    """Gives the height and width that all images have, from their headers."""
    first: tuple[int, int] | None = None
    for image in images:
        with opened(image.path) as header:
            size = header.height, header.width
        first = first or size
        if size != first:
            raise DataError(
                image.path,
                expected=f"{first[1]} x {first[0]} pixels, as {images[0].path.name} has",
                found=f"{size[1]} x {size[0]}",
                remedy="pass --image-size to scale and crop all images to one size",
            )
        running.advance()
    assert first is not None  # every class has an image
    return first


def _read(
    folder: Path, images: list[_Labelled], classes: tuple[str, ...], size: tuple[int, int], running: Bar
) -> Images:
    pixels = np.empty((len(images), *size, 3), np.uint8)
    for index, image in enumerate(images):
        pixels[index] = _pixels(image.path, 3, size)
        running.advance()
    labels = torch.tensor([image.label for image in images], dtype=torch.int64)
    names = np.array([image.path.relative_to(folder).as_posix() for image in images], np.str_)
    return Images(torch.from_numpy(pixels), labels, classes, MEAN, DEVIATION, names=names)


def _pixels(path: Path, channels: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size
    with opened(path) as image:
        plain = with_channels(image, channels)
        # Cuts before it scales, so that no picture between the two is larger than both.
        fitted = ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
        return np.array(fitted, np.uint8).reshape(height, width, channels)


def require_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Makes sure that pixels fit in memory, before it is taken.

    Args:
        path: what to name in an error.
        shape: of the pixels, one byte each.

    Raises:
        DataError: they do not.
    """
    needed = int(np.prod(shape, dtype=object))
    if needed > BYTES_LIMIT:
        raise DataError(
            path,
            expected=f"at most {BYTES_LIMIT} bytes of pixels",
            found=f"{needed}",
            remedy="choose a smaller image size or fewer images",
        )
