"""The process of one run: the commands that it is given, for as long as whoever started it is there.

    python -m sltpack.sweep.executors.worker

reads one line from standard input, a JSON object of two entries: `folder`, where the run's files go, and `commands`, a
list of command lines of sltpack. It runs one after the other, as `python -m sltpack` would. Standard input stays open
on the other side; where it is closed, by kill -9 too, this process ends at once, so that no run goes on beside the one
that takes its place. That other one waits for it, should they meet: the folder is locked for as long as a run is at
work in it. What it leaves behind is what kill -9 leaves, from which `--resume` goes on.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
import threading
from pathlib import Path

from ...errors import SltpackError
from ...files import make_folder
from ...locks import wait_until_free
from .processes import MARK, end_with_the_other_side

PATIENCE = 120.0
"""Seconds to wait for another process in the folder, on a node that was lost: file systems give its lock free late."""


def main() -> None:
    """Runs what standard input asks for."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_the_other_side, daemon=True).start()
    _hear_interruptions()
    folder = Path(told["folder"])
    try:
        make_folder(folder)
        wait_until_free(folder, PATIENCE)  # the command then locks it for itself
    except SltpackError as error:
        sys.exit(f"{MARK}{error}")
    _run(told["commands"])


def _hear_interruptions() -> None:
    """Has the signal that stops a run come here, which Ray blocks, and a shell ignores, in what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _run(commands: list[list[str]]) -> None:
    for words in commands:
        sys.argv = ["sltpack", *words]
        try:
            runpy.run_module("sltpack", run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    main()
