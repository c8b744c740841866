"""Limits on what a file from a stranger may cost, each checked before the work is done.

They are far above what honest files need. Where an honest file could lie beyond a limit, the limit is the default of an
argument and of an option of the command line, which raise it.
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


PLAN_BYTES = 2**16
"""Of a plan: the longest in the package has 587 bytes, and reading 64 KiB of TOML takes a tenth of a second."""
PLAN_KEY_PARTS = 8
"""Names of a key that dots join: a plan needs two, and the time that TOML's reader takes grows with their square.
No honest plan needs more, so no option raises this one."""
PLAN_POINTS = 10_000
"""Of one plan: settling the options of each takes milliseconds, and a plan of more is a slip of the pen."""
METRICS_EPOCHS = 100_000
"""Lines of a run's metrics.jsonl that are read; the longest runs of the paper have a few hundred."""
METRICS_LINE = 2**12
"""Bytes of one of them, which has a few numbers."""
FILE_NAME_BYTES = 255
"""Of a name within a folder: what the file systems of Linux, macOS and Windows take."""
