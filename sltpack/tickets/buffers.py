"""What cannot come from a seed: a model's buffers, as they are written and as a network takes them.

BatchNorm's mean and variance stand together, so that eight bits of each are enough for a channel (docs/format.md,
"Buffers"). Everything is done by exact operations: two readers make the same numbers of the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError, SltpackError, damaged
from ..format.records import MAX_DIMENSIONS, NAME, NORM, NORM_ENDS, BufferRow
from ..format.tensors import items_of

WAYS = ("f32", "f16", "q8")
"""How many bits a buffer's values may take: 32, 16, or of a mean and a variance 8."""
_DTYPES: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "u8": np.dtype("u1")}
_SIZES = np.arange(1, 257, dtype=np.int64) ** 2
"""The deviation, in units of the row's step, that each code stands for. Squares, since of channels whose deviations are
a hundred times apart the smallest is then still told to 2 %, and of like ones each to 0.4 %."""
_MIDDLE = 128
"""The code of a mean of zero."""
_TRIED = np.linspace(1, 0.5, 51)
"""Shares of the largest step that a writer tries: with smaller ones, all but the largest numbers come out closer."""
_LEAST = 2.0**-60
"""Smaller deviations and steps would leave the range of float32."""

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class StoredBuffers:
    """Buffers as they stand in a file.

    Attributes:
        rows: their names, shapes and kinds.
        tensors: the bytes of `buffers.f32`, `buffers.f16` and `buffers.u8`, by "f32", "f16" and "u8".
    """

    rows: tuple[BufferRow, ...]
    tensors: Mapping[str, bytes]

    def restore(self, where: object = "ticket") -> dict[str, Numbers]:
        """Return the buffers by name, float32, or float16 where they are stored so; shared ones under each name.

        Args:
            where: what to name in an error.

        Raises:
            FormatError: a step is not a finite number above 0.
        """
        found: dict[str, Numbers] = {}
        places = dict.fromkeys(_DTYPES, 0)
        for row in self.rows:
            parts = {}
            for kind, count in items_of(row).items():
                dtype, start = _DTYPES[kind], places[kind]
                places[kind] += count * dtype.itemsize
                parts[kind] = np.frombuffer(self.tensors[kind], dtype, count, start)
            arrays = _dequantised(row, parts, where) if "u8" in parts else _split(row, parts)
            for names, array in zip(row.buffers, arrays, strict=True):
                found |= dict.fromkeys(names, array.reshape(row.shape))
        return found


def store(buffers: Mapping[str, Numbers], way: str | None = None, taken: Iterable[str] = ()) -> StoredBuffers:
    """Write buffers as a file has them.

    Args:
        buffers: float32 or float16, by name, in the order of the model's state dict. Those that are the same memory
            under several names are written once.
        way: one of `WAYS`; without it, each as its type says. What "q8" cannot write, such as a buffer that is no mean
            or variance, stays as it is.
        taken: the names of the layers' parameters, which no buffer may have.

    Returns:
        The rows and their numbers.

    Raises:
        RequestError: a buffer's name, type or shape is none that a file can hold.
        SltpackError: a number does not fit float16.
    """
    rows, tensors = [], dict.fromkeys(_DTYPES, b"")
    for name, values in buffers.items():
        _require_storable(name, values, taken)
    left = _shared(buffers)
    while left:
        names, pair = _row_of(next(iter(left)), left)
        arrays = [_converted(group[0], left.pop(group), way) for group in pair]
        kind = {4: "f32", 2: "f16"}[arrays[0].itemsize]
        codes = _quantised(*arrays) if way == "q8" and len(pair) == 2 else None
        parts = codes or {kind: np.concatenate([array.ravel() for array in arrays])}
        row_kind = "q8" if codes else kind
        rows.append(BufferRow(names, arrays[0].shape, NORM + row_kind if len(pair) == 2 else row_kind))
        for name, numbers in parts.items():
            tensors[name] += numbers.astype(_DTYPES[name]).tobytes()
    return StoredBuffers(tuple(rows), {name: data for name, data in tensors.items() if data})


def _split(row: BufferRow, parts: Mapping[str, NDArray[Any]]) -> list[Numbers]:
    (numbers,) = parts.values()
    return np.split(numbers, len(row.buffers))


