"""The rules by which codes make masks of scores, to the rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


def largest_of_layer(scores: Scores, kept: float) -> Mask:
    """Keep the largest magnitudes of a layer: the first int((1 - kept) n) in ascending order are removed.

    This is the rule of Ramanujan et al. 2020: the product in float64, cut toward zero.

    Args:
        scores: any shape.
        kept: the kept share.

    Returns:
        bool of the same shape.
    """
    removed = int((1 - kept) * scores.size)
    mask = np.ones(scores.size, np.bool_)
    mask[np.argsort(np.abs(scores).ravel(), kind="stable")[:removed]] = False
    return mask.reshape(scores.shape)


def above_rank(scores: list[Scores], removed: int) -> list[Mask]:
    """Keep magnitudes above the removed-th smallest of the whole network, strictly.

    Args:
        scores: of all layers.
        removed: the rank, from 1; 0 keeps all.

    Returns:
        One mask for each layer.
    """
    if removed <= 0:
        return [np.ones(each.shape, np.bool_) for each in scores]
    everything = np.sort(np.concatenate([np.abs(each).ravel() for each in scores]))
    threshold = everything[min(removed, len(everything)) - 1]
    return [np.abs(each) > threshold for each in scores]


def signed_rank(count: int, removed: float) -> int:
    """Return the rank k, from 1, of the smallest score that is kept: 1 + round(0.01 (100 removed) (count - 1)).

    Python's round, half to even, as Chijiwa et al. 2021 and Huang et al. 2022 compute it.
    """
    return 1 + round(0.01 * (removed * 100) * (count - 1))


def from_rank(scores: Scores, threshold: np.float32) -> Mask:
    """Keep what is not below a threshold."""
    return ~(scores < threshold)


def coats(scores: Scores, removed: tuple[float, ...]) -> NDArray[np.int64]:
    """Count how many coats keep each weight (Okoshi et al. 2022).

    Of each coat, k = 1 + floor(removed (n - 1)) counts from 0 into the magnitudes in ascending order; what is not below
    that one is kept.

    Args:
        scores: any shape.
        removed: one share for each coat.

    Returns:
        int64 of the same shape.
    """
    size = np.abs(scores)
    ordered = np.sort(size.ravel())
    times = np.zeros(scores.shape, np.int64)
    for share in removed:
        k = 1 + math.floor(share * (scores.size - 1))
        if k < scores.size:
            times += ~(size < ordered[k])
    return times
