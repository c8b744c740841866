"""The processes that a sweep starts: each is told one line of JSON, and lives as long as whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from ...errors import one_line

THREADS = "OMP_NUM_THREADS"
"""The variable that says how many threads a run works with."""
LOOK_EVERY = 0.05
"""Seconds between two looks at the running processes."""
PATIENCE = 30.0
"""Seconds that a run has to write what it found when it is stopped."""
CLOSED = 137
"""The exit status where the other side is gone, as after kill -9."""
MARK = "Error: "
"""What stands in front of the line that a command fails with."""
_LAST_BYTES = 1 << 16
"""Of what a process writes as its errors, in which the last line is looked for."""


def python(statements: str) -> list[str]:
    """Return the command line of a Python process that imports nothing from the working folder by accident.

    A random.py, numpy.py or sltpack there would otherwise take the place of the real one. A model of the user's own is
    imported from that folder where --model names it, and from PYTHONPATH as ever.

    Args:
        statements: what it runs.
    """
    # Python puts "" in front for -c, the folder itself for -m; -P, which puts nothing there, exists from 3.11 on.
    return [sys.executable, "-c", f"import sys; sys.path[:1] = filter(None, sys.path[:1]); {statements}"]


class Process:
    """A process that runs a module of this package, and ends with this one.

    Args:
        module: the module's name in this package.
        told: what it reads as one line from standard input, which stays open.
        environment: its variables.
        folder: that it works in; without one, this one's.
        answers: whether it answers on standard output, which otherwise goes nowhere.
    """

    def __init__(
        self,
        module: str,
        told: Any,
        environment: Mapping[str, str],
        folder: Path | None = None,
        answers: bool = False,
    ) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the fault; a pipe may be full
        self._process = subprocess.Popen(
            python(f"import runpy; runpy.run_module('{__package__}.{module}', run_name='__main__', alter_sys=True)"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
            stderr=self._errors,
            env=environment,
            cwd=folder,
            start_new_session=True,  # Ctrl-C comes to the sweep, which stops its runs itself
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended already, and its exit status tells how
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def answers(self) -> Iterator[Any]:
        """Return its answers, a line of JSON each, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def fault(self) -> str | None:
        """Have the process end at once, where it has not, and tell in one line why it failed; None if it did not."""
        self.close()
        status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with closing(self._errors):
            self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _LAST_BYTES))
            told = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        if status == 0:
            return None
        if status < 0:
            with suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
        # A traceback ends in what it was raised for, as a command's own errors do.
        return one_line(told[-1].removeprefix(MARK), 400) if told else "nothing told"

    def interrupt(self) -> None:
        """Have the process stop as by Ctrl-C."""
        with suppress(ProcessLookupError, ValueError):  # other systems know no such signal
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Have the process end at once, where it has not."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended, but no longer than so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)


def stop(running: Sequence[Process], patience: float = PATIENCE) -> None:
    """Have processes write what they found, and end those that do not.

    Args:
        running: the processes.
        patience: the seconds that all of them have.
    """
    for process in running:
        process.interrupt()
    until = time.monotonic() + patience
    try:
        for process in running:
            process.wait(max(0.0, until - time.monotonic()))
    finally:  # a second Ctrl-C waits no longer
        for process in running:
            process.fault()


def end_with_the_other_side() -> None:
    """Wait until standard input is closed on the other side, by kill -9 too, and end this process at once."""
    # Of the descriptor itself: the stream could not be closed at exit while a thread reads from it.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(CLOSED)
