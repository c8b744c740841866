"""Which scores stay: exactly as many as wanted, the largest by size, the first by position where they are equal."""

from __future__ import annotations

import numpy as np
import torch


def select(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, float]:
    """Selects the scores of largest size.

    Args:
        scores: float32 [n].
        count: how many to keep, 0..n.

    Returns:
        The supermask, bool [n], with exactly `count` ones, and the threshold: the size of the smallest score kept
        (infinity where none is).
    """
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool), float("inf")
    sizes = scores.abs()
    threshold = _smallest_kept(sizes, count)
    kept = sizes > threshold
    missing = count - int(kept.sum())
    kept[torch.nonzero(sizes == threshold).flatten()[:missing]] = True
    return kept, float(threshold)


def _smallest_kept(sizes: torch.Tensor, count: int) -> torch.Tensor:
    dropped = sizes.numel() - count
    if sizes.device.type != "cpu":
        return sizes.kthvalue(dropped + 1).values
    # On a CPU, torch's selection takes twenty times as long as NumPy's.
    return torch.from_numpy(np.partition(sizes.detach().numpy(), dropped)[dropped : dropped + 1])[0]
