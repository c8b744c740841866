"""A search's checkpoint: its file, which loads without running code, and the ticket in it."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import nn

from . import header as headers
from .container import SUFFIX
from .data import fixed_classes
from .errors import FormatError, RequestError, SltpackError, reason, shown
from .files import open_plain, write_atomically
from .header import MAX_WEIGHTS, Source
from .header_reader import source_from
from .selection import select
from .tickets import Ticket

FORMAT = "sltpack checkpoint"
VERSION = 1
_HOW_TO_MAKE = "make one with sltpack search"
_ACCURACIES = ("validation_accuracy", "test_accuracy")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a search.

    Attributes:
        source: the source network and its freezing.
        kept: how many searched weights the supermask keeps.
        scores: of the searched positions of all layers, one layer behind the other, float32.
        threshold: the size of the smallest score that is kept.
        buffers: the model's buffers, as BatchNorm's statistics, float32.
        settings: of the search, plain values by name.
        metrics: what was measured, plain values by name.
        momentum: the optimizer's, like the scores; only in a checkpoint to go on from.
    """

    source: Source
    kept: int
    scores: torch.Tensor
    threshold: float
    buffers: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    momentum: torch.Tensor | None = None

    def save(self, path: Path) -> None:
        """Writes the checkpoint atomically, in place of an older one.

        Raises:
            OutputError: the file cannot be written.
        """
        values = {
            "format": FORMAT,
            "version": VERSION,
            **headers.source_parts(self.source),
            "kept": self.kept,
            "scores": self.scores.cpu(),
            "threshold": self.threshold,
            "buffers": {name: buffer.cpu() for name, buffer in self.buffers.items()},
            "settings": dict(self.settings),
            "metrics": dict(self.metrics),
            "momentum": None if self.momentum is None else self.momentum.cpu(),
        }
        # Into memory first: torch tells a full disk in its own way, and files.py in ours.
        stream = io.BytesIO()
        torch.save(values, stream)
        write_atomically(path, stream.getvalue(), force=True)

    def layer_masks(self) -> list[torch.Tensor]:
        """Selects the supermask of the scores.

        Returns:
            For each layer, bool [searched positions], in ascending order.
        """
        mask, _ = select(self.scores, self.kept)
        return list(torch.split(mask, [layer.searched for layer in self.source.layers]))

    def ticket(self, half_buffers: bool = False) -> Ticket:
        """Makes the ticket.

        Args:
            half_buffers: whether buffers are rounded to float16.

        Returns:
            The ticket, with what is known of the search in its free text.

        Raises:
            SltpackError: a buffer does not fit float16.
        """
        buffers = {name: buffer.cpu().numpy() for name, buffer in self.buffers.items()}
        if half_buffers:
            buffers = {name: _halved(name, values) for name, values in buffers.items()}
        masks = [mask.cpu().numpy() for mask in self.layer_masks()]
        return Ticket.create(self.source, masks, buffers, self._about())

    def _about(self) -> dict[str, str]:
        wanted = ("data", "image_size", "epochs", "date")
        about = {key: str(self.settings[key]) for key in wanted if self.settings.get(key) is not None}
        if "epochs" in about:  # that of the ticket, of all that were planned
            about["epochs"] = f"{self.metrics.get('epoch', 0)} of {about['epochs']}"
        for name in _ACCURACIES:
            if self.metrics.get(name) is not None:
                about[name] = f"{self.metrics[name]:.4f}"
        names = tuple(self.settings.get("class_names", ()))
        if names and names != fixed_classes(about.get("data", "")):
            about["classes"] = headers.compact(names)
        about["sltpack"] = str(self.settings.get("sltpack", "unknown"))
        return about


