"""Where the runs of a sweep are made: here, some of them side by side, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from ..errors import one_line, require_positive
from ..results import TICKET
from ..search import BEST
from .points import Point

_LOOK_EVERY = 0.05
"""Seconds between two looks at the running processes."""
_PATIENCE = 30.0
"""Seconds that a run has to write what it found when it is stopped."""
_MARK = "Error: "
"""What stands in front of the line that a command fails with."""
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Task:
    """A run that is to be made, or gone on with.

    Attributes:
        point: the point.
        folder: where its files go.
    """

    point: Point
    folder: Path

    def commands(self) -> list[list[str]]:
        """Gives the command lines of sltpack, one after the other, that make the run and pack what it finds."""
        folder = str(self.folder)
        run = [self.point.command, *self.point.words(), f"--output={folder}", "--resume"]
        if self.point.command != "search":
            return [run]
        return [run, ["pack", str(self.folder / BEST), f"--output={self.folder / TICKET}", "--force"]]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        task: the run.
        fault: why it is not finished, in one line; None where it is.
    """

    task: Task
    fault: str | None


class Executor(Protocol):
    """What makes runs, on this machine or others."""

    def run(self, tasks: Sequence[Task], begun: Callable[[Task], None]) -> Generator[Outcome, None, None]:
        """Makes runs, in any order.

        What is raised in the meantime, as by Ctrl-C, and closing the iterator stop those that are under way, in a state
        that they can go on from.

        Args:
            tasks: the runs.
            begun: called when one begins.

        Yields:
            How each of them ended; one that fails stops no other.
        """


@dataclass(frozen=True)
class Local:
    """Makes runs on this machine.

    Attributes:
        jobs: how many side by side.

    Raises:
        RequestError: that is less than 1.
    """

    jobs: int = 1

    def __post_init__(self) -> None:
        require_positive("--jobs", self.jobs)

    def run(self, tasks: Sequence[Task], begun: Callable[[Task], None]) -> Generator[Outcome, None, None]:
        """Makes runs, the first ones first."""
        waiting, running = list(reversed(tasks)), list[_Process]()
        environment = self.environment()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    running.append(_Process(waiting.pop(), environment))
                    begun(running[-1].task)
                ended = [process for process in running if process.ended]
                for process in ended:
                    running.remove(process)
                    yield process.outcome()
                if not ended:
                    time.sleep(_LOOK_EVERY)
        finally:
            _stop(running)

    def environment(self) -> dict[str, str]:
        """Gives the environment of each run."""
        threads = self.threads()
        return {**os.environ, **({} if threads is None else {_THREADS: str(threads)})}

    def threads(self) -> int | None:
        """Gives the threads of each run that shares the cores; None leaves them to torch, or to what the user said."""
        if self.jobs == 1 or _THREADS in os.environ:
            return None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // self.jobs)


class _Process:
    """A run that is under way."""

    def __init__(self, task: Task, environment: Mapping[str, str]) -> None:
        self.task = task
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the outcome; a pipe may be full
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # Ctrl-C comes to the sweep, which stops its runs itself
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended already, and its exit status tells how
            self._process.stdin.write(json.dumps(task.commands()).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def outcome(self) -> Outcome:
        self.close()
        status = self._process.wait()
        with closing(self._errors):
            self._errors.seek(0)
            told = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        if status == 0:
            return Outcome(self.task, None)
        # A traceback ends in what it was raised for, as a command's own errors do.
        last = one_line(told[-1].removeprefix(_MARK), 400) if told else "nothing told"
        if status < 0:
            with suppress(ValueError):
                last = f"killed by {signal.Signals(-status).name}"
        return Outcome(self.task, last)

    def interrupt(self) -> None:
        with suppress(ProcessLookupError, ValueError):  # other systems know no such signal
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Has the process end at once, where it has not."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)


def _stop(running: Sequence[_Process]) -> None:
    """Has runs write what they found, and ends those that do not."""
    for process in running:
        process.interrupt()
    until = time.monotonic() + _PATIENCE
    try:
        for process in running:
            process.wait(max(0.0, until - time.monotonic()))
    finally:  # a second Ctrl-C waits no longer
        for process in running:
            process.outcome()
