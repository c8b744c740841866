"""Where the runs of a sweep are made: here, some of them side by side, each in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...errors import require_positive
from ...searching.request import AnyRequest
from ..plan.points import Point
from .processes import LOOK_EVERY, THREADS, Process, stop


@dataclass(frozen=True)
class Task:
    """A run that is to be made, or gone on with.

    Attributes:
        point: the point.
        request: what it is asked for.
        folder: where its files go.
    """

    point: Point
    request: AnyRequest
    folder: Path

    def told(self) -> dict[str, Any]:
        """Return what the process of the run reads."""
        return {"folder": str(self.folder), "request": self.request.to_json()}


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
        """Make runs, in any order.

        What is raised in the meantime, as by Ctrl-C, and closing the iterator stop those that are under way, in a state
        that they can go on from.

        Args:
            tasks: the runs.
            begun: called when one begins, and each time that it begins again.

        Yields:
            How each of them ended; one that fails stops no other.

        Raises:
            SltpackError: runs cannot be made here, or no longer.
        """

    def threads(self) -> int | None:
        """Return the threads of each run; None leaves them to torch, or to what the user said."""


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
        """Make runs, the first ones first."""
        waiting, running = list(reversed(tasks)), dict[Process, Task]()
        environment = self.environment()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    task = waiting.pop()
                    running[Process("worker", task.told(), environment)] = task
                    begun(task)
                ended = [process for process in running if process.ended]
                for process in ended:
                    yield Outcome(running.pop(process), process.fault())
                if not ended:
                    time.sleep(LOOK_EVERY)
        finally:
            stop(list(running))

    def environment(self) -> dict[str, str]:
        """Return the environment of each run."""
        threads = self.threads()
        return {**os.environ, **({} if threads is None else {THREADS: str(threads)})}

    def threads(self) -> int | None:
        """Return the threads of each run that shares the cores; None leaves them to torch, or to what the user said."""
        if self.jobs == 1 or THREADS in os.environ:
            return None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // self.jobs)
