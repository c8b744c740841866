"""What a sweep will cost: the steps of each kind of run timed, the start of a process too."""

from __future__ import annotations

import heapq
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..data import is_graph
from ..errors import SltpackError
from ..inference.devices import choose_device
from ..searching.request import SearchRequest
from ..searching.timing import Pace, time_steps
from .executors.processes import python
from .plan.requests import Prepared
from .sweeps import of_point

_START = "import sltpack.searching, sltpack.checkpoints.packing"


@dataclass(frozen=True)
class Cost:
    """What one run will take on its own.

    Attributes:
        pace: of a run of this kind, timed.
        epochs: of the run.
        start: seconds until its process has started, timed.
    """

    pace: Pace
    epochs: int
    start: float

    @property
    def seconds(self) -> float:
        """The seconds of the whole run."""
        return self.start + self.pace.seconds(self.epochs)


def costs_of(where: str, runs: Sequence[Prepared], threads: int | None, timed: Callable[[], None]) -> list[Cost]:
    """Work out what runs will take, from some steps of each different model and batch.

    Runs count as alike that differ only in seeds, sparsity and freezing: of those the first one is timed.

    Args:
        where: their plan.
        runs: the runs.
        threads: of each run; None leaves it to torch.
        timed: called after each run, timed or like one that was.

    Returns:
        The cost of each.

    Raises:
        SltpackError: a step cannot be taken, as in a search; the error names the point.
    """
    if not runs:
        return []
    start = _seconds_to_start()
    paces: dict[tuple[object, ...], Pace] = {}
    costs = []
    with _threads(threads):
        for run in runs:
            kind = _kind(run)
            if kind not in paces:
                try:
                    paces[kind] = _timed(run)
                except SltpackError as error:
                    raise of_point(where, run.point, error) from error
            costs.append(Cost(paces[kind], run.request.epochs, start))
            timed()
    return costs


def side_by_side(seconds: Sequence[float], jobs: int) -> float:
    """Return the seconds that runs take together when each begins as soon as one before it has ended.

    Args:
        seconds: of each, in their order.
        jobs: how many are made side by side.
    """
    ends = [0.0] * min(jobs, max(len(seconds), 1))
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def _timed(run: Prepared) -> Pace:
    request, origin = run.request, run.origin
    device = choose_device(request.device, sparse=is_graph(request.data))
    return time_steps(origin.source(), run.loaded, request.settings, device, origin.builder)


def _kind(run: Prepared) -> tuple[object, ...]:
    """Return what the time of a step depends on."""
    request = run.request
    searched = (request.method, request.threshold) if isinstance(request, SearchRequest) else ()
    return (
        request.command,
        run.origin.model.name,
        str(run.origin.model.arguments),
        request.data,
        request.data_dir,
        request.image_size,
        request.workers,
        request.device,
        request.batch_size,
        request.optimizer,
        request.precision,
        request.compiled,
        *searched,
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Have torch work with so many threads, as a run will that shares the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds_to_start() -> float:
    begin = time.monotonic()
    # Silent: a terminal sends Ctrl-C to this process too, which would end in a traceback.
    subprocess.run(python(_START), check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin
