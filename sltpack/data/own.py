"""Data that a program has already: tensors of images and labels, or a data set of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..errors import DataError, RequestError
from ..format.records import FITS, GraphInput, ImageInput
from .dataset import WHOLE, Batch, DataSet, Labelled, Share, split

NAME = "tensors"
"""What a run on such data notes as their name."""
_REMEDY = "give (images, labels), a torch.utils.data.Dataset of such pairs, or the name of a data set"


@dataclass(frozen=True, eq=False, repr=False)
class Tensors:
    """Images that are network input as they are, and their labels.

    Attributes:
        images: float32 [n, channels, height, width].
        labels: int64 [n].
        classes: the names of the classes, by label.
        input: how pictures become such images; None where that is not known.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    input: ImageInput | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<Tensors: {len(self):,} images {list(self.shape)}, {len(self.classes)} classes>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return tuple(self.images.shape[1:])

    def take(self, index: torch.Tensor | slice) -> Tensors:
        """Return some of them, by index or slice."""
        return replace(self, images=self.images[index], labels=self.labels[index])

    def to(self, device: torch.device) -> Tensors:
        """Put all of them on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def fed(self, given: ImageInput | GraphInput) -> Tensors:
        """Return the same images: they are what a network takes already."""
        return self

    def sha256(self) -> str:
        """Return the SHA-256 of the images and labels."""
        digest = hashlib.sha256(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def files(self) -> Sequence[str]:
        """Return nothing: they come from no file that is known."""
        return ()

    def batches(self, size: int) -> Iterator[Batch]:
        """Return the images as they are, in order, `size` at a time."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.images[part].contiguous(memory_format=torch.channels_last), self.labels[part]

    def training_batches(
        self, order: NDArray[np.int64], size: int, chance: Sequence[int], share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Return the images in an order, not augmented: what may be done to them is not known."""
        index = torch.from_numpy(order).to(self.images.device)
        own = share.of(size)
        for start in range(0, len(order) - size + 1, size):
            part = index[start + own.start : start + own.stop]
            yield self.images[part].contiguous(memory_format=torch.channels_last), self.labels[part]


def tensors_of(data: object, name: str = "data") -> Tensors:
    """Make a set of images and labels, for an evaluation.

    Args:
        data: as for `data_set_of`.
        name: what to call it in an error.

    Raises:
        SltpackError: as `data_set_of`.
    """
    images, labels = _pair(name, data)
    names = tuple(getattr(data, "classes", ())) or tuple(map(str, range(1 + int(labels.max()))))
    return Tensors(images, labels, names)


def data_set_of(
    data: object, validation: object = None, test: object = None, classes: Sequence[str] | None = None
) -> DataSet:
    """Make a data set of what a program has.

    Args:
        data: what trains: images, float [n, channels, height, width] as the network takes them or uint8, which become
            0..1, with labels, integers [n]; or a `torch.utils.data.Dataset` of such pairs, which is read at once.
        validation: what validates, likewise; without it, a fifth of what trains.
        test: what tests, likewise; without it, a fifth is set apart.
        classes: the names of the classes, by label; without them those that the data set names, or the numbers.

    Returns:
        The data set.

    Raises:
        RequestError: they are not of these types or shapes.
        DataError: there are too few, or a label is no number of a class.
    """
    if isinstance(data, DataSet):
        return data
    pairs = {
        name: _pair(name, part)
        for name, part in (("data", data), ("validation", validation), ("test", test))
        if part is not None
    }
    names = tuple(getattr(data, "classes", ()) if classes is None else classes) or tuple(
        str(number) for number in range(1 + max(int(labels.max()) for _, labels in pairs.values()))
    )
    given = _input_of(data)
    parts = {name: Tensors(images, labels, names, given) for name, (images, labels) in pairs.items()}
    for name, part in parts.items():
        if int(part.labels.min()) < 0 or int(part.labels.max()) >= len(names):
            raise DataError(
                name,
                expected=f"labels in 0..{len(names) - 1}",
                found=f"{int(part.labels.min())} to {int(part.labels.max())}",
                remedy="name as many `classes` as there are",
            )
    train = parts["data"]
    if "test" in parts:
        tested = parts["test"]
    else:
        train, tested = split(train, 0)
    validated: Labelled | None = parts.get("validation")
    return DataSet(train, tested, validated)


def _input_of(data: Any) -> ImageInput | None:
    """Return how pictures become such images, which is known of bytes alone."""
    images = data[0] if isinstance(data, tuple | list) else None
    if not isinstance(images, torch.Tensor | np.ndarray) or str(images.dtype).removeprefix("torch.") != "uint8":
        return None
    channels = images.shape[1]
    return ImageInput((0.0, 1.0), (0.0,) * channels, (1.0,) * channels, FITS[0])


def _pair(name: str, data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images, float32 [n, C, H, W], and labels, int64 [n]."""
    if isinstance(data, Dataset):
        images, labels = _read(name, data)
    elif isinstance(data, tuple | list) and len(data) == 2:
        images, labels = (
            torch.as_tensor(part) if isinstance(part, np.ndarray | torch.Tensor) else part for part in data
        )
        labels = torch.as_tensor(labels) if isinstance(labels, list | tuple) else labels
    else:
        raise RequestError(name, expected="images and labels", found=type(data).__name__, remedy=_REMEDY)
    if not isinstance(images, torch.Tensor) or not isinstance(labels, torch.Tensor):
        found = ", ".join(type(part).__name__ for part in (images, labels))
        raise RequestError(name, expected="tensors of images and labels", found=found, remedy=_REMEDY)
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    floats = images.is_floating_point()
    if (
        images.dim() != 4
        or labels.shape != images.shape[:1]
        or not whole
        or not (floats or images.dtype == torch.uint8)
    ):
        raise RequestError(
            name,
            expected="images [n, channels, height, width], float or uint8, and labels [n], integers",
            found=f"{_told(images)} and {_told(labels)}",
            remedy="reshape or convert them",
        )
    if not len(labels):
        raise DataError(name, expected="at least one image", found="none", remedy="add some")
    values = images.detach().to("cpu", torch.float32)
    return values if floats else values / 255, labels.detach().to("cpu", torch.int64)


def _read(name: str, data: Dataset[Any]) -> tuple[Any, Any]:
    """Read all pairs of a data set of torch."""
    images, labels = [], []
    for number in range(len(data)):  # type: ignore[arg-type]
        item = data[number]
        if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], torch.Tensor):
            found = type(item[0] if isinstance(item, tuple | list) and item else item).__name__
            raise RequestError(
                name,
                expected="a Dataset whose items are pairs of an image tensor and a label",
                found=f"{found} at item {number}",
                remedy="give it a transform that makes tensors, such as torchvision.transforms.ToTensor()",
            )
        images.append(item[0])
        labels.append(int(item[1]))
    if not images:
        raise DataError(name, expected="at least one image", found="none", remedy="add some")
    if len({image.shape for image in images}) > 1:
        raise RequestError(name, expected="images of one shape", found="several", remedy="crop or scale them to one")
    return torch.stack(images), torch.tensor(labels)


def _told(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
