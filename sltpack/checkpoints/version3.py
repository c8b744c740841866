"""What a search's checkpoint of version 3 leaves to be worked out: the supermask, by edge-popup's rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import FormatError, shown
from ..format.records import Source
from ..source.network import kept_by_layer
from .torch_files import HOW_TO_MAKE


def planes(path: Path, values: Mapping[str, Any], source: Source, scores: torch.Tensor) -> dict[str, torch.Tensor]:
    """Work out the planes of a checkpoint that has none.

    Args:
        path: the file, for errors.
        values: of the file, by name.
        source: the source network.
        scores: float32 [searched].

    Returns:
        The plane "kept", bool [searched].

    Raises:
        FormatError: a value is not what it should be.
    """
    kept, by_layer = values.get("kept"), values.get("by_layer", False)
    if type(kept) is not int or not 0 <= kept <= source.searched:
        raise _wrong(path, "kept", f"an integer in 0..{source.searched}", kept)
    if not isinstance(by_layer, bool):
        raise _wrong(path, "by_layer", "true or false", by_layer)
    if not by_layer:
        return {"kept": largest(scores, kept)}
    parts = torch.split(scores, [layer.searched for layer in source.layers])
    counts = kept_by_layer(source, kept)
    return {"kept": torch.cat([largest(part, count) for part, count in zip(parts, counts, strict=True)])}


def largest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Choose the scores of largest size, the first by position where they are equal.

    Args:
        scores: float32 [n].
        count: how many to choose, 0..n.

    Returns:
        Which are chosen, bool [n].
    """
    chosen = torch.zeros(len(scores), dtype=torch.bool)
    chosen[scores.abs().sort(descending=True, stable=True).indices[:count]] = True
    return chosen


def _wrong(path: Path, what: str, expected: str, found: object) -> FormatError:
    return FormatError(f"{path}: {what}", expected=expected, found=shown(found), remedy=HOW_TO_MAKE)