def load(path: Path, max_weights: int = MAX_WEIGHTS) -> Checkpoint:
    """Reads a checkpoint, running no code that it may hold.

    Args:
        path: the file.
        max_weights: the most weights that it may ask for.

    Returns:
        The checkpoint, with tensors on the CPU.

    Raises:
        RequestError: there is no such file.
        FormatError: it is no checkpoint of sltpack, is damaged or holds code.
    """
    try:
        stream = open_plain(path)
    except OSError as error:
        raise RequestError(path, expected="a checkpoint", found=reason(error), remedy=_HOW_TO_MAKE) from error
    try:
        with stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of in a stranger's file ends in an error below
            values = torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if path.suffix == SUFFIX:
            raise FormatError(
                path, expected="a checkpoint", found="a ticket", remedy="it is packed already; see sltpack info"
            ) from error
        raise FormatError(
            path,
            expected="a checkpoint of tensors and plain values",
            found="a pickle that names code to run, or a damaged file",
            remedy=_HOW_TO_MAKE,
        ) from error
    except Exception as error:  # torch.load raises nearly anything on damaged files
        found = f"a file that torch cannot read ({type(error).__name__})"
        raise FormatError(path, expected="a checkpoint", found=found, remedy=_HOW_TO_MAKE) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = "another tool's checkpoint, without scores" if isinstance(values, dict) else type(values).__name__
        raise FormatError(path, expected="a checkpoint of sltpack search", found=found, remedy=_HOW_TO_MAKE)
    if type(values.get("version")) is not int or values["version"] != VERSION:
        raise FormatError(
            path,
            expected=f"version {VERSION} of the checkpoint",
            found=f"version {shown(values.get('version'))}",
            remedy="use the sltpack that wrote it",
        )
    source = source_from(values, path, max_weights)
    return _checked(path, source, values)


def _checked(path: Path, source: Source, values: Mapping[str, Any]) -> Checkpoint:
    """Checks every value that is used later, so that a stranger's file cannot fail in the middle of the work."""

    def wrong(what: str, expected: str, found: str, remedy: str = _HOW_TO_MAKE) -> FormatError:
        return FormatError(f"{path}: {what}", expected=expected, found=found, remedy=remedy)

    def of_searched(name: str) -> torch.Tensor:
        tensor = values.get(name)
        if not _is_plain(tensor) or tuple(tensor.shape) != (source.searched,):
            raise wrong(name, f"float32 [{source.searched}], one for each searched weight", _described(tensor))
        if not bool(torch.isfinite(tensor).all()):
            raise wrong(name, "finite numbers", "others", "search again at a lower rate")
        return tensor.detach()

    kept, threshold, buffers = values.get("kept"), values.get("threshold"), values.get("buffers")
    if type(kept) is not int or not 0 <= kept <= source.searched:
        raise wrong("kept", f"an integer in 0..{source.searched}", shown(kept))
    if not isinstance(threshold, float):
        raise wrong("threshold", "a number", shown(threshold))
    if not isinstance(buffers, dict):
        raise wrong("buffers", "tensors by name", _described(buffers))
    for name, tensor in buffers.items():
        if not _is_utf8(name) or not _is_plain(tensor) or not bool(torch.isfinite(tensor).all()):
            raise wrong("buffers", "finite float32 tensors by name", f"{shown(name)}: {_described(tensor)}")
    settings, metrics = values.get("settings"), values.get("metrics")
    if not isinstance(settings, dict) or not isinstance(metrics, dict) or not _is_history(metrics.get("history")):
        raise wrong("settings and metrics", "values by name, with a history of numbers by name", "others")
    if type(metrics.get("epoch")) is not int:
        raise wrong("metrics", "epoch, a whole number", shown(metrics.get("epoch")))
    names = settings.get("class_names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("settings", "class_names, a list of texts", shown(names))
    for name in _ACCURACIES:
        if not isinstance(metrics.get(name), float | None):
            raise wrong("metrics", f"{name}, a number", shown(metrics[name]))
    return Checkpoint(
        source,
        kept,
        of_searched("scores"),
        threshold,
        {name: tensor.detach() for name, tensor in buffers.items()},
        settings,
        metrics,
        None if values.get("momentum") is None else of_searched("momentum"),
    )


def _is_plain(value: object) -> TypeGuard[torch.Tensor]:
    """Tells whether a tensor is what it looks like: float32 numbers, each of them in the file."""
    return (
        type(value) in (torch.Tensor, nn.Parameter)
        and isinstance(value, torch.Tensor)
        and not value.is_nested
        and value.layout == torch.strided
        and value.dtype == torch.float32
        and value.device.type == "cpu"
        and not value.is_neg()
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _is_history(history: object) -> bool:
    return isinstance(history, list) and all(
        isinstance(entry, dict)
        and "validation_accuracy" in entry
        and all(isinstance(key, str) and type(number) in (int, float) for key, number in entry.items())
        for entry in history
    )


def _is_utf8(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return "none" if value is None else type(value).__name__


def _halved(name: str, values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float16]]:
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
