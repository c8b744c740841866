"""What pickles may name, in one table, and what is made in its place.

No maker copies what it is given or walks through it, since a pickle can call it again and again with the same. Nothing
here is NumPy's, SciPy's or torch's own code: what those set from a pickled state can make an array of pointers out of
plain bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .machine import Admitted, Refused
from .records import Array, DataType, ElementType, Record, Sparse, Storage, Tensor

_TYPE_CODES = ("b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_DIMENSIONS = 32
"""Of an array or tensor; NumPy 1 has no more."""
_COUNT_LIMIT = 1 << 48
_PATH_PARTS = 64
_ELEMENTS = {
    "float64": ElementType("float64", 8),
    "float32": ElementType("float32", 4),
    "float16": ElementType("float16", 2),
    "bfloat16": ElementType("bfloat16", 2),
    "uint64": ElementType("uint64", 8),
    "uint32": ElementType("uint32", 4),
    "uint16": ElementType("uint16", 2),
    "int64": ElementType("int64", 8),
    "int32": ElementType("int32", 4),
    "int16": ElementType("int16", 2),
    "int8": ElementType("int8", 1),
    "uint8": ElementType("uint8", 1),
    "bool": ElementType("bool", 1),
}
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_BYTES = ElementType(None, 1)
_DTYPES = {name: Record("torch.dtype", name) for name in _ELEMENTS}


def _text(value: object, what: str) -> str:
    if not isinstance(value, str | bytes) or len(value) > 256:
        raise Refused(f"{what} that is no text")
    return value if isinstance(value, str) else value.decode("latin1")


def _counts(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or len(values) > _DIMENSIONS:
        raise Refused(f"{what} without a proper shape")
    if not all(type(size) is int and 0 <= size <= _COUNT_LIMIT for size in values):
        raise Refused(f"{what} without a proper shape")
    return tuple(values)


# NumPy and SciPy.


def _make_dtype(arguments: tuple[Any, ...]) -> DataType:
    text = _text(arguments[0] if 1 <= len(arguments) <= 3 else None, "a data type")
    if text not in _TYPE_CODES:
        raise Refused(f"an array of type {text}")
    return DataType(np.dtype(text))


def _fill_dtype(kind: DataType, state: object) -> None:
    # State 2 to 4 are a subarray, names and fields, which only types made of other types have.
    if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
        raise Refused("an array of a compound type")
    order = _text(state[1], "a byte order")
    if order not in ("<", ">", "|", "="):
        raise Refused("an array of a compound type")
    kind.dtype = kind.dtype.newbyteorder(order)  # type: ignore[arg-type]


def _make_empty_array(arguments: tuple[Any, ...]) -> Array:
    if not arguments or arguments[0] is not _NDARRAY:
        raise Refused("an array of an unknown class")
    return Array()


def _fill_array(array: Array, state: object) -> None:
    if not isinstance(state, tuple) or len(state) != 5:
        raise Refused("an array of an unknown version")
    _, shape, kind, fortran, raw = state
    array.values = _array(raw, kind, shape, "F" if fortran else "C")


def _make_array(arguments: tuple[Any, ...]) -> Array:
    """Make an array as pickles of protocol 5 spell it; a fifth argument, its axes, is not known."""
    if not 4 <= len(arguments) <= 5 or any(axes is not None for axes in arguments[4:]):
        raise Refused("an array in an unknown order")
    return Array(_array(*arguments[:4]))


def _array(raw: object, kind: object, shape: object, order: object) -> np.ndarray[Any, Any]:
    if not isinstance(raw, bytes) or not isinstance(kind, DataType):
        raise Refused("an array without its bytes or type")
    if kind.dtype.kind == "b":  # to look at all bytes for others than 0 and 1 would take time again and again
        raise Refused("an array of type b1")
    sizes = _counts(shape, "an array")
    if math.prod(sizes) * kind.dtype.itemsize != len(raw):
        raise Refused("an array whose type, shape and bytes do not fit together")
    if order not in ("C", "F"):
        raise Refused("an array in an unknown order")
    return np.ndarray(sizes, kind.dtype, raw, order="F" if order == "F" else "C")


def _make_scalar(arguments: tuple[Any, ...]) -> object:
    if len(arguments) != 2:
        raise Refused("a number without its bytes or type")
    kind, raw = arguments
    if isinstance(kind, DataType) and kind.dtype.kind == "b" and raw in (b"\0", b"\1"):
        return bool(raw == b"\1")
    return _array(raw, kind, (), "C")[()].item()


def _encode(arguments: tuple[Any, ...]) -> bytes:
    """Make bytes, which Python 3 spells so in pickles of protocol 0 to 2."""
    text, encoding = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("bytes in an unknown spelling")
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise Refused("bytes in an unknown spelling") from None


def _make_sparse(arguments: tuple[Any, ...]) -> Sparse:
    if arguments:
        raise Refused("a sparse matrix of an unknown version")
    return Sparse()


def _fill_sparse(matrix: Sparse, state: object) -> None:
    if not isinstance(state, dict):
        raise Refused("a sparse matrix of an unknown version")
    matrix.attributes = state


# Python.


def _make_bytes(arguments: tuple[Any, ...]) -> bytes:
    if arguments:
        raise Refused("bytes in an unknown spelling")
    return b""


def _make_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Make an empty dictionary, also from an empty list of pairs, or take one as Counter does."""
    if arguments in ((), ([],)):
        return {}
    if len(arguments) != 1 or type(arguments[0]) is not dict:
        raise Refused("a dictionary that is made from something else")
    return arguments[0]


