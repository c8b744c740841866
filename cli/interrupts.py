"""Ctrl-C and the signals that end a command: once, and not in the middle of an import."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sltpack.stopping import Stop

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what schedulers and service managers send; what a terminal sends that is closed."""
_USUAL = (signal.SIG_DFL, signal.default_int_handler)
_AGAIN_AFTER = 0.05
"""Seconds until a signal that had to wait comes again."""
_PATIENCE = 5.0
"""Seconds after which it is heard in any case: a module may hang while it is imported."""
_IMPORTING = "<frozen importlib"


@contextmanager
def signals_stop() -> Iterator[None]:
    """Have signals raise KeyboardInterrupt, or a Stop that names them, of which the first one counts.

    What follows it while the work is saved is passed over: schedulers send several, to every process of a job. Only a
    second Ctrl-C interrupts again, so that a user need not wait. A signal that comes while a module is imported waits
    for the end of that, in the middle of which torch and NumPy end in errors of their own.

    A signal that is ignored, as in the background of a shell or by nohup, or that somebody else handles, stays so.
    """
    # Signals can be handled in the main thread alone.
    heard = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
    before = {number: handler for number in heard if (handler := signal.getsignal(number)) in _USUAL}
    hearing = _Hearing()
    for number in before:
        signal.signal(number, hearing)
    try:
        yield
    finally:
        hearing.end()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Hearing:
    """Handles all of these signals."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._waiting: threading.Timer | None = None
        self._since: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._first is not None:
            if number == self._first == signal.SIGINT:
                raise KeyboardInterrupt
            return
        if self._waiting is not None:
            return
        now = time.monotonic()
        self._since = self._since or now
        if _is_importing(frame) and now - self._since < _PATIENCE:
            self._waiting = threading.Timer(_AGAIN_AFTER, self._raise_again, [number])
            self._waiting.daemon = True
            self._waiting.start()
            return
        self._first = number
        raise KeyboardInterrupt if number == signal.SIGINT else Stop(number)

    def _raise_again(self, number: int) -> None:
        self._waiting = None
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, number)  # it may sleep, and has to wake up
        else:
            signal.raise_signal(number)

    def end(self) -> None:
        """Let a signal that still waits go."""
        if self._waiting is not None:
            self._waiting.cancel()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
