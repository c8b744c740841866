"""Tickets in files: read, and written only after they have been read back."""

from __future__ import annotations

import os
from pathlib import Path

from ..bundled import locate
from ..errors import OutputError
from ..files import write_atomically
from ..format import container as containers
from ..format.records import MAX_WEIGHTS
from ..supermask.codecs import AUTO
from .ticket import Ticket


def load(path: str | os.PathLike[str], max_weights: int = MAX_WEIGHTS) -> Ticket:
    """Read a ticket from a file; its digest, sizes and counts have been checked, and no weight has been generated.

    Args:
        path: a `.slt` file, or the name of a ticket in the package, such as "conv6-cifar10".
        max_weights: the most weights that the file may ask for.

    Returns:
        The ticket.

    Raises:
        RequestError: there is no such file.
        FormatError: the file is damaged, or is no ticket.
        LimitError: the file asks for too many weights.
    """
    file = locate(os.fspath(path))
    return Ticket.from_container(containers.read(file, max_weights), file)


def save(ticket: Ticket, path: str | os.PathLike[str], *, force: bool = False, codec: str = AUTO) -> None:
    """Write a ticket to a file, atomically, and only after it has been read back and has given the same weights.

    Args:
        ticket: the ticket.
        path: the file's name.
        force: whether an existing file is replaced.
        codec: how the planes are written: "raw", "rans", or "auto" for the smaller of the two.

    Raises:
        RequestError: the file exists and `force` is not set, or there is no such codec.
        OutputError: the file cannot be written, or does not give the ticket's weights again.
    """

    def check(written: bytes) -> None:
        copy = Ticket.from_container(containers.decode(written, path, ticket.source.size), path)
        if copy.digest() != ticket.weights_sha256:
            raise OutputError(
                path,
                expected="a file that gives the ticket's weights again, bit for bit",
                found="other weights",
                remedy="nothing was written under that name; please report this",
            )

    data = containers.encode(ticket.to_container(codec))
    write_atomically(Path(path), data, force=force, check=check)
