"""The process of one run: the commands that it is given, for as long as whoever started it is there.

    python -m sltpack.sweep.executors.worker

reads one line from standard input, a JSON object of two entries: `folder`, where the run's files go, and `request`, as
`sltpack.searching.request.from_json` reads it. Standard input stays open on the other side; where it is closed, by kill
-9 too, this process ends at once, so that no run goes on beside the one that takes its place. That other one waits for
it, should they meet: the folder is locked for as long as a run is at work in it. What it leaves behind is what kill -9
leaves, from which `--resume` goes on.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from ...checkpoints.packing import pack
from ...checkpoints.results import TICKET
from ...errors import SltpackError
from ...files import make_folder
from ...locks import wait_until_free
from ...progress import Display, displaying
from ...searching.performing import perform
from ...searching.request import AnyRequest, SearchRequest, from_json
from ...searching.run_folder import BEST
from .processes import MARK, end_with_the_other_side

PATIENCE = 120.0
"""Seconds to wait for another process in the folder, on a node that was lost: file systems give its lock free late."""


def main() -> None:
    """Run what standard input asks for."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_the_other_side, daemon=True).start()
    _hear_interruptions()
    folder = Path(told["folder"])
    try:
        make_folder(folder)
        wait_until_free(folder, PATIENCE)  # the run then locks it for itself
        run(from_json(told["request"]), folder)
    except SltpackError as error:
        sys.exit(f"{MARK}{error}")


def _hear_interruptions() -> None:
    """Have the signal that stops a run come here, which Ray blocks, and a shell ignores, in what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def run(request: AnyRequest, folder: Path) -> None:
    """Make a run, or go on with it, and pack what it finds.

    Args:
        request: what it is asked for.
        folder: where its files go.

    Raises:
        SltpackError: as `perform` and `pack`.
    """
    with displaying(Display(quiet=True)):  # what it would show goes into its log
        perform(request, folder, resume=True)
    if isinstance(request, SearchRequest):
        pack(folder / BEST, folder / TICKET, force=True, max_weights=request.max_weights)


if __name__ == "__main__":
    main()
