"""Pickles of arrays from strangers: nobody's code is called but that of the few stand-ins in this file.

Not even NumPy's own functions are admitted: their pickled states can set flags of a data type, and with them make an
array of pointers out of plain bytes.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import open_plain
from .places import unreadable
from .sparse_matrices import write_out

FILE_LIMIT = 1 << 28
"""Bytes of a pickle; the largest official one, CIFAR-100's training set, has 155 MB."""
OPCODE_LIMIT = 1 << 20
"""Steps of a pickle, each of which can take memory without taking room in the file; CIFAR-100's has about 200 000."""
TUPLE_LIMIT = 1 << 10
"""Tuples and frozen sets: to hash them when they are nested without end would overflow the stack."""
_ANEW = "get the archive anew"
_TYPE_CODES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_NESTED = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")
_NDARRAY = "numpy.ndarray"
_LIST = "builtins.list"


def load(path: Path, remedy: str = _ANEW) -> dict[Any, Any]:
    """Reads a pickled dictionary of numeric arrays, texts, bytes, numbers, lists, tuples and dictionaries.

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
    return {key: value.values if isinstance(value, _Array) else value for key, value in pickled.items()}


def load_matrix(path: Path, remedy: str = _ANEW) -> NDArray[Any]:
    """Reads a pickled array of NumPy or sparse matrix (CSR) of SciPy, which need not be installed.

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
        values = pickled.values if isinstance(pickled, _Array | _Sparse) else None
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
            _require(path, os.fstat(stream.fileno()).st_size, remedy)
            data = stream.read()
        _inspect(data)
        return _Unpickler(io.BytesIO(data)).load()
    except _RefusedError as error:
        raise DataError(
            path,
            expected="a pickle of numeric arrays and plain containers",
            found=f"{error}",
            remedy=f"the file is damaged or would run code; {remedy}",
        ) from error
    except DataError:
        raise
    except OSError as error:
        raise unreadable(path, error, remedy) from error
    except Exception as error:  # a damaged pickle may raise nearly anything, in words that say nothing of the file
        raise _damaged(path, "a whole pickle", "a damaged or cut one", remedy) from error


class _RefusedError(pickle.UnpicklingError):
    """The pickle asks for something that is not admitted."""


def _require(path: Path, size: int, remedy: str) -> None:
    if size > FILE_LIMIT:
        raise _damaged(path, f"a pickle of at most {FILE_LIMIT} bytes", f"{size}", remedy)


def _damaged(path: Path, expected: str, found: str, remedy: str) -> DataError:
    return DataError(path, expected=expected, found=found, remedy=remedy)


def _described(pickled: object) -> str:
    if isinstance(pickled, _Array):
        return f"{pickled.values.dtype} {list(pickled.values.shape)}"
    return "a sparse matrix" if isinstance(pickled, _Sparse) else type(pickled).__name__


def _inspect(data: bytes) -> None:
    """Walks through a pickle without doing what it says, and refuses what would take memory out of all proportion."""
    nested = 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        nested += opcode.name in _NESTED
        if count >= OPCODE_LIMIT:
            raise _RefusedError(f"more than {OPCODE_LIMIT} steps")
        if nested > TUPLE_LIMIT:
            raise _RefusedError(f"more than {TUPLE_LIMIT} tuples")
        # The unpickler's memo is a list that is at once as long as the largest index in it.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > OPCODE_LIMIT:
            raise _RefusedError(f"memo entry {argument}")


