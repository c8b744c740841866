"""Data sets by name: CIFAR-10 and CIFAR-100, the digits that come with sltpack, and any folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError

if TYPE_CHECKING:
    from .images import ImageData, Images

__all__ = ["NAMES", "ImageData", "Images", "load"]

NAMES = ("cifar10", "cifar100", "digits", "folder:PATH")
"""The names that `load` knows; PATH is a folder with one folder of images for each class."""
_FOLDER = "folder:"


def load(name: str, data_dir: Path | None = None, image_size: int | None = None) -> ImageData:
    """Reads a data set.

    Args:
        name: one of `NAMES`.
        data_dir: the folder that holds the CIFAR files; without it they are kept in the user's cache folder, and
            downloaded once.
        image_size: of a folder of images: the height and width, in pixels, to which all are scaled and cropped.

    Returns:
        The training and test images.

    Raises:
        RequestError: the name is unknown, or an argument makes no sense for this data set.
        DataError: the data set is missing, incomplete or damaged.
    """
    from . import cifar, digits, folders

    folder = name.removeprefix(_FOLDER) if name.startswith(_FOLDER) else ""
    if not folder and name not in NAMES[:-1]:
        raise RequestError(
            "--data",
            expected=f"one of {', '.join(NAMES)}",
            found=name or "nothing",
            remedy="choose one of them",
        )
    if image_size is not None and not folder:
        raise _pointless("--image-size", _FOLDER + "PATH", name)
    if data_dir is not None and name not in cifar.FAMILIES:
        raise _pointless("--data-dir", " or ".join(cifar.FAMILIES), name)
    if folder:
        return folders.load(Path(folder).expanduser(), image_size)
    return digits.load() if name == "digits" else cifar.load(cifar.FAMILIES[name], data_dir)


def _pointless(option: str, expected: str, name: str) -> RequestError:
    return RequestError(option, expected=f"{expected} as data", found=name, remedy=f"leave {option} out")


def __getattr__(name: str) -> Any:
    """Gives `ImageData` and `Images` when they are first asked for, so that `NAMES` can be read without torch."""
    if name in ("ImageData", "Images"):
        from . import images

        return getattr(images, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
