"""Limits on what a file from a stranger may cost, each checked before the work is done.

They are far above what honest files need. Each is the default of an argument, and of an option of the command line, so
that whoever has an honest file beyond one can raise it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """Limits on memory, in bytes.

    Attributes:
        picture: of decoding one picture: enough for 134 megapixels in colour.
        pictures: of all pictures together, where they are kept in memory.
        activations: of what the layers of a network compute for one batch.
    """

    picture: int = 1 << 30
    pictures: int = 8 << 30
    activations: int = 4 << 30


MEMORY = Memory()
"""The limits unless `--max-memory` raises them."""


def memory(most: int | None) -> Memory:
    """Return the limits on memory.

    Args:
        most: bytes that take the place of every limit; None leaves them as they are.

    Returns:
        The limits.
    """
    return MEMORY if most is None else Memory(most, most, most)
