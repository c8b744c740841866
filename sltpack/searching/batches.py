"""How many images a step takes where the user does not say: fewer where few train."""

from __future__ import annotations

AUTO = "auto"
"""The batch size that is chosen by what trains."""
LARGEST = 128
"""Images of a step where enough train (Otsuka et al. 2024)."""
SMALLEST = 16
"""Fewer make steps so noisy, and the statistics of BatchNorm so rough, that more of them do not help."""
STEPS = 20
"""Steps that an epoch should have. With one or two, a hundred epochs are too few steps to learn anything."""


def batch_size_for(count: int) -> int:
    """Return the batch size for a number of training images.

    Args:
        count: of the images that train, without those that validate.

    Returns:
        The largest of 128, 64, 32 and 16 with which an epoch has at least 20 steps; 16 where none has.
    """
    size = LARGEST
    while size > SMALLEST and count // size < STEPS:
        size //= 2
    return size


def explained(size: int, count: int) -> str:
    """Say that a smaller batch was chosen.

    Args:
        size: of the batch.
        count: of the images that train.

    Returns:
        One line; the empty text for the largest batch.
    """
    if size == LARGEST:
        return ""
    within = max(1, count // LARGEST)  # a smaller set is one step
    steps = f"{within} step{'' if within == 1 else 's'}"
    return (
        f"batch size {size}: {count:,} images train, which are {steps} an epoch with {LARGEST} "
        "(--batch-size chooses another)"
    )
