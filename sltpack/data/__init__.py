"""Data sets by name: CIFAR-10 and CIFAR-100, the digits that come with sltpack, any folder of images, and graphs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..files import home_expanded
from ..launch import count_local_processes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from .dataset import DataSet
    from .images.in_memory import Images

__all__ = [
    "GRAPHS",
    "NAMES",
    "DataSet",
    "Images",
    "fixed_classes",
    "is_graph",
    "load",
    "read_image",
    "require_known",
    "unlabelled",
]

GRAPHS = ("digits-graph", "cora", "citeseer", "pubmed", "ogbn-arxiv", "graph:PATH")
"""The names of graphs; PATH is a safetensors file."""
NAMES = ("cifar10", "cifar100", "digits", "folder:PATH", "imagenet:PATH", *GRAPHS)
"""The names that `load` knows; the first PATH is a folder with one folder of images for each class, the second one as
ImageNet's."""
_ON_DISK = ("folder", "imagenet", "graph")


def load(name: str, data_dir: Path | None = None, image_size: int | None = None, workers: int | None = None) -> DataSet:
    """Reads a data set.

    Args:
        name: one of `NAMES`.
        data_dir: the folder that holds the files of CIFAR or of a graph that is known by name; without it they are kept
            in the user's cache folder, and downloaded once. Other data sets make no use of it.
        image_size: of a folder of images: the height and width, in pixels, to which all are scaled and cropped.
        workers: how many processes read the images of "imagenet:PATH"; without it, one for each core
            that this process has.

    Returns:
        The parts: training and test images, or training, validation and test nodes.

    Raises:
        RequestError: the name is unknown, or an argument makes no sense for this data set.
        DataError: the data set is missing, incomplete or damaged.
    """
    from .graphs import digits_graph, ogb, planetoid
    from .graphs import own_files as graph_files
    from .images import cifar, digits, folders, imagenet

    require_known(name)
    kind, _, path = name.partition(":")
    if image_size is not None and kind not in ("folder", "imagenet"):
        raise RequestError(
            "--image-size",
            expected="folder:PATH or imagenet:PATH as data",
            found=name,
            remedy="leave --image-size out",
        )
    if workers is not None and kind != "imagenet":
        raise RequestError("--workers", expected="imagenet:PATH as data", found=name, remedy="leave --workers out")
    if kind == "imagenet":
        return imagenet.load(home_expanded(path, name), image_size, _cores() if workers is None else workers)
    if kind == "folder":
        return folders.load(home_expanded(path, name), image_size)
    if kind == "graph":
        return graph_files.load(home_expanded(path, name))
    if name in planetoid.FAMILIES:
        return planetoid.load(planetoid.FAMILIES[name], data_dir)
    if name == "ogbn-arxiv":
        return ogb.load(data_dir)
    if name == "digits-graph":
        return digits_graph.load()
    return digits.load() if name == "digits" else cifar.load(cifar.FAMILIES[name], data_dir)


def require_known(name: str) -> None:
    """Makes sure that there is such a data set.

    Args:
        name: one of `NAMES`.

    Raises:
        RequestError: there is none of that name.
    """
    kind, _, path = name.partition(":")
    if name not in NAMES if not path else kind not in _ON_DISK:
        raise RequestError(
            "--data",
            expected=f"one of {', '.join(NAMES)}",
            found=name or "nothing",
            remedy="choose one of them",
        )


def is_graph(name: str) -> bool:
    """Tells whether a name is that of a graph, and not of images.

    Args:
        name: of a data set, which need not be known.
    """
    return name.partition(":")[0] in {graph.partition(":")[0] for graph in GRAPHS}


def _cores() -> int:
    """Gives the number of cores that this process may use, its share where torchrun started several."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // count_local_processes())


def fixed_classes(name: str) -> tuple[str, ...]:
    """Gives the names of the classes where the name of the data set is enough to know them.

    Args:
        name: of a data set, without a path.

    Returns:
        The names by label; none for a data set that brings its own.
    """
    from .graphs import ogb, planetoid
    from .images import cifar, digits

    families = {family.name: family.classes for family in planetoid.FAMILIES.values()}
    known = {
        "cifar10": cifar.CIFAR10_CLASSES,
        "digits": digits.CLASSES,
        "digits-graph": digits.CLASSES,
        "ogbn-arxiv": ogb.CLASSES,
        **families,
    }
    return known.get(name, ())


def read_image(name: str, path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Reads one image, scaled and cropped as the test images of a data set are.

    Args:
        name: of the data set, without a path; an unknown one is taken for a folder.
        path: the file.
        shape: channels, height and width that a model takes.

    Returns:
        uint8 [height, width, channels].

    Raises:
        MismatchError: no image has so many channels.
        DataError: the file is no image, or too large for the memory.
    """
    from .images import folders, imagenet

    _, height, width = shape
    folders.require_memory(path, (height, width, shape[0]))
    if name == "imagenet" and shape == (3, height, height):
        return imagenet.evaluation_pixels(path, width)
    return folders.read_image(path, shape)


def unlabelled(name: str, pixels: torch.Tensor) -> Images:
    """Makes images without labels, to be normalised as those of a data set are.

    Args:
        name: of the data set, without a path; an unknown one is taken for a folder.
        pixels: uint8 [n, height, width, channels].

    Returns:
        The images, all of label 0.
    """
    import torch

    from .images import cifar, digits, folders
    from .images.in_memory import Images

    mean, deviation = {
        "digits": (digits.MEAN, digits.DEVIATION),
        **dict.fromkeys(cifar.FAMILIES, (cifar.MEAN, cifar.DEVIATION)),
    }.get(name, (folders.MEAN, folders.DEVIATION))
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    return Images(pixels, labels, fixed_classes(name), mean, deviation)


def __getattr__(name: str) -> Any:
    """Gives `DataSet` and `Images` when they are first asked for, so that `NAMES` can be read without torch."""
    if name in ("DataSet", "Images"):
        from . import dataset as labelled
        from .images import in_memory as images

        return getattr(labelled if name == "DataSet" else images, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
