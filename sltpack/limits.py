"""Limits on what a file from a stranger may cost, each checked before the work is done.

They are far above what honest files need. Where an honest file could lie beyond a limit, the limit is the default of an
argument and of an option of the command line, which raise it.
"""

from __future__ import annotations

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
