"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in both official layouts, found on the disk or downloaded once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DataError, reason
from ...files import open_plain
from ..dataset import DataSet
from ..sources import Reader
from ..storage import unpickling
from ..storage.download import Archive, cache_folder, fetch
from .image_input import image_input
from .in_memory import Images

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
INPUT = image_input((0.491, 0.482, 0.447), (0.247, 0.243, 0.262))
"""The mean and deviation of CIFAR-10's training images, as the paper's code has them; used for both sets."""
_SIDE, _PIXELS = 32, 3 * 32 * 32
_NAMES_LIMIT = 1 << 16


@dataclass(frozen=True)
class Family:
    """One of the two sets: where its files are and how they are laid out.

    Attributes:
        name: the data set's name.
        classes: how many.
        label_bytes: bytes before the pixels of a record in the binary layout; the last one is the label.
        binary: the folder of the binary layout.
        names_file: the class names in the binary layout.
        binary_files: training files, then the test file.
        python: the folder of the pickled layout.
        python_files: training files, then the test file.
        python_names: the pickle with the class names, and the key.
        python_labels: the key of the labels.
        images: images in each of the files.
        archive: where to download the binary layout.
    """

    name: str
    classes: int
    label_bytes: int
    binary: str
    names_file: str
    binary_files: tuple[str, ...]
    python: str
    python_files: tuple[str, ...]
    python_names: tuple[str, bytes]
    python_labels: bytes
    images: tuple[int, ...]
    archive: Archive


CIFAR10 = Family(
    name="cifar10",
    classes=10,
    label_bytes=1,
    binary="cifar-10-batches-bin",
    names_file="batches.meta.txt",
    binary_files=(*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"),
    python="cifar-10-batches-py",
    python_files=(*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"),
    python_names=("batches.meta", b"label_names"),
    python_labels=b"labels",
    images=(10000,) * 6,
    archive=Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        digest="md5:c32a1d4ab5d03f1284b67883e8d87530",
        size=170052171,
    ),
)
CIFAR100 = Family(
    name="cifar100",
    classes=100,
    label_bytes=2,
    binary="cifar-100-binary",
    names_file="fine_label_names.txt",
    binary_files=("train.bin", "test.bin"),
    python="cifar-100-python",
    python_files=("train", "test"),
    python_names=("meta", b"fine_label_names"),
    python_labels=b"fine_labels",
    images=(50000, 10000),
    archive=Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        digest="md5:03b5dce01913d631647c71ecec9e9cb8",
        size=168513733,
    ),
)
FAMILIES = {family.name: family for family in (CIFAR10, CIFAR100)}


def reader(name: str) -> Reader:
    """Return how one of the two is read; CIFAR-100's class names stand in its files alone."""
    family = FAMILIES[name]
    return Reader(lambda choices: load(family, choices.data_dir), CIFAR10_CLASSES if family is CIFAR10 else (), INPUT)


def load(family: Family, data_dir: Path | None) -> DataSet:
    """Read a data set.

    Args:
        family: `CIFAR10` or `CIFAR100`.
        data_dir: the folder that holds one of the official layouts, or is one; without it, the user's cache folder,
            to which the set is downloaded where it is not there yet.

    Returns:
        The training and test images.

    Raises:
        DataError: a file is missing, cut, or holds labels outside the classes.
    """
    folder = cache_folder() if data_dir is None else data_dir
    found = _find(family, folder)
    if found is None and data_dir is None:
        fetch(family.archive, folder, family.binary, (*family.binary_files, family.names_file))
        found = _find(family, folder)
    if found is None:
        raise DataError(
            folder,
            expected=f"a folder {family.binary} or {family.python}",
            found="neither" if os.path.isdir(folder) else "no such folder",
            remedy=f"unpack the official archive there ({family.archive.url}), or leave --data-dir out",
        )
    layout, reader, files = found
    read = [reader(family, layout / name, count) for name, count in zip(files, family.images, strict=True)]
    names = _binary_names(family, layout) if reader is _read_binary else _python_names(family, layout)
    return DataSet(_images(read[:-1], names), _images(read[-1:], names))


_Read = tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]
_Reader = Callable[[Family, Path, int], _Read]


