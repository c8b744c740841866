"""The folder of a search: its files, and which search may go on from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .. import checkpoints
from .. import header as headers
from ..checkpoints import Checkpoint
from ..errors import RequestError, shown
from ..files import TEMPORARY, write_atomically
from ..header import MAX_WEIGHTS, Source

BEST = "ckpt.pt"
"""The checkpoint of the best validation accuracy: the search's result."""
LAST = "last.pt"
"""The checkpoint of the last whole epoch, to go on from."""
METRICS = "metrics.jsonl"
"""One line an epoch."""
_MAY_DIFFER = ("date", "sltpack")


def require_unused(folder: Path) -> None:
    """Makes sure that a new search overwrites none.

    Args:
        folder: where it is to go.

    Raises:
        RequestError: the folder holds a search.
    """
    if any((folder / name).exists() for name in (BEST, LAST)):
        raise RequestError(
            folder,
            expected="a folder without a search",
            found="one with checkpoints",
            remedy="go on with --resume, or choose another folder",
        )


def load_last(
    folder: Path, source: Source, noted: Mapping[str, Any], buffers: Mapping[str, torch.Tensor]
) -> Checkpoint:
    """Reads the checkpoint to go on from, and makes sure that it is of the same search.

    Args:
        folder: of the search.
        source: the source network of this call.
        noted: the settings of this call, and what it notes beside them.
        buffers: of the model of this call.

    Returns:
        The checkpoint of the last whole epoch.

    Raises:
        RequestError: there is none, its best ticket is gone, or something that the result depends on is another.
        FormatError: the checkpoint is damaged.
    """
    ours = {**headers.source_parts(source), **noted, "buffers": _described(buffers)}
    last = _load_ours(folder / LAST, source, ours)
    history = last.metrics["history"]
    if noted.get("momentum") and bool(history) != (last.momentum is not None):
        raise RequestError(
            folder / LAST,
            expected="the momentum of a search that has begun" if history else "none before the first epoch",
            found="none" if history else "one",
            remedy="put the right file back, or search in another folder",
        )
    if not history:
        return last
    if not (folder / BEST).exists():
        raise RequestError(
            folder / BEST,
            expected="the best ticket so far",
            found="no such file",
            remedy="put it back, or search in another folder",
        )
    _load_ours(folder / BEST, source, ours)
    return last


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files that a killed search may have left.

    Args:
        folder: of the search.
    """
    for name in (BEST, LAST, METRICS):
        for path in folder.glob(f".{name}.*{TEMPORARY}"):
            path.unlink(missing_ok=True)


def _load_ours(path: Path, source: Source, ours: Mapping[str, Any]) -> Checkpoint:
    found = checkpoints.load(path, max(source.size, MAX_WEIGHTS))
    theirs = {**headers.source_parts(found.source), **found.settings, "buffers": _described(found.buffers)}
    for name in ours:
        if name not in _MAY_DIFFER and ours[name] != theirs.get(name):
            raise RequestError(
                f"{path}: {name}",
                expected=f"{shown(ours[name])}, as this call has it",
                found=shown(theirs.get(name)),
                remedy="resume with the options, data and model that the search began with",
            )
    return found


def write_metrics(folder: Path, history: list[dict[str, float]]) -> None:
    """Writes what was measured, one JSON object a line and epoch.

    Args:
        folder: of the search.
        history: each epoch's numbers by name.

    Raises:
        OutputError: the file cannot be written.
    """
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    write_atomically(folder / METRICS, lines.encode(), force=True)


def _described(buffers: Mapping[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(values.shape) for name, values in buffers.items()}
