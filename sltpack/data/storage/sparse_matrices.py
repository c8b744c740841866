"""Sparse matrices from strangers, written out: nothing is trusted before it is compared with the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MATRIX_LIMIT = 1 << 28
"""Bytes of a matrix that is written out, in its own type and in float32; all of PubMed's features have 79 MB."""


def write_out(shape: object, starts: object, columns: object, numbers: object) -> NDArray[Any]:
    """Write out a matrix that is stored row by row (CSR).

    Args:
        shape: how many rows and columns, as whatever a file had there; so are the others.
        starts: where each row begins in `columns` and `numbers`, then their length, integers [rows + 1].
        columns: of each stored number, integers [m].
        numbers: [m], of any numeric type; no more than the matrix has places.

    Returns:
        All numbers of the matrix [rows, columns], those that are not stored as 0; numbers stored for one place are
        added.

    Raises:
        ValueError: the parts are no such matrix, or it would take more than `MATRIX_LIMIT` bytes.
    """
    if (
        not isinstance(shape, tuple)
        or len(shape) != 2
        or not all(type(size) is int and 0 <= size <= MATRIX_LIMIT for size in shape)
    ):
        raise ValueError("a matrix without a proper number of rows and columns")
    if not (
        isinstance(starts, np.ndarray)
        and isinstance(columns, np.ndarray)
        and isinstance(numbers, np.ndarray)
        and starts.shape == (shape[0] + 1,)
        and columns.ndim == 1
        and columns.shape == numbers.shape
        and starts.dtype.kind in "iu"
        and columns.dtype.kind in "iu"
    ):
        raise ValueError("a matrix whose shape and parts do not fit together")
    places = math.prod(shape)
    if places * max(numbers.itemsize, np.dtype(np.float32).itemsize) > MATRIX_LIMIT:
        raise ValueError(f"a matrix of more than {MATRIX_LIMIT} bytes")
    if len(numbers) > places:  # the places of each, worked out below, would take more than the matrix
        raise ValueError(f"{len(numbers)} numbers for {places} places")
    # Compared before anything is reckoned with them: a difference or a conversion could wrap around.
    if starts[0] != 0 or starts[-1] != len(columns) or (starts[1:] < starts[:-1]).any():
        raise ValueError("rows that are not one after the other")
    if ((columns < 0) | (columns >= shape[1])).any():
        raise ValueError(f"columns outside 0..{shape[1] - 1}")
    values: NDArray[Any] = np.zeros(shape, numbers.dtype)
    bounds: NDArray[np.int64] = starts.astype(np.int64)
    rows = np.repeat(np.arange(shape[0]), bounds[1:] - bounds[:-1])
    with np.errstate(all="ignore"):
        np.add.at(values, (rows, columns.astype(np.int64)), numbers)
    return values
