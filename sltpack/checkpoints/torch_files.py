"""Files of `torch.save` that hold tensors and plain values: written atomically, read without running code in them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch

from ..errors import ForeignError, FormatError, RequestError, reason, shown
from ..files import open_plain, write_atomically
from ..pickles import checkpoint
from ..pickles.checkpoint import Contents
from ..pickles.faults import PickleFault, damaged, unclear
from ..pickles.records import Record, Storage, Tensor

HOW_TO_MAKE = "make one with sltpack search or train"
_BYTE_TYPES = {"bool", "uint8", None}


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file, in place of an older one.

    Args:
        path: its name.
        values: tensors and plain values by name.

    Raises:
        OutputError: the file cannot be written.
    """
    # Into memory first: torch tells a full disk in its own way, and files.py in ours.
    stream = io.BytesIO()
    torch.save(dict(values), stream)
    write_atomically(path, stream.getvalue(), force=True)


def read(path: Path, form: str, versions: Sequence[int]) -> dict[str, Any]:
    """Read one of sltpack's own files, running no code that it may hold.

    Args:
        path: the file.
        form: what stands under "format".
        versions: those of its versions that can be read.

    Returns:
        Its values by name, with tensors on the CPU.

    Raises:
        RequestError: there is no such file.
        FormatError: it is of another format or version, is damaged or holds code.
    """
    values = read_any(path)
    if not isinstance(values, dict) or values.get("format") != form:
        found = "another tool's checkpoint, without scores" if isinstance(values, dict) else type(values).__name__
        raise ForeignError(path, expected="a checkpoint of sltpack", found=found, remedy=HOW_TO_MAKE)
    if type(values.get("version")) is not int or values["version"] not in versions:
        raise FormatError(
            path,
            expected=f"version {', '.join(map(str, versions[:-1]))} or {versions[-1]} of the checkpoint",
            found=f"version {shown(values.get('version'))}",
            remedy="use the sltpack that wrote it",
        )
    return values


def read_any(path: Path, remedy: str = HOW_TO_MAKE) -> object:
    """Read any file of torch.save, of any version and tool, running no code that it may hold.

    Args:
        path: the file.
        remedy: what the reader can do where it cannot be read.

    Returns:
        What was saved: None, bool, int, float, str, bytes, list, tuple, dict and tensors on the CPU; numbers of NumPy
        as Python's, an OrderedDict and its like as a dict, what else is admitted as the records of `pickles`. Tensors
        that shared their numbers share them.

    Raises:
        RequestError: there is no such file, or none that can be read.
        FormatError: it is of another kind, is damaged or holds code.
    """
    try:
        with open_plain(path) as stream:
            return _with_tensors(checkpoint.read(stream))
    except PickleFault as fault:
        raise FormatError(
            path, expected="a checkpoint of tensors and plain values", found=fault.found, remedy=fault.remedy(remedy)
        ) from fault
    except OSError as error:
        raise RequestError(path, expected="a checkpoint", found=reason(error), remedy=remedy) from error
    except MemoryError as error:
        raise FormatError(
            path, expected="a checkpoint that the memory holds", found="a larger one", remedy=remedy
        ) from error


def _with_tensors(contents: Contents) -> object:
    storages: dict[str, tuple[Storage, torch.Tensor]] = {}
    made: dict[int, Any] = {}

    def numbers(tensor: Tensor) -> torch.Tensor:
        known = storages.get(tensor.storage.key)
        if known is None:
            known = storages[tensor.storage.key] = tensor.storage, _flat(contents.storages(tensor.storage))
        if known[0] != tensor.storage:
            raise unclear("an archive with two storages of one name")
        flat = known[1]
        width = tensor.element.itemsize
        flat = flat[: len(flat) // width * width]
        if tensor.element.name == "bool":
            if bool((flat > 1).any()):
                raise damaged("a tensor of truth values that are none")
            flat = flat.view(torch.bool)
        elif tensor.element.name not in _BYTE_TYPES:
            flat = flat.view(getattr(torch, str(tensor.element.name)))
        return flat.as_strided(tensor.shape, tensor.strides, tensor.offset)

    def converted(value: Any) -> Any:
        """Put tensors in the place of their records; what is used several times is converted once."""
        kind = type(value)
        if kind not in (Tensor, Record, list, dict, tuple):
            return value
        if id(value) not in made:
            if kind is Tensor:
                made[id(value)] = numbers(value)
            elif kind is Record:
                made[id(value)] = Record(value.name, converted(value.value))
            elif kind is dict:
                made[id(value)] = {key: converted(item) for key, item in value.items()}
            else:
                made[id(value)] = kind(map(converted, value))
        return made[id(value)]

    return converted(contents.value)


def _flat(data: bytearray) -> torch.Tensor:
    """Make a tensor of bytes, uint8 [n], without a copy."""
    return torch.frombuffer(data, dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)


def is_plain(value: object, dtype: torch.dtype = torch.float32) -> TypeGuard[torch.Tensor]:
    """Tell whether a value is a tensor of numbers of a type."""
    return isinstance(value, torch.Tensor) and value.dtype == dtype


def described(value: object) -> str:
    """Tell what stands where a tensor should, in a few words."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "none" if value is None else type(value).__name__
