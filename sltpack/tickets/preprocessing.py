"""From the bytes of pictures to the numbers that a network takes, as a ticket's `input` says (docs/format.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..format.records import ImageInput

if TYPE_CHECKING:
    import torch

Pictures = TypeVar("Pictures", "NDArray[Any]", "torch.Tensor")
_BRIGHTEST = 255
"""The value of the brightest pixel where pixels are bytes; the darkest has 0."""


def preprocess(images: Pictures, given: ImageInput, size: tuple[int, int] | None = None) -> Pictures:
    """Normalise pictures: every value v becomes (v / 255 - mean) / deviation of its channel.

    Each operation is rounded to float32 by itself, so that NumPy and torch on a processor have the same bits.

    Args:
        images: a NumPy array or a torch tensor, [n, height, width, channels], or [height, width, channels] for one
            picture: bytes (uint8), or floating-point numbers from 0 to 1, which are not divided by 255.
        given: the range, mean and deviation.
        size: the height and width that the pictures must have; None where any will do.

    Returns:
        float32 [n, channels, height, width], in channels-last memory, of the same library and on the same device.

    Raises:
        RequestError: the pictures have another type, shape, size or range.
    """
    values: Any = images
    if not isinstance(values, np.ndarray) and not hasattr(values, "new_tensor"):
        raise _refuse("a NumPy array or a torch tensor", type(values).__name__, "convert the pictures to one")
    _require_shape(tuple(values.shape), len(given.mean), size)
    kind = str(values.dtype).removeprefix("torch.")
    if kind != "uint8" and not kind.startswith(("float", "bfloat")):
        raise _refuse("pictures of uint8, or of floating-point numbers from 0 to 1", kind, "convert them")
    is_array = isinstance(values, np.ndarray)
    numbers = values.astype(np.float32) if is_array else values.float()
    if kind == "uint8":
        numbers = numbers / _constant(numbers, _BRIGHTEST)
    elif not _in_unit_range(numbers):
        raise _refuse(
            "floating-point numbers from 0 to 1", "others", "pass the pixels as uint8, or divide them by their maximum"
        )
    low, high = given.range
    if (low, high) != (0, 1):
        numbers = numbers * _constant(numbers, high - low) + _constant(numbers, low)
    numbers = (numbers - _constant(numbers, given.mean)) / _constant(numbers, given.deviation)
    if numbers.ndim == 3:
        numbers = numbers[None]
    moved: Pictures = numbers.transpose(0, 3, 1, 2) if is_array else numbers.permute(0, 3, 1, 2)
    return moved


def _constant(numbers: Any, value: float | tuple[float, ...]) -> Any:
    """Return numbers as float32 of the same library; a tensor divided by Python's own may be multiplied instead."""
    return np.array(value, np.float32) if isinstance(numbers, np.ndarray) else numbers.new_tensor(value)


def _in_unit_range(numbers: Any) -> bool:
    # NaN is in no range.
    return bool(((numbers >= 0) & (numbers <= 1)).all())


def _require_shape(found: tuple[int, ...], channels: int, size: tuple[int, int] | None) -> None:
    proper = len(found) in (3, 4) and found[-1] == channels and 0 not in found
    if not proper or (size is not None and found[-3:-1] != size):
        is_channels_first = len(found) in (3, 4) and found[-3] == channels != found[-1]
        height, width = ("height", "width") if size is None else size
        raise _refuse(
            f"shape [n, {height}, {width}, {channels}] or [{height}, {width}, {channels}]",
            f"{list(found)}",
            "put the channels last" if is_channels_first else "scale and crop the pictures first",
        )


def _refuse(expected: str, found: str, remedy: str) -> RequestError:
    return RequestError("images", expected=expected, found=found, remedy=remedy)
