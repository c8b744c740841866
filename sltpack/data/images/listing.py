"""Folders of pictures: the parts of a data set, the class folders in them, and the files of each class."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from ...errors import DataError, reason
from .notes import BESIDE, SKIPPED, SYSTEM, Notes
from .pictures import format_of

TRAIN = ("train", "training")
TEST = ("test", "testing")
VALIDATION = ("val", "valid", "validation", "dev")
"""What the folders of parts are called, in any case of their letters."""
_PARTS = {"train": TRAIN, "test": TEST, "validation": VALIDATION}
_JUNK = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found")
"""What Windows, macOS and network storage leave in folders; names that begin with a dot are passed over too."""
_NO_PICTURES = ("BUFR", "GRIB", "HDF5", "MPEG", "IPTC")
"""Formats that Pillow knows by name and cannot decode by itself."""


@dataclass(frozen=True)
class _Entry:
    name: str
    path: str
    size: int
    is_folder: bool
    identity: tuple[int, int]


def find_parts(path: Path, notes: Notes) -> dict[str, Path]:
    """Find the parts of a data set: its folders train, test and validation, under any of their usual names.

    Args:
        path: the folder that may hold them.
        notes: where folders beside those of the parts are counted.

    Returns:
        The folders of the parts that are there, by "train", "test" and "validation".

    Raises:
        DataError: the folder cannot be read, or two folders are one part.
    """
    found: dict[str, list[str]] = {part: [] for part in _PARTS}
    beside = []
    for entry in _entries(path, Notes()):
        part = part_of(entry.name)
        if entry.is_folder and part:
            found[part].append(entry.name)
        elif entry.is_folder:
            beside.append(entry.name)
    for names in found.values():
        if len(names) > 1:
            raise DataError(
                path,
                expected="one folder for each part",
                found=" and ".join(names),
                remedy="rename one of them",
            )
    parts = {part: path / names[0] for part, names in found.items() if names}
    if "train" in parts and len(parts) > 1:
        for name in beside:
            notes.add(BESIDE, name)
    return parts


def require_pair(path: Path, parts: dict[str, Path]) -> None:
    """Make sure that a folder which has no part that trains, or no other, has none at all, but classes.

    Args:
        path: the folder.
        parts: as `find_parts` returns them.

    Raises:
        DataError: there is a part alone.
    """
    for folder in parts.values():  # a class may be called "train", as that of VOC is
        if _holds_classes(folder):
            raise DataError(
                path,
                expected="a part that trains and one that tests, such as train and test",
                found=f"{folder.name} alone",
                remedy=f"add the other one, or name the part itself: {folder}",
            )


def part_of(name: str) -> str | None:
    """Return the part that a folder's name stands for: "train", "test" or "validation"; None for any other name."""
    return next((part for part, names in _PARTS.items() if name.lower() in names), None)


def class_names(path: Path, notes: Notes, layout: str | None = None) -> tuple[str, ...]:
    """Find the classes: the names of the folders in a folder.

    Args:
        path: the folder; hidden and system folders in it, and files, are passed over.
        notes: where what is passed over is counted.
        layout: what to do where it does not hold the class folders; without it, to name the one that does.

    Returns:
        The names, sorted.

    Raises:
        DataError: the folder cannot be read, it holds a link to nothing or a pipe, there are fewer than two classes, or
            a name is not printable.
    """
    names = []
    for entry in _entries(path, notes, layout):
        if entry.is_folder:
            names.append(entry.name)
        else:
            notes.add(SKIPPED, entry.name)
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
    return tuple(names)


