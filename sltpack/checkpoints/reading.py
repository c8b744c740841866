"""Reading what a run kept, without trusting a single value of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch

from ..errors import ForeignError, FormatError, RequestError, shown
from ..format.container import SUFFIX
from ..format.detection import Kind, kind_of
from ..format.parsing import source_from
from ..format.records import MAX_WEIGHTS, Source
from . import version3
from .records import ACCURACIES, FORMAT, KINDS, VERSIONS, Checkpoint, Kept
from .torch_files import HOW_TO_MAKE, described, is_plain, read


def load(path: Path, max_weights: int = MAX_WEIGHTS) -> Checkpoint:
    """Read a search's checkpoint, running no code that it may hold.

    Args:
        path: the file.
        max_weights: the most weights that it may ask for.

    Returns:
        The checkpoint, with tensors on the CPU.

    Raises:
        RequestError: there is no such file.
        FormatError: it is no checkpoint of sltpack, holds trained weights, is damaged or holds code.
    """
    kept = load_any(path, max_weights)
    if not isinstance(kept, Checkpoint):
        kept.ticket(where=path)  # which says what it is
    assert isinstance(kept, Checkpoint)
    return kept


def load_kind(path: Path, kind: type[Kept], max_weights: int = MAX_WEIGHTS) -> Kept:
    """Read what a search or weight training kept, as `load` does, and make sure that it is of the right one of them.

    Args:
        path: the file.
        kind: `Checkpoint` or `TrainedNetwork`.
        max_weights: the most weights that it may ask for.

    Returns:
        The checkpoint or the trained network.

    Raises:
        RequestError: there is no such file, or it is of the other kind.
        FormatError: it is neither, is damaged or holds code.
    """
    kept = load_any(path, max_weights)
    if type(kept) is not kind:
        raise RequestError(path, expected=kind.kind, found=kept.kind, remedy="choose another folder")
    return kept


def load_any(path: Path, max_weights: int = MAX_WEIGHTS) -> Kept:
    """Read what a search or weight training kept, as `load` does.

    Args:
        path: the file.
        max_weights: the most weights that it may ask for.

    Returns:
        The checkpoint or the trained network, with tensors on the CPU.

    Raises:
        RequestError: there is no such file.
        FormatError: it is neither, is damaged or holds code.
    """
    kind = kind_of(path)
    if kind is Kind.TICKET or (kind is Kind.OTHER and path.suffix == SUFFIX and path.is_file()):
        raise FormatError(
            path, expected="a checkpoint", found="a ticket", remedy="it is packed already; see sltpack info"
        )
    if kind is Kind.TENSORS:
        raise ForeignError(path, expected="a checkpoint", found="a safetensors file", remedy=HOW_TO_MAKE)
    values = read(path, FORMAT, VERSIONS)
    return _checked(path, source_from(values, path, max_weights), values)


def _checked(path: Path, source: Source, values: Mapping[str, Any]) -> Kept:
    """Check every value that is used later, so that a stranger's file cannot fail in the middle of the work."""

    def wrong(what: str, expected: str, found: str, remedy: str = HOW_TO_MAKE) -> FormatError:
        return FormatError(f"{path}: {what}", expected=expected, found=found, remedy=remedy)

    kind = next((kind for holds, kind in KINDS.items() if holds in values), Checkpoint)
    count, of_what = (source.searched, "searched weight") if kind.searches else (source.size, "weight")

    def numbers(name: str, tensor: object) -> torch.Tensor:
        if not is_plain(tensor) or tuple(tensor.shape) != (count,):
            raise wrong(name, f"float32 [{count}], one for each {of_what}", described(tensor))
        if not bool(torch.isfinite(tensor).all()):
            raise wrong(name, "finite numbers", "others", "run it again at a lower rate")
        return tensor.detach()

    buffers = values.get("buffers")
    if not isinstance(buffers, dict):
        raise wrong("buffers", "tensors by name", described(buffers))
    for name, tensor in buffers.items():
        if not _is_name(name) or not is_plain(tensor) or not bool(torch.isfinite(tensor).all()):
            raise wrong("buffers", "finite float32 tensors by name", f"{shown(name)}: {described(tensor)}")
    settings, metrics = values.get("settings"), values.get("metrics")
    if not isinstance(settings, dict) or not isinstance(metrics, dict) or not is_history(metrics.get("history")):
        raise wrong("settings and metrics", "values by name, with a history of numbers by name", "others")
    for name, value in settings.items():
        if not isinstance(name, str):
            raise wrong("settings", "texts as names", shown(name))
        if not _is_setting(value):
            raise wrong("settings", f"{shown(name)}, a number or text, or a list of texts", described(value))
    if type(metrics.get("epoch")) is not int:
        raise wrong("metrics", "epoch, a whole number", shown(metrics.get("epoch")))
    names = settings.get("class_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("settings", "class_names, a list of texts", shown(names))
    for name in ACCURACIES:
        # Nothing is measured yet in what is kept before the first epoch.
        if metrics.get(name) is not None and not _is_share(metrics[name]):
            raise wrong("metrics", f"{name}, a number from 0 to 1", shown(metrics[name]))
    memory = {name: numbers(f"memory {name}", tensor) for name, tensor in _memory(path, values).items()}
    found = {name: tensor.detach() for name, tensor in buffers.items()}
    parameters = numbers(kind.holds, values.get(kind.holds))
    if not kind.searches:
        planes = {}
    elif values["version"] == 3:
        planes = version3.planes(path, values, source, parameters)
    else:
        planes = _planes(path, values.get("bits"), count)
    return kind(source, parameters, planes, found, settings, metrics, memory)


def _planes(path: Path, packed: object, count: int) -> dict[str, torch.Tensor]:
    """Read the planes of a search: one bit each for so many positions, the last byte filled with zeros."""
    if not isinstance(packed, dict) or set(packed) != {"kept"}:
        raise FormatError(
            f"{path}: bits", expected="those of the plane kept", found=described(packed), remedy=HOW_TO_MAKE
        )
    size, last = -(-count // 8), (1 << (count % 8 or 8)) - 1
    found = packed["kept"]
    if not is_plain(found, torch.uint8) or tuple(found.shape) != (size,) or (size and int(found[-1]) > last):
        raise FormatError(
            f"{path}: plane kept",
            expected=f"uint8 [{size}], a bit for each of {count} searched weights",
            found=described(found),
            remedy=HOW_TO_MAKE,
        )
    bits = np.unpackbits(found.numpy(), count=count, bitorder="little")
    return {"kept": torch.from_numpy(bits.astype(np.bool_))}


def _memory(path: Path, values: Mapping[str, Any]) -> Mapping[str, object]:
    memory = values.get("memory")
    if not isinstance(memory, dict) or not all(map(_is_name, memory)):
        raise FormatError(f"{path}: memory", expected="tensors by name", found=described(memory), remedy=HOW_TO_MAKE)
    return memory


def is_history(history: object) -> TypeGuard[list[dict[str, float]]]:
    """Tell whether a value is what was measured, epoch by epoch: finite numbers by name."""
    return isinstance(history, list) and all(
        isinstance(entry, dict)
        and {"epoch", "validation_accuracy"} <= set(entry)
        and all(isinstance(key, str) and type(number) in (int, float) for key, number in entry.items())
        and all(abs(number) <= sys.float_info.max for number in entry.values())  # no NaN either
        and 0 <= entry["validation_accuracy"] <= 1
        for entry in history
    )


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def _is_setting(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def _is_name(text: object) -> bool:
    """Return whether a value is a text that UTF-8 can write."""
    try:
        return isinstance(text, str) and bool(text.encode())
    except UnicodeEncodeError:
        return False