def _make_defaultdict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if len(arguments) != 1 or arguments[0] not in (_LIST, _DICT):
        raise Refused("a dictionary that makes something else than lists")
    return {}


def _drop_metadata(values: dict[Any, Any], state: object) -> None:
    """Leave out what torch notes on the modules of a state dict: their versions."""
    if not isinstance(state, dict) or len(state) != 1 or "_metadata" not in state:
        raise Refused("a dictionary with attributes")


def _make_namespace(arguments: tuple[Any, ...]) -> Record:
    if arguments:
        raise Refused("arguments of an unknown version")
    return Record("argparse.Namespace", {})


def _fill_namespace(record: Record, state: object) -> None:
    if not isinstance(state, dict):
        raise Refused("arguments of an unknown version")
    record.value = state


def _make_path(arguments: tuple[Any, ...]) -> Record:
    # The parts as they are: joined, a small file could have the same long texts joined again and again.
    if len(arguments) > _PATH_PARTS:
        raise Refused("a path without end")
    return Record("pathlib.Path", tuple(_text(part, "a path") for part in arguments))


# torch.


def _make_size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) != 1:
        raise Refused("a shape that is none")
    return _counts(arguments[0], "a shape")


def _make_device(arguments: tuple[Any, ...]) -> Record:
    kind = _text(arguments[0] if 1 <= len(arguments) <= 2 else None, "a device")
    number = arguments[1] if len(arguments) == 2 else None
    if number is not None and type(number) is not int:
        raise Refused("a device that is none")
    return Record("torch.device", kind if number is None else f"{kind}:{number}")


def storage(identifier: object) -> Storage:
    """Make the record of a storage from the persistent id that torch gives it.

    Args:
        identifier: ("storage", type, key, place, count), with None behind it in the old container.

    Returns:
        The record.

    Raises:
        Refused: it is something else.
    """
    parts = identifier if isinstance(identifier, tuple) else ()
    if not 5 <= len(parts) <= 6 or parts[0] != "storage":
        raise Refused("a storage of an unknown version")
    _, element, key, _, count, *view = parts
    if not isinstance(element, ElementType):
        raise Refused("a storage of an unknown type")
    if any(part is not None for part in view):
        raise Refused("a storage that is a part of another")
    if type(count) is not int or not 0 <= count <= _COUNT_LIMIT:
        raise Refused("a storage without a proper size")
    return Storage(_text(key, "a storage's name"), element, count)


def _make_tensor(arguments: tuple[Any, ...]) -> Tensor:
    if not 6 <= len(arguments) <= 7:
        raise Refused("a tensor of an unknown version")
    _require_no_notes(*arguments[5:])
    return _tensor(*arguments[:4])


def _make_old_tensor(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) != 4:
        raise Refused("a tensor of an unknown version")
    return _tensor(*arguments)


