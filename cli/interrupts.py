"""Ctrl-C while modules are imported: it waits until they are whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_AFTER = 0.05
"""Seconds until an interruption that had to wait tries again."""
_PATIENCE = 5.0
"""Seconds after which it comes in any case: a module may hang while it is imported."""
_IMPORTING = "<frozen importlib"


@contextmanager
def imports_come_first() -> Iterator[None]:
    """Has Ctrl-C wait for the end of an import, in the middle of which torch and NumPy end in errors of their own.

    Where the signal is ignored, as in the background of a shell, or somebody else's, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    times: list[float] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        times.append(time.monotonic())
        if _is_importing(frame) and times[-1] - times[0] < _PATIENCE:
            again = threading.Timer(_AGAIN_AFTER, signal.raise_signal, [number])
            again.daemon = True
            again.start()
            return
        times.clear()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
