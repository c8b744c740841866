"""Pickles of data sets: dictionaries, arrays and sparse matrices, read through the gate that `pickles` is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import DataError
from ...files import open_plain
from ...pickles.admitted import ADMITTED
from ...pickles.faults import PickleFault, unclear
from ...pickles.machine import Machine
from ...pickles.records import Array, Sparse
from .places import unreadable
from .sparse_matrices import write_out

FILE_LIMIT = 1 << 28
"""Bytes of a pickle; the largest official one, CIFAR-100's training set, has 155 MB."""
_AGAIN = "get the archive again"


def load(path: Path, remedy: str = _AGAIN) -> dict[Any, Any]:
    """Read a pickled dictionary of numeric arrays, texts, bytes, numbers, lists, tuples and dictionaries.

    Args:
        path: the file; strings of Python 2 become bytes.
        remedy: what the reader can do about a damaged one.

    Returns:
        What was pickled, with the values that are arrays as read-only ones of NumPy; a defaultdict as a dict.

    Raises:
        DataError: the file names any other class or function, is damaged, or is too large.
    """
    pickled = _load(path, remedy)
    if not isinstance(pickled, dict):
        raise _damaged(path, "a pickled dictionary", _described(pickled), remedy)
    return {key: value.values if isinstance(value, Array) else value for key, value in pickled.items()}


def load_matrix(path: Path, remedy: str = _AGAIN) -> NDArray[Any]:
    """Read a pickled array of NumPy or sparse matrix (CSR) of SciPy, which need not be installed.

    Args:
        path: the file.
        remedy: what the reader can do about a damaged one.

    Returns:
        Numbers of any type [rows, columns], a sparse matrix written out.

    Raises:
        DataError: the file holds something else, names any other class or function, is damaged, or is too large.
    """
    pickled = _load(path, remedy)
    try:
        values = pickled.values if isinstance(pickled, Array) else None
        if isinstance(pickled, Sparse):
            values = _written_out(pickled)
    except ValueError as error:
        raise _damaged(path, "a whole sparse matrix", f"{error}", remedy) from error
    except MemoryError as error:
        raise _damaged(path, "a sparse matrix that the memory holds", "a larger one", remedy) from error
    if values is None or values.ndim != 2:
        raise _damaged(path, "a pickled matrix", _described(pickled), remedy)
    return values


def _load(path: Path, remedy: str) -> object:
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > FILE_LIMIT:
                raise _damaged(path, f"a pickle of at most {FILE_LIMIT} bytes", f"{size}", remedy)
            data = stream.read(size)
        value, end = Machine(data, ADMITTED, old_text_is_bytes=True).run()
        if end != len(data):
            raise unclear("a pickle with something behind its end")
        return value
    except PickleFault as fault:
        expected = "a pickle of numeric arrays and plain containers"
        raise DataError(path, expected=expected, found=fault.found, remedy=fault.remedy(remedy)) from fault
    except OSError as error:
        raise unreadable(path, error, remedy) from error
    except MemoryError as error:
        raise _damaged(path, "a pickle that the memory holds", "a larger one", remedy) from error


def _damaged(path: Path, expected: str, found: str, remedy: str) -> DataError:
    return DataError(path, expected=expected, found=found, remedy=remedy)


def _described(pickled: object) -> str:
    if isinstance(pickled, Array):
        return f"{pickled.values.dtype} {list(pickled.values.shape)}"
    return "a sparse matrix" if isinstance(pickled, Sparse) else type(pickled).__name__


def _written_out(matrix: Sparse) -> NDArray[Any]:
    """Write out a matrix; a ValueError says why there is none."""

    def attribute(name: str) -> object:
        found = matrix.attributes.get(name, matrix.attributes.get(name.encode()))  # Python 2 spells names as bytes
        return found.values if isinstance(found, Array) else found

    return write_out(*map(attribute, ("_shape", "indptr", "indices", "data")))