class _TypeCode:
    """Stands in for a data type."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        text = _text(code)
        if text not in _TYPE_CODES:
            raise _RefusedError(f"an array of type {text}")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: object) -> None:
        order = _text(state[1]) if isinstance(state, tuple) and len(state) >= 5 else ""
        # State 2 to 4 are a subarray, names and fields, which only types made of other types have.
        if not isinstance(state, tuple) or order not in ("<", ">", "|", "=") or state[2:5] != (None, None, None):
            raise _RefusedError("an array of a compound type")
        self.dtype = self.dtype.newbyteorder(order)  # type: ignore[arg-type]


class _Array:
    """Stands in for an array until its values are known."""

    __slots__ = ("values",)

    def __init__(self, values: NDArray[Any] | None = None) -> None:
        self.values: NDArray[Any] = np.zeros(0, np.uint8) if values is None else values

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _RefusedError("an array of an unknown version")
        _, shape, kind, fortran, raw = state
        if not isinstance(raw, bytes):  # anything else would be copied
            raise _RefusedError("an array without its bytes")
        self.values = _values(raw, kind, shape, "F" if fortran else "C")


class _Sparse:
    """Stands in for SciPy's csr_matrix, which a pickle makes without arguments and then gives its attributes."""

    _parts: tuple[object, ...] = (None,) * 4  # not set in __init__, which a pickle need not call

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise _RefusedError("a sparse matrix of an unknown version")
        # Python 2 spells names as bytes.
        names = ("_shape", "indptr", "indices", "data")
        self._parts = tuple(state.get(name, state.get(name.encode())) for name in names)

    @property
    def values(self) -> NDArray[Any]:
        """The matrix written out; a ValueError tells why there is none."""
        shape, *stored = self._parts
        return write_out(shape, *(part.values if isinstance(part, _Array) else None for part in stored))


class _Call:
    """A function that a pickle may call but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("a change of a function")


def _values(raw: object, kind: object, shape: object, order: object) -> NDArray[Any]:
    if (
        not isinstance(raw, bytes | bytearray)
        or not isinstance(kind, _TypeCode)
        or not isinstance(shape, tuple)
        or not len(shape) <= 32
        or not all(type(size) is int and 0 <= size <= FILE_LIMIT for size in shape)
        or math.prod(shape) * kind.dtype.itemsize != len(raw)
    ):
        raise _RefusedError("an array whose type, shape and bytes do not fit together")
    if order not in ("C", "F"):
        raise _RefusedError("an array in an unknown order")
    values: NDArray[Any] = np.ndarray(shape, kind.dtype, bytes(raw), order="F" if order == "F" else "C")
    return values


def _text(value: object) -> str:
    if not isinstance(value, str | bytes):
        raise _RefusedError("a data type that is no text")
    return value if isinstance(value, str) else value.decode("latin1")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stands in for the function that makes an empty array, which its state fills."""
    if kind != _NDARRAY:
        raise _RefusedError("an array of an unknown class")
    return _Array()


def _defaultdict(factory: object = None) -> dict[Any, Any]:
    """Stands in for the dictionary that makes lists for keys it has not: it makes a plain one."""
    if factory != _LIST:
        raise _RefusedError("a dictionary that makes something else than lists")
    return {}


_ADMITTED: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Call(_TypeCode),
    ("numpy.core.multiarray", "_reconstruct"): _Call(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): _Call(_reconstruct),
    ("scipy.sparse.csr", "csr_matrix"): _Sparse,
    ("scipy.sparse._csr", "csr_matrix"): _Sparse,
    ("collections", "defaultdict"): _Call(_defaultdict),
    ("__builtin__", "list"): _LIST,
    ("builtins", "list"): _LIST,
}


class _Unpickler(pickle.Unpickler):
    """Admits the stand-ins, and lets those that copy bytes of the file copy no more than a file may have."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="bytes")
        self._left = FILE_LIMIT

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _Call(self._encode)
        if (module, name) in (("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")):
            return _Call(self._frombuffer)
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}") from None

    def _encode(self, text: object, encoding: object) -> bytes:
        """Stands in for the codec call by which Python 3 spells bytes in pickles of protocol 2."""
        if not isinstance(text, str) or encoding != "latin1":
            raise _RefusedError("bytes in an unknown spelling")
        self._take(len(text))
        return text.encode("latin1")

    def _frombuffer(self, raw: object, kind: object, shape: object, order: object, axes: object = None) -> _Array:
        """Stands in for the function by which pickles of protocol 5 spell arrays."""
        self._take(len(raw) if isinstance(raw, bytes | bytearray) else 0)
        return _Array(_values(raw, kind, shape, order if axes is None else None))

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _RefusedError(f"more than {FILE_LIMIT} bytes, again and again the same")
