"""What a pickle holds besides plain values: inert records, which do nothing that the things they stand for do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Record:
    """Something that is kept by name, such as the arguments of a command line.

    Attributes:
        name: what the pickle calls it, such as "argparse.Namespace".
        value: plain values: a dictionary of attributes, or a text.
    """

    name: str
    value: Any


class DataType:
    """A numeric data type of NumPy, whose byte order is set after it is made.

    Attributes:
        dtype: the type.
    """

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class Array:
    """An array of NumPy, whose numbers are set after it is made.

    Attributes:
        values: numbers of any numeric type, read-only; an empty array until they are set.
    """

    __slots__ = ("values",)

    def __init__(self, values: NDArray[Any] | None = None) -> None:
        self.values: NDArray[Any] = np.zeros(0, np.uint8) if values is None else values

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return self.values.nbytes


class Sparse:
    """A csr_matrix of SciPy, whose parts are set after it is made and not yet compared with each other.

    Attributes:
        attributes: by name, as the pickle has them; Python 2 spells names as bytes.
    """

    __slots__ = ("attributes",)

    def __init__(self) -> None:
        self.attributes: Mapping[Any, object] = {}


@dataclass(frozen=True)
class ElementType:
    """The type of the numbers in a storage of torch.

    Attributes:
        name: as torch calls it, such as "float32"; None where bytes have no type.
        itemsize: bytes of a number.
    """

    name: str | None
    itemsize: int


@dataclass(frozen=True)
class Storage:
    """A run of numbers in an archive of torch.

    Attributes:
        key: the name of the archive's part.
        element: the type of its numbers.
        count: how many numbers it says that it has.
    """

    key: str
    element: ElementType
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, none of whose numbers lies outside what the storage says that it has.

    Attributes:
        storage: where the numbers are.
        element: the type of the numbers.
        offset: the place of the first number, in numbers.
        shape: how many numbers each dimension has.
        strides: the distance of neighbours in each dimension, in numbers.
    """

    storage: Storage
    element: ElementType
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of all numbers, had each its own place."""
        return math.prod(self.shape) * self.element.itemsize
