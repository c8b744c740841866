"""Reading a foreign checkpoint: a file of torch.save, of any version, or of safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import FormatError, LimitError, RequestError, reason
from ...files import open_plain
from ...format.detection import Kind, kind_of
from ...format.records import MAX_WEIGHTS
from ...pickles.records import Record
from ..torch_files import read_any
from .foreign import Foreign, take_apart

_REMEDY = "give the checkpoint of one of the codes that docs/import.md lists"


def read_foreign(path: Path, max_weights: int = MAX_WEIGHTS) -> Foreign:
    """Read a foreign checkpoint, running no code that it may hold.

    Args:
        path: the file.
        max_weights: the most numbers that its state dict may have.

    Returns:
        Its state dict and what is around it.

    Raises:
        RequestError: there is no such file.
        FormatError: it is of another kind, is damaged or holds code.
        LimitError: it holds too many numbers.
    """
    values = _safetensors(path) if kind_of(path) is Kind.TENSORS else read_any(path, _REMEDY)
    if not isinstance(values, Mapping):
        raise FormatError(path, expected="a dictionary with tensors", found=type(values).__name__, remedy=_REMEDY)
    foreign = take_apart(str(path), {name: _plain(value) for name, value in values.items()})
    size = sum(tensor.size for tensor in foreign.tensors.values())
    if size > 4 * max_weights:  # scores, masks and two more for each weight
        raise LimitError(
            path,
            expected=f"at most {4 * max_weights} numbers",
            found=f"{size}",
            remedy=f"if you trust the file, allow more (--max-weights {-(-size // 4)})",
        )
    return foreign


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        with open_plain(path) as stream:
            return dict(load(stream.read()))
    except SafetensorError as error:
        raise FormatError(path, expected="a whole safetensors file", found="a damaged one", remedy=_REMEDY) from error
    except OSError as error:
        raise RequestError(path, expected="a checkpoint", found=reason(error), remedy="check the name") from error


def _plain(value: Any) -> Any:
    """Return tensors as arrays, and the arguments of a script as a dictionary."""
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:  # NumPy has none, and float32 holds each exactly
            value = value.to(torch.float32)
        return value.numpy()
    if isinstance(value, Record):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
