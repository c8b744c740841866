"""The proof that nothing in a ticket changed: the digest of its file, and that of its regenerated weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..bundled import locate
from ..format import container
from ..format.records import MAX_WEIGHTS
from .ticket import Ticket


@dataclass(frozen=True)
class Digests:
    """What proves that nothing in a ticket changed.

    Attributes:
        file_sha256: of the whole file but itself, 64 hexadecimal digits.
        weights_sha256: of the regenerated weights, likewise.
    """

    file_sha256: str
    weights_sha256: str


def verify(file: str | Path, max_weights: int = MAX_WEIGHTS) -> Digests:
    """Check both digests of a ticket; its weights are regenerated layer by layer for it.

    Args:
        file: a `.slt` file or the name of a ticket in the package.
        max_weights: the most weights that it may ask for.

    Returns:
        The digests, which hold.

    Raises:
        RequestError: there is no such file.
        FormatError: a digest does not hold, or the file is damaged in another way.
    """
    read = container.read(locate(file), max_weights)
    ticket = Ticket.from_container(read, file)
    ticket.check(ticket.digest(), file)
    return Digests(read.file_sha256, ticket.weights_sha256)
