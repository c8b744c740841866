"""What a run says of its epochs while it goes on."""

from __future__ import annotations

from collections.abc import Mapping

from ..progress import duration


def notes(epoch: int, epochs: int, measured: Mapping[str, float], best: float | None) -> tuple[str, ...]:
    """Return the words beside the bar within an epoch.

    Args:
        epoch: which it is, from 1.
        epochs: how many there are.
        measured: the loss and the training accuracy so far in this epoch.
        best: the best validation accuracy of the epochs before; None before the first.

    Returns:
        The same in several forms, from the longest to the shortest.
    """
    where, loss, reached = f"epoch {epoch}/{epochs}", measured["loss"], measured["train_accuracy"]
    long, short, least = "", "", where
    if best is not None:
        long, short = f", best validation accuracy {best:.3f}", f", best validation {best:.3f}"
        least = f"{where} best valid {best:.3f}"
    return (
        f"{where}, loss {loss:.3f}, training accuracy {reached:.3f}{long}",
        f"{where}, loss {loss:.3f}, training {reached:.3f}{short}",
        f"{where}, training {reached:.3f}{short}",
        f"{where} train {reached:.3f}" + least.removeprefix(where),
        least,
        where,
    )


def of_epoch(measured: Mapping[str, float], epochs: int, best: float, seconds: float) -> tuple[str, ...]:
    """Return the line that is said after an epoch.

    Args:
        measured: the epoch's numbers by name.
        epochs: how many there are.
        best: the best validation accuracy, this epoch's among them.
        seconds: that the epoch took.

    Returns:
        The same in several forms, from the longest to the shortest.
    """
    where, loss = f"epoch {int(measured['epoch'])}/{epochs}", f"loss {measured['loss']:.3f}"
    reached, validated = f"{measured['train_accuracy']:.3f}", f"{measured['validation_accuracy']:.3f}"
    took = f"{seconds:.1f} s" if seconds < 60 else duration(seconds)
    return (
        f"{where}: {loss}, training accuracy {reached}, validation accuracy {validated}, best {best:.3f}, {took}",
        f"{where}: {loss}, training {reached}, validation {validated}, best {best:.3f}, {took}",
        f"{where}: training {reached}, validation {validated}, best {best:.3f}",
        f"{where}: validation {validated}",
    )