def _find(family: Family, folder: Path) -> tuple[Path, _Reader, tuple[str, ...]] | None:
    for name, reader, files in (
        (family.binary, _read_binary, family.binary_files),
        (family.python, _read_python, family.python_files),
    ):
        for layout in (folder / name, folder):
            # A folder with any of the files is taken, so that a missing one is told by its name. os.path, unlike
            # Path, answers no to names that are too long and to folders that may not be looked into.
            if (layout.name == name and os.path.isdir(layout)) or any(os.path.isfile(layout / file) for file in files):
                return layout, reader, files
    return None


def _read_binary(family: Family, path: Path, count: int) -> _Read:
    record = family.label_bytes + _PIXELS
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != count * record:
                raise _incomplete(family, path, f"{count * record} bytes", f"{size}")
            records = np.fromfile(stream, np.uint8, size)
    except OSError as error:
        raise _unreadable(family, path, error) from error
    if records.size != size:
        raise _incomplete(family, path, f"{size} bytes", f"{records.size}")
    records = records.reshape(count, record)
    return records[:, family.label_bytes :], _checked(family, path, records[:, family.label_bytes - 1], count)


def _read_python(family: Family, path: Path, count: int) -> _Read:
    batch = _unpickled(family, path)
    pixels, labels = batch.get(b"data"), batch.get(family.python_labels)
    if not isinstance(pixels, np.ndarray) or pixels.shape != (count, _PIXELS) or pixels.dtype != np.uint8:
        raise _incomplete(family, path, f"data as uint8 [{count}, {_PIXELS}]", _described(pixels))
    if not isinstance(labels, list) or not all(type(n) is int and abs(n) < 1 << 31 for n in labels):
        raise _incomplete(
            family, path, f"{family.python_labels.decode()} as a list of whole numbers", _described(labels)
        )
    return pixels, _checked(family, path, np.array(labels), count)


def _unpickled(family: Family, path: Path) -> dict[Any, Any]:
    if not os.path.isfile(path):
        raise _incomplete(family, path, "a file", "none of that name")
    return unpickling.load(path)


def _described(value: object) -> str:
    if value is None:
        return "none"
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _checked(family: Family, path: Path, labels: NDArray[np.integer[Any]], count: int) -> NDArray[np.integer[Any]]:
    if labels.shape != (count,):
        raise _incomplete(family, path, f"{count} labels", f"{labels.size}")
    if labels.min() < 0 or labels.max() >= family.classes:
        raise _incomplete(family, path, f"labels in 0..{family.classes - 1}", f"some in {labels.min()}..{labels.max()}")
    return labels


def _binary_names(family: Family, layout: Path) -> tuple[str, ...]:
    path = layout / family.names_file
    try:
        with open_plain(path) as stream:
            text = stream.read(_NAMES_LIMIT)
    except OSError as error:
        raise _unreadable(family, path, error) from error
    return _names(family, path, text.decode("latin1").split())


def _python_names(family: Family, layout: Path) -> tuple[str, ...]:
    file, key = family.python_names
    path = layout / file
    names = _unpickled(family, path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise _incomplete(family, path, f"{key.decode()} as a list of names", _described(names))
    return _names(family, path, [name.decode("latin1") if isinstance(name, bytes) else name for name in names])


def _names(family: Family, path: Path, names: list[str]) -> tuple[str, ...]:
    if len(names) != family.classes or not all(name.isascii() and name.isprintable() for name in names):
        raise _incomplete(family, path, f"{family.classes} class names in ASCII", f"{len(names)} names")
    return tuple(names)


def _images(parts: list[_Read], names: tuple[str, ...]) -> Images:
    planes = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, _SIDE, _SIDE)
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), names, INPUT)


def _unreadable(family: Family, path: Path, error: OSError) -> DataError:
    missing = isinstance(error, FileNotFoundError)
    found = "none of that name" if missing else reason(error)
    return _incomplete(family, path, "a file" if missing else "a file that can be read", found)


def _incomplete(family: Family, path: Path, expected: str, found: str) -> DataError:
    remedy = f"the data set is incomplete; remove it and unpack {family.archive.url} again"
    return DataError(path, expected=expected, found=found, remedy=remedy)