def pictures_in(path: Path, notes: Notes, nested_in: str = "") -> list[tuple[str, int]]:
    """Find the pictures of a class: the files in its folder and in the folders within it.

    A file is a picture where its name ends as those of a format that Pillow reads, or where Pillow knows its first
    bytes. Others are skipped; hidden and system files and folders are passed over; both are counted.

    Args:
        path: the folder.
        notes: where what is left out is counted.
        nested_in: a prefix of names in the notes.

    Returns:
        Names within the folder, with "/" between their parts, and sizes in bytes, sorted by name.

    Raises:
        DataError: a folder cannot be read, it holds a link to nothing, a pipe or a device, folders lie within each
            other in a circle, or there is no picture.
    """
    found = []
    waiting: list[tuple[str, Path, frozenset[tuple[int, int]]]] = [("", path, frozenset())]
    while waiting:
        prefix, folder, above = waiting.pop()
        for entry in _entries(folder, notes):
            name = prefix + entry.name
            if entry.is_folder:
                if entry.identity in above:
                    raise _unfit(Path(entry.path), "a link to a folder that it lies in")
                waiting.append((f"{name}/", Path(entry.path), above | {entry.identity}))
            elif _is_picture(Path(entry.path)):
                found.append((name, entry.size))
            else:
                notes.add(SKIPPED, f"{nested_in}{name}")
    if not found:
        raise DataError(path, expected="at least one image", found="none", remedy="add some, or remove the folder")
    return sorted(found)


def pictures_of(names: Iterable[str | os.PathLike[str]], notes: Notes) -> list[Path]:
    """Find the pictures that a user named.

    Args:
        names: of pictures, of folders, whose pictures are all taken, and patterns such as "photos/**/*.png", which are
            not looked for where a file has that very name.
        notes: where what is left out of folders is counted.

    Returns:
        The files in the order of the names, those of each folder and pattern sorted; a file that is named by itself
        need not be there.

    Raises:
        DataError: a folder cannot be read or holds no picture, or no file matches a pattern.
    """
    found = []
    for given in names:
        name = os.fspath(given)
        matches = [name]
        if not os.path.lexists(name) and glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                raise DataError(name, expected="files that match", found="none", remedy="check the pattern")
        for path in map(Path, matches):
            if os.path.isdir(path):
                found += [path / inner for inner, _ in pictures_in(path, notes)]
            else:
                found.append(path)
    return found


def require_same_classes(train: Path, classes: tuple[str, ...], other: Path, other_classes: tuple[str, ...]) -> None:
    """Make sure that two parts of a data set have the same classes.

    Args:
        train: the folder of the part that trains.
        classes: its classes.
        other: the folder of the other part.
        other_classes: its classes.

    Raises:
        DataError: they differ.
    """
    if classes != other_classes:
        lone = sorted(set(classes) ^ set(other_classes))[0]
        raise DataError(
            train.parent,
            expected=f"the same class folders in {train.name} and {other.name}",
            found=f"{lone} in {train.name if lone in classes else other.name} only",
            remedy="give every class a folder in both",
        )


def _entries(path: Path, notes: Notes, layout: str | None = None) -> list[_Entry]:
    """Return the files and folders in a folder, sorted by name, without hidden ones and those of systems."""
    try:
        with os.scandir(path) as entries:
            return sorted(_kept(entries, path, notes), key=lambda entry: entry.name)
    except (OSError, ValueError) as error:
        found = reason(error) if isinstance(error, OSError) else str(error)
        remedy = "check its name and permissions" + (f", and {layout}" if layout else "")
        raise DataError(path, expected="a folder that can be read", found=found, remedy=remedy) from error


def _kept(entries: Iterator[os.DirEntry[str]], folder: Path, notes: Notes) -> Iterator[_Entry]:
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _JUNK:
            notes.add(SYSTEM, entry.name)
            continue
        try:
            status = entry.stat()
        except OSError as error:
            link = entry.is_symlink()
            raise _unfit(folder / entry.name, "a link to nothing" if link else reason(error)) from error
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise _unfit(folder / entry.name, "a pipe or device")
        yield _Entry(
            entry.name, entry.path, status.st_size, stat.S_ISDIR(status.st_mode), (status.st_dev, status.st_ino)
        )


def _holds_classes(folder: Path) -> bool:
    """Return whether a folder holds folders and nothing else."""
    entries = _entries(folder, Notes())
    return bool(entries) and all(entry.is_folder for entry in entries)


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in _endings():
        return True
    return format_of(path) not in (None, *_NO_PICTURES)


@cache
def _endings() -> frozenset[str]:
    formats = Image.registered_extensions()
    return frozenset(ending for ending, name in formats.items() if name in Image.OPEN and name not in _NO_PICTURES)


def _unfit(path: Path, found: str) -> DataError:
    return DataError(
        path,
        expected="a picture or a folder of pictures",
        found=found,
        remedy="mount or fetch what is missing, or remove it from the folder",
    )