def _shared(buffers: Mapping[str, Numbers]) -> dict[tuple[str, ...], Numbers]:
    """Return buffers by all names that the same memory has."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, values in buffers.items():
        # Equal numbers are not enough: two normalisations that begin alike are still two.
        place = (values.__array_interface__["data"][0], values.dtype, values.shape, values.strides)
        groups.setdefault(place, []).append(name)
    return {tuple(names): _native(buffers[names[0]]) for names in groups.values()}


def _native(values: Numbers) -> Numbers:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _require_storable(name: str, values: Numbers, taken: Iterable[str]) -> None:
    native = values.dtype.newbyteorder("=")
    known = native in (np.float32, np.float16)
    if not known or values.size == 0 or values.ndim > MAX_DIMENSIONS:
        raise RequestError(
            f"buffer {name}",
            expected=f"float32 or float16 of at most {MAX_DIMENSIONS} dimensions, none of them 0",
            found=f"{values.dtype} {list(values.shape)}",
            remedy="keep such a buffer out of the model's state (persistent=False)",
        )
    if name in taken or not NAME.fullmatch(name):
        expected = "a name of 1 to 256 characters without spaces that no layer's weight has"
        raise RequestError(f"buffer {name}", expected=expected, found=repr(name), remedy="rename the buffer")


def _row_of(
    names: tuple[str, ...], left: Mapping[tuple[str, ...], Numbers]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the names of a row that begins with a buffer, and all names of each buffer that it takes."""
    for end in NORM_ENDS:
        bases = tuple(name.removesuffix(end) for name in names)
        pair = tuple(tuple(base + each for base in bases) for each in NORM_ENDS)
        if all(bases) and all(name.endswith(end) for name in names) and all(group in left for group in pair):
            mean, variance = (left[group] for group in pair)
            if (mean.shape, mean.dtype) == (variance.shape, variance.dtype):
                return bases, pair
    return names, (names,)


def _converted(name: str, values: Numbers, way: str | None) -> Numbers:
    if way is None:
        return values
    if way != "f16":
        return values.astype(np.float32)
    with np.errstate(over="ignore"):
        halved = values.astype(np.float16)
    if not np.isfinite(halved).all():
        raise SltpackError(
            f"buffer {name}",
            expected="numbers that fit float16, up to 65504",
            found=f"{np.abs(values).max():g}",
            remedy="pack with --buffers f32",
        )
    return halved


def _quantised(mean: Numbers, variance: Numbers) -> dict[str, NDArray[Any]] | None:
    """Write a mean and a variance in 8 bits each, by the steps of least error; None where that cannot be done."""
    means, variances = mean.ravel().astype(np.float64), variance.ravel().astype(np.float64)
    if not (np.isfinite(means).all() and np.isfinite(variances).all() and (variances >= 0).all()):
        return None
    # A channel that is always the same has no deviation, and the least one is close enough.
    largest = float(np.sqrt(variances.max()))
    deviations = np.maximum(np.sqrt(variances), largest / _SIZES[-1])
    if largest < _LEAST:
        return None
    step = _best_step(largest / _SIZES[-1], lambda t: _SIZES[_nearest(deviations, t)] * t / deviations - 1)
    codes = _nearest(deviations, step)
    # By the deviation that a reader has, so that its error is not the mean's too.
    ratios = means / (_SIZES[codes] * step)
    reach = max(float(np.abs(ratios).max()) / (_MIDDLE - 1), _LEAST)
    mean_step = _best_step(reach, lambda s: (_mean_codes(ratios, s) - _MIDDLE) * s - ratios)
    return {
        "u8": np.concatenate([_mean_codes(ratios, mean_step), codes]),
        "f32": np.array([mean_step, step], np.float32),
    }


def _best_step(largest: float, errors: Callable[[float], Numbers]) -> float:
    """Return the float32 step, of some up to the largest, with the least sum of squared errors."""
    steps = [float(np.float32(largest * share)) for share in _TRIED]
    return min(steps, key=lambda step: float(np.square(errors(step)).sum()))


def _nearest(deviations: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    """Return the code of the deviation nearest to each."""
    sizes = _SIZES * step
    codes: NDArray[np.int64] = np.searchsorted((sizes[1:] + sizes[:-1]) / 2, deviations)
    return codes


def _mean_codes(ratios: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    """Return the codes of means, in units of their deviations."""
    codes: NDArray[np.int64] = np.clip(np.rint(ratios / step) + _MIDDLE, 0, 255).astype(np.int64)
    return codes


def _dequantised(row: BufferRow, parts: Mapping[str, NDArray[Any]], where: object) -> tuple[Numbers, Numbers]:
    """Read the mean and the variance of 8 bits each, by exact integers and correctly rounded float32 products."""
    mean_step, step = parts["f32"].astype(np.float32)
    largest = float(_SIZES[-1]) * float(step)
    # The largest numbers that these steps can lead to are finite.
    reach = max(largest * largest, _MIDDLE * abs(float(mean_step)) * largest)
    if not (mean_step > 0 and step > 0 and reach < float(np.finfo(np.float32).max)):
        expected = "two steps above 0 that lead to finite numbers"
        raise damaged(f"{where}: buffer {row.name}", expected, f"{mean_step:g} and {step:g}")
    of_mean, of_deviation = np.split(parts["u8"], 2)
    deviation = _SIZES[of_deviation].astype(np.float32) * step
    mean = (of_mean.astype(np.float32) - np.float32(_MIDDLE)) * mean_step * deviation
    return mean, deviation * deviation