def _make_untyped_tensor(arguments: tuple[Any, ...]) -> Tensor:
    if not 7 <= len(arguments) <= 8:
        raise Refused("a tensor of an unknown version")
    _require_no_notes(arguments[5], *arguments[7:])
    element = arguments[6]
    if not isinstance(element, Record) or element.name != "torch.dtype":
        raise Refused("a tensor of an unknown type")
    stored, offset, shape, strides = arguments[:4]
    return _tensor(stored, offset, shape, strides, _ELEMENTS[element.value])


def _require_no_notes(*notes: object) -> None:
    """Refuse hooks, which are code, and notes that a tensor is another's negative or conjugate."""
    if any(note not in (None, {}, ()) for note in notes):
        raise Refused("a tensor with hooks or notes")


def _tensor(
    stored: object, offset: object, shape: object, strides: object, element: ElementType | None = None
) -> Tensor:
    if not isinstance(stored, Storage) or (stored.element is _BYTES) != (element is not None):
        raise Refused("a tensor without a storage")
    kind = element or stored.element
    sizes, steps = _counts(shape, "a tensor"), _counts(strides, "a tensor")
    count = stored.count * stored.element.itemsize // kind.itemsize
    if len(sizes) != len(steps) or type(offset) is not int or not 0 <= offset <= count:
        raise Refused("a tensor without a proper shape")
    if math.prod(sizes) and offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True)) >= count:
        raise Refused("a tensor that is larger than its storage")
    return Tensor(stored, kind, offset, sizes, steps)


def _make_parameter(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor):
        raise Refused("a parameter of an unknown version")
    _require_no_notes(arguments[2])
    return arguments[0]


_NDARRAY = Admitted("numpy.ndarray")
_LIST = Admitted("builtins.list")
_DICT = Admitted("builtins.dict")


def _entries() -> Iterator[tuple[str, Admitted]]:
    """List all that is admitted, by the module that a pickle may name."""
    yield "numpy", _NDARRAY
    yield "numpy", Admitted("numpy.dtype", _make_dtype, _fill_dtype)
    for core in ("numpy.core", "numpy._core"):  # of NumPy 1 and 2
        yield f"{core}.multiarray", Admitted(f"{core}.multiarray._reconstruct", _make_empty_array, _fill_array)
        yield f"{core}.multiarray", Admitted(f"{core}.multiarray.scalar", _make_scalar)
        yield f"{core}.numeric", Admitted(f"{core}.numeric._frombuffer", _make_array)
    for module in ("scipy.sparse.csr", "scipy.sparse._csr"):
        yield module, Admitted(f"{module}.csr_matrix", _make_sparse, _fill_sparse)
    yield "_codecs", Admitted("_codecs.encode", _encode)
    for module in ("builtins", "__builtin__"):  # of Python 3 and 2
        yield module, _LIST
        yield module, _DICT
        yield module, Admitted(f"{module}.bytes", _make_bytes)
    yield "collections", Admitted("collections.OrderedDict", _make_dict, _drop_metadata)
    yield "collections", Admitted("collections.Counter", _make_dict)
    yield "collections", Admitted("collections.defaultdict", _make_defaultdict)
    yield "argparse", Admitted("argparse.Namespace", _make_namespace, _fill_namespace)
    for module in ("pathlib", "pathlib._local"):  # of Python 3.13
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            yield module, Admitted(f"{module}.{name}", _make_path)
    for name, element in _STORAGES.items():
        yield "torch", Admitted(f"torch.{name}", value=_ELEMENTS[element])
    for module in ("torch", "torch.storage"):
        yield module, Admitted(f"{module}.UntypedStorage", value=_BYTES)
    for name, record in _DTYPES.items():
        yield "torch", Admitted(f"torch.{name}", value=record)
    yield "torch", Admitted("torch.Size", _make_size)
    yield "torch", Admitted("torch.device", _make_device)
    tensors: dict[str, Callable[[tuple[Any, ...]], object]] = {
        "_rebuild_tensor": _make_old_tensor,
        "_rebuild_tensor_v2": _make_tensor,
        "_rebuild_tensor_v3": _make_untyped_tensor,
        "_rebuild_parameter": _make_parameter,
    }
    for name, make in tensors.items():
        yield "torch._utils", Admitted(f"torch._utils.{name}", make)


ADMITTED = {(module, entry.name.rpartition(".")[2]): entry for module, entry in _entries()}
"""All that a pickle may name, by module and name."""
