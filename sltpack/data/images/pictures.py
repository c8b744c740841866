"""Pictures in files: the class folders that hold them, and the opening and decoding of one, whatever may be wrong."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError, SltpackError

MODES = {1: "L", 3: "RGB"}
"""Pillow's names for numbers of channels."""


def class_names(path: Path, layout: str | None = None) -> tuple[str, ...]:
    """Finds the classes: the names of the folders in a folder.

    Args:
        path: the folder; hidden folders in it, and files, are passed over.
        layout: what to do where it does not hold the class folders; without it, to name the one that does.

    Returns:
        The names, sorted.

    Raises:
        DataError: the folder cannot be read, there are fewer than two classes, or a name is not printable.
    """
    names = tuple(name for name, _ in _entries(path, folders=True, layout=layout))
    if len(names) < 2:
        raise DataError(
            path,
            expected="a folder of images for each of at least two classes",
            found=f"{len(names)} folder{'' if len(names) == 1 else 's'}",
            remedy=layout or "name the folder that holds the class folders",
        )
    for name in names:
        if not name.isprintable():
            raise DataError(path, expected="class names of printable text", found=name, remedy="rename the folder")
    return names


def class_files(path: Path) -> list[tuple[str, int]]:
    """Finds the pictures of a class: the files in its folder.

    Args:
        path: the folder; hidden files in it, and folders, are passed over.

    Returns:
        Names and sizes in bytes, sorted by name.

    Raises:
        DataError: the folder cannot be read, or there are no files in it.
    """
    files = _entries(path, folders=False)
    if not files:
        raise DataError(path, expected="at least one image", found="none", remedy="remove the empty class")
    return files


def require_same_classes(path: Path, train: tuple[str, ...], test: tuple[str, ...], test_name: str) -> None:
    """Makes sure that the two parts of a data set have the same classes.

    Args:
        path: the folder that holds both parts.
        train: the classes of the part that trains.
        test: the classes of the other part.
        test_name: the name of the other part.

    Raises:
        DataError: they have not.
    """
    if train != test:
        lone = sorted(set(train) ^ set(test))[0]
        raise DataError(
            path,
            expected=f"the same class folders in train and {test_name}",
            found=f"{lone} in {'train' if lone in train else test_name} only",
            remedy="give every class a folder in both",
        )


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture, and tells whatever Pillow raises until it is closed as a fault of the file.

    Args:
        path: the file.

    Yields:
        The picture, not yet decoded.

    Raises:
        DataError: there is no such file, or it is no picture that can be decoded.
    """
    if not os.path.isfile(path):
        raise DataError(path, expected="an image file", found="no file of that name", remedy="check the name")
    try:
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")  # of odd metadata, and of transparency, which is left out
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream) as image:
                _require_kind(path, image)
                yield image
    except SltpackError:
        raise
    except UnidentifiedImageError as error:
        raise _no_image(path, "another file") from error
    except Exception as error:  # a damaged image may raise nearly anything
        raise _no_image(path, f"{type(error).__name__}: {error}") from error


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Decodes a picture to grey or RGB of 8 bits.

    Args:
        image: in any mode but "F".
        channels: 1 or 3.

    Returns:
        The picture in mode "L" or "RGB".
    """
    if image.mode.startswith("I"):
        # Pillow would cut off what is above 255 of the 65535 grey values.
        grey = np.clip(np.asarray(image, np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert(MODES[channels])
    return image.convert(MODES[channels])


def _entries(path: Path, *, folders: bool, layout: str | None = None) -> list[tuple[str, int]]:
    """Gives the names and sizes of the folders, or of the files, in a folder, sorted, without hidden ones."""
    try:
        with os.scandir(path) as entries:
            kept = [
                (entry.name, entry.stat().st_size)
                for entry in entries
                if not entry.name.startswith(".") and (entry.is_dir() if folders else entry.is_file())
            ]
    except (OSError, ValueError) as error:
        found = (isinstance(error, OSError) and error.strerror) or str(error)
        remedy = "check its name and permissions" + (f", and {layout}" if layout else "")
        raise DataError(path, expected="a folder that can be read", found=found.lower(), remedy=remedy) from error
    return sorted(kept)


def _require_kind(path: Path, image: Image.Image) -> None:
    if image.format == "EPS":
        raise _no_image(path, "EPS, a program that Pillow has Ghostscript run")
    # "I" is 16 bits deep in these formats, and of any depth in others.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise _no_image(path, "pixels of more than 16 bits, without a known range")


def _no_image(path: Path, found: str) -> DataError:
    return DataError(
        path, expected="an image that Pillow can read", found=found, remedy="convert it, or remove it from the folder"
    )
