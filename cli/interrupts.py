"""Ctrl-C while modules are imported: it waits until they are whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_AFTER = 0.05
"""Seconds until an interruption that had to wait tries again."""
_IMPORTING = "<frozen importlib"


@contextmanager
def imports_come_first() -> Iterator[None]:
    """Has Ctrl-C wait for the end of an import, in the middle of which torch and NumPy end in errors of their own.

    Where the signal is ignored, as in the background of a shell, or somebody else's, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            again = threading.Timer(_AGAIN_AFTER, signal.raise_signal, [number])
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt
