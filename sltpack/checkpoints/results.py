"""What came out of a finished run, from the files in its folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import MismatchError
from ..format import records as headers
from ..format.accounting import FLOAT32_BITS, account
from ..format.container import Container, read
from .records import ACCURACIES, Kept

TICKET = "model.slt"
"""A search's packed ticket, beside its checkpoint."""


@dataclass(frozen=True)
class Result:
    """What came out of a finished run.

    Attributes:
        weights: of the network, N.
        searched: the size of the search space; of weight training, all weights.
        sparsity: k, the share of zeros in the ticket; of weight training, None, and so are the next two.
        prune: the share of weights that were pruned for good.
        lock: the share of weights that were locked for good.
        epoch: the best in validation.
        validation_accuracy: of that epoch.
        test_accuracy: of that epoch.
        bits: of the ticket's file, None where there is none; of trained weights, 32 each.
    """

    weights: int
    searched: int
    sparsity: float | None
    prune: float | None
    lock: float | None
    epoch: int
    validation_accuracy: float
    test_accuracy: float
    bits: int | None

    def told(self) -> dict[str, Any]:
        """Return it as JSON values by name."""
        return asdict(self)


def result_of(kept: Kept, folder: Path, max_weights: int) -> Result | None:
    """Gathers what came out of a run.

    Args:
        kept: what the run kept as its best.
        folder: of the run, where its ticket is looked for.
        max_weights: the most weights that the ticket may have.

    Returns:
        The result; None where the run has not come to its end.

    Raises:
        SltpackError: the ticket is damaged, or is another run's.
    """
    metrics = kept.metrics
    if any(metrics.get(name) is None for name in ACCURACIES):
        return None
    size = kept.source.size
    return Result(
        weights=size,
        **asdict(kept.sizes()),
        epoch=metrics["epoch"],
        validation_accuracy=metrics["validation_accuracy"],
        test_accuracy=metrics["test_accuracy"],
        bits=_ticket_bits(kept, folder / TICKET, max_weights) if kept.searches else FLOAT32_BITS * size,
    )


def _ticket_bits(kept: Kept, path: Path, max_weights: int) -> int | None:
    if not path.exists():
        return None
    ticket = read(path, max_weights)
    if not _is_of(kept, ticket):
        raise MismatchError(
            path,
            expected="the ticket of the checkpoint beside it",
            found="another",
            remedy="pack the checkpoint again (sltpack pack --force)",
        )
    return account(ticket).file_bits


def _is_of(kept: Kept, ticket: Container) -> bool:
    source = ticket.header.source
    begun = replace(source, layers=tuple(replace(layer, kept=layer.locked) for layer in source.layers))
    return (
        headers.source_parts(begun) == headers.source_parts(kept.source)
        and kept.sizes().sparsity == 1 - source.kept / source.size
        and ticket.header.about == kept.about()
        and ticket.header.results == kept.facts().results
    )
