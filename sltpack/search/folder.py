"""The folder of a run: its files, and which run may go on from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from .. import header as headers
from ..checkpoints import Kept
from ..errors import RequestError, shown
from ..files import TEMPORARY, write_atomically
from ..header import Source

BEST = "ckpt.pt"
"""What had the best validation accuracy: the run's result."""
LAST = "last.pt"
"""The state after the last whole epoch, to go on from."""
METRICS = "metrics.jsonl"
"""One line an epoch."""
_MAY_DIFFER = ("date", "sltpack")
_REMEDY = "resume with the options, data and model that it began with, or choose another folder"

Load = Callable[[Path], Kept]


def require_unused(folder: Path) -> None:
    """Makes sure that a new run overwrites none.

    Args:
        folder: where it is to go.

    Raises:
        RequestError: the folder holds a run.
    """
    if is_begun(folder):
        raise RequestError(
            folder,
            expected="a folder without a run",
            found="one with checkpoints",
            remedy="go on with --resume, or choose another folder",
        )


def is_begun(folder: Path) -> bool:
    """Tells whether a folder holds a run.

    Args:
        folder: the folder, which need not be there.
    """
    return any((folder / name).exists() for name in (BEST, LAST))


def load_last(
    folder: Path, load: Load, source: Source, noted: Mapping[str, Any], buffers: Mapping[str, torch.Tensor]
) -> Kept:
    """Reads the state to go on from, and makes sure that it is of the same run.

    Args:
        folder: of the run.
        load: reads a state of this kind of run.
        source: the source network of this call.
        noted: the settings of this call, and what it notes beside them.
        buffers: of the model of this call.

    Returns:
        The state after the last whole epoch.

    Raises:
        RequestError: the best one is gone, or something that the result depends on is another.
        FormatError: a file is damaged.
    """
    ours = {**headers.source_parts(source), **noted, "buffers": _described(buffers)}
    last = _load_ours(folder / LAST, load, ours)
    history = last.metrics["history"]
    if noted.get("momentum") and noted.get("method") != "random" and bool(history) != (last.momentum is not None):
        raise RequestError(
            folder / LAST,
            expected="the momentum of a run that has begun" if history else "none before the first epoch",
            found="none" if history else "one",
            remedy="put the right file back, or choose another folder",
        )
    if not history:
        return last
    if not (folder / BEST).exists():
        raise RequestError(
            folder / BEST,
            expected="the best state so far",
            found="no such file",
            remedy="put it back, or choose another folder",
        )
    _load_ours(folder / BEST, load, ours)
    return last


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files that a killed run may have left.

    Args:
        folder: of the run.
    """
    for name in (BEST, LAST, METRICS):
        for path in folder.glob(f".{name}.*{TEMPORARY}"):
            path.unlink(missing_ok=True)


def write_metrics(folder: Path, history: list[dict[str, float]]) -> None:
    """Writes what was measured, one JSON object a line and epoch.

    Args:
        folder: of the run.
        history: each epoch's numbers by name.

    Raises:
        OutputError: the file cannot be written.
    """
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    write_atomically(folder / METRICS, lines.encode(), force=True)


def _load_ours(path: Path, load: Load, ours: Mapping[str, Any]) -> Kept:
    found = load(path)
    theirs = {**headers.source_parts(found.source), **found.settings, "buffers": _described(found.buffers)}
    for name in ours:
        if name not in _MAY_DIFFER and ours[name] != theirs.get(name):
            raise RequestError(
                f"{path}: {name}",
                expected=f"{shown(ours[name])}, as this call has it",
                found=shown(theirs.get(name)),
                remedy=_REMEDY,
            )
    return found


def _described(buffers: Mapping[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(values.shape) for name, values in buffers.items()}
