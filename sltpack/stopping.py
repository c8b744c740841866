"""What stops a command from outside: Ctrl-C, and the signals that schedulers and closed terminals send."""

from __future__ import annotations

import signal
from functools import partial

from .errors import SltpackError, one_line

CTRL_C = 130
"""The exit status after Ctrl-C, as in a shell: 128 and the number of the signal."""


class Stop(KeyboardInterrupt):
    """A signal other than that of Ctrl-C, which ends a command in the same way.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stopped_by(error: KeyboardInterrupt) -> tuple[str, int]:
    """Return what stopped a command, in words, and the exit status that says so."""
    if isinstance(error, Stop):
        return signal.Signals(error.number).name, 128 + error.number
    return "Ctrl-C", CTRL_C


class Stopped(SltpackError):
    """Work was stopped from outside; what was finished is kept.

    Args:
        where: the folder of the work.
        by: what stopped it.
        done: how much was done, such as "after 3 of 10 epochs".
        remedy: how to go on.
    """

    def __init__(self, where: object, by: KeyboardInterrupt, *, done: str, remedy: str) -> None:
        signal_name, self.exit_status = stopped_by(by)
        super().__init__(where, expected="the end", found=f"stopped by {signal_name} {done}", remedy=remedy)
        self._again = partial(Stopped, where, by, done=done, remedy=remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return self._again, ()

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.found}; {self.remedy}")
