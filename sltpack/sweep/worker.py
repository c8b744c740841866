"""The process of one run: the commands that it is given, for as long as whoever started it is there.

    python -m sltpack.sweep.worker

reads one line from standard input, a JSON list of command lines of sltpack, and runs one after the other, as
`python -m sltpack` would. Standard input stays open on the other side; where it is closed, by kill -9 too, this process
ends at once, so that no run goes on beside the one that takes its place. What it leaves behind is what kill -9 leaves,
from which `--resume` goes on.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading

CLOSED = 137
"""The exit status where the other side is gone, as after kill -9."""


def main() -> None:
    """Runs what standard input asks for."""
    commands = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_other_side, daemon=True).start()
    for words in commands:
        sys.argv = ["sltpack", *words]
        try:
            runpy.run_module("sltpack", run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise


def _end_with_the_other_side() -> None:
    # Of the descriptor itself: the stream could not be closed at exit while a thread reads from it.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(CLOSED)


if __name__ == "__main__":
    main()
