"""The table of data sets: a new one is a module with a function `reader`, and a line here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequestError, closest, one_line
from ..format.records import GraphInput
from ..limits import MEMORY, Memory

if TYPE_CHECKING:
    from ..format.records import ImageInput
    from .dataset import DataSet

GRAPH_INPUT = GraphInput("unscaled", "undirected")
"""How every graph becomes a network's input."""
PATH = ":PATH"
"""How the name of a data set ends that is followed by the path of its files."""
_NAME_LENGTH = 60


@dataclass(frozen=True)
class Choices:
    """What the user chose for a data set.

    Attributes:
        path: of its files, behind the colon of its name.
        data_dir: the folder that holds the files of a data set that is known by name.
        image_size: height and width, in pixels, to which pictures are scaled and cropped.
        workers: processes that read pictures.
        limits: on the memory that pictures take.
        fit: how pictures that are scaled and cropped when they are read are so; None for the data set's own way.
    """

    path: Path | None = None
    data_dir: Path | None = None
    image_size: int | None = None
    workers: int | None = None
    limits: Memory = MEMORY
    fit: str | None = None

    @property
    def files(self) -> Path:
        """The path of a data set that has one."""
        assert self.path is not None
        return self.path


@dataclass(frozen=True)
class Reader:
    """How a data set is read.

    Attributes:
        load: reads it.
        classes: the names of its classes by label, where they are always the same.
        images: how its pictures become a network's input; None for a graph.
    """

    load: Callable[[Choices], DataSet]
    classes: tuple[str, ...] = ()
    images: ImageInput | None = None


@dataclass(frozen=True)
class DataSource:
    """A data set that has a name.

    Attributes:
        pattern: its name, or the name and ":PATH".
        module: the module in this room whose function `reader` returns how a name is read; imported when needed.
        graph: whether it is a graph, and not pictures.
        options: which of `Choices` can be made for it, beside the path.
    """

    pattern: str
    module: str
    graph: bool = False
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name without a path."""
        return self.pattern.removesuffix(PATH)

    @property
    def has_path(self) -> bool:
        """Whether a path follows its name."""
        return self.pattern.endswith(PATH)

    def read(self) -> Reader:
        """Import how it is read."""
        found = import_module(f".{self.module}", __package__).reader(self.name)
        assert isinstance(found, Reader)
        return found


_TABLE = (
    DataSource("cifar10", "images.cifar", options=("data_dir",)),
    DataSource("cifar100", "images.cifar", options=("data_dir",)),
    DataSource("digits", "images.digits"),
    DataSource("folder:PATH", "images.folders", options=("image_size", "limits")),
    DataSource("imagenet:PATH", "images.imagenet", options=("image_size", "workers", "limits")),
    DataSource("digits-graph", "graphs.digits_graph", graph=True),
    DataSource("cora", "graphs.planetoid", graph=True, options=("data_dir",)),
    DataSource("citeseer", "graphs.planetoid", graph=True, options=("data_dir",)),
    DataSource("pubmed", "graphs.planetoid", graph=True, options=("data_dir",)),
    DataSource("ogbn-arxiv", "graphs.ogb", graph=True, options=("data_dir",)),
    DataSource("graph:PATH", "graphs.own_files", graph=True),
)
SOURCES = {source.name: source for source in _TABLE}
"""Every data set by its name without a path."""
NAMES = tuple(source.pattern for source in _TABLE)
"""The names that `load` knows; PATH is a folder with a folder of pictures for each class, a folder as ImageNet's, or a
safetensors file with a graph."""
GRAPHS = tuple(source.pattern for source in _TABLE if source.graph)
"""Those of graphs."""


def source_of(name: str) -> DataSource:
    """Find a data set in the table.

    Args:
        name: one of `NAMES`, with a path in place of PATH.

    Returns:
        The data set.

    Raises:
        RequestError: there is none of that name.
    """
    kind, colon, path = name.partition(":")
    source = SOURCES.get(kind)
    if source is None or source.has_path != bool(path) or (colon and not path):
        raise RequestError(
            "--data",
            expected=f"one of {', '.join(NAMES)}",
            found=name or "nothing",
            remedy=closest(name, NAMES) or "choose one of them",
        )
    return source


def is_graph(name: str) -> bool:
    """Return whether a name is that of a graph.

    Args:
        name: of a data set, which need not be known.
    """
    source = SOURCES.get(name.partition(":")[0])
    return source is not None and source.graph


def fixed_classes(name: str) -> tuple[str, ...]:
    """Return the names of the classes where the name of the data set is enough to know them.

    Args:
        name: of a data set, which need not be known.

    Returns:
        The names by label; none for a data set that brings its own.
    """
    source = SOURCES.get(name)
    return source.read().classes if source is not None else ()


def fixed_input(name: str) -> ImageInput | GraphInput | None:
    """Return how a data set becomes a network's input.

    Args:
        name: of a data set, which need not be known.

    Returns:
        For pictures or a graph; None for an unknown name.
    """
    source = SOURCES.get(name.partition(":")[0])
    if source is None:
        return None
    return GRAPH_INPUT if source.graph else source.read().images


def title_of(name: str) -> str | None:
    """Return what the user calls a data set of their own: the last part of its path.

    Args:
        name: of a data set.

    Returns:
        Printable text of at most 60 characters; None where the name has no path.
    """
    kind, _, path = name.partition(":")
    if kind not in SOURCES or not SOURCES[kind].has_path or not path:
        return None
    last = Path(os.path.abspath(_expanded(path))).name
    return one_line(last, _NAME_LENGTH) or None


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    workers: int | None = None,
    limits: Memory = MEMORY,
    fit: str | None = None,
) -> DataSet:
    """Read a data set.

    Args:
        name: one of `NAMES`, with a path in place of PATH.
        data_dir: the folder that holds the files of CIFAR or of a graph that is known by name; without it they are kept
            in the user's cache folder, and downloaded once. Other data sets make no use of it.
        image_size: of a folder of pictures: the height and width, in pixels, to which all are scaled and cropped.
        workers: how many processes read the pictures of "imagenet:PATH"; without it, one for each core that this
            process has.
        limits: on the memory that pictures take.
        fit: how the pictures of a folder are scaled and cropped, "cover" or "center-crop"; None for the usual way.

    Returns:
        The parts: training and test images, or training, validation and test nodes.

    Raises:
        RequestError: the name is unknown, or an argument makes no sense for this data set.
        DataError: the data set is missing, incomplete or damaged.
    """
    source = source_of(name)
    _, _, path = name.partition(":")
    for option, given in (("image_size", image_size), ("workers", workers)):
        if given is not None and option not in source.options:
            flag = f"--{option.replace('_', '-')}"
            able = " or ".join(other.pattern for other in _TABLE if option in other.options)
            raise RequestError(flag, expected=f"{able} as data", found=name, remedy=f"leave {flag} out")
    folder = None if data_dir is None else Path(_expanded(os.fspath(data_dir)))
    choices = Choices(Path(_expanded(path)) if path else None, folder, image_size, workers, limits, fit)
    return source.read().load(choices)


def _expanded(path: str) -> str:
    """Return a path with the home folder in place of "~"; as it is where there is no such home."""
    return os.path.expanduser(path)
