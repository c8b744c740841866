"""The process that speaks with Ray: gives it the runs of a sweep, and tells the sweep what becomes of them.

    python -m sltpack.sweep.executors.ray.submitter

reads one line from standard input, a JSON object (`Order`), and answers with lines of JSON: ["joined"], then for the
run of each number ["begun", number, null] and ["ended", number, fault], and, where it cannot begin, ["refused",
expected, found, remedy]. SIGINT has it stop the runs; where its standard input is closed it ends at once, and so do
the runs.

It is a process of its own because Ray writes to the terminal whatever it is told, waits for minutes for a cluster that
is not there, and ends the process, without an exception, that loses its cluster.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ....errors import one_line
from ..processes import PATIENCE, end_with_the_other_side
from .node import Step, View, make

LOCAL = "local"
"""The address of a cluster that is started on this machine, and ends with the sweep."""
TIMES = 3
"""How often a run is begun whose process is lost, as with its node."""
_LOOK_EVERY = 0.5
"""Seconds between two looks at whether to stop."""
_NODES_EVERY = 10.0
"""Seconds between two looks at the nodes."""
_OBJECTS = 100_000_000
"""Bytes of shared memory for a cluster of our own: nothing of size passes through it."""
_REMEDY = "check the address, that this machine is a node of the cluster, and RAY_AUTH_MODE where it needs a token"


@dataclass(frozen=True)
class Job:
    """A run, as the cluster is told of it.

    Attributes:
        told: what its process reads.
        device: "cpu", "cuda" or "mps", or "auto" for a GPU where the cluster has any.
    """

    told: Any
    device: str


@dataclass(frozen=True)
class Order:
    """What a sweep asks for.

    Attributes:
        address: of the cluster, as Ray knows it.
        patience: the seconds to wait for it.
        threads: of each run, which takes as many CPUs.
        view: what runs find on any node.
        jobs: the runs.
    """

    address: str
    patience: float
    threads: int
    view: View
    jobs: Sequence[Job]

    def words(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, words: dict[str, Any]) -> Order:
        """Return what `words` has made of it."""
        jobs = tuple(Job(**job) for job in words.pop("jobs"))
        return cls(view=View(**words.pop("view")), jobs=jobs, **words)


class _Refused(Exception):
    """The cluster cannot make the runs: what was expected, what was found, what to do."""


def main() -> None:
    """Have a cluster make the runs that standard input asks for."""
    answer = _Answers()
    order = Order.of(json.loads(sys.stdin.readline()))
    threading.Thread(target=end_with_the_other_side, daemon=True).start()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        _join(order, answer)
        needs = [_gpus(job, order.threads) for job in order.jobs]
        answer("joined")
        _Runs(order, needs, answer).follow(stopped)
    except _Refused as refused:
        answer("refused", *refused.args)
    import ray

    ray.shutdown()


class _Answers:
    """What the sweep reads; all else that is written to standard output goes to standard error."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def __call__(self, *words: object) -> None:
        with suppress(BrokenPipeError):  # this process is about to end
            self._stream.write(json.dumps(words) + "\n")
            self._stream.flush()


def _join(order: Order, answer: _Answers) -> None:
    """Join the cluster, or start one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of our own tells nobody of itself

    def give_up() -> None:
        answer("refused", "a cluster of Ray that answers", f"none within {order.patience:g} seconds", _REMEDY)
        os._exit(1)

    import ray

    own = {"include_dashboard": False, "object_store_memory": _OBJECTS} if order.address == LOCAL else {}
    timer = threading.Timer(order.patience, give_up)
    timer.daemon = True
    timer.start()
    try:
        ray.init(order.address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except Exception as error:  # of many kinds; the sentence is what tells
        told = _sentence(error.__cause__ or error)  # "failed to connect" is what Ray says of all causes
        raise _Refused("a cluster of Ray that can be joined", told, _REMEDY) from error
    finally:
        timer.cancel()


def _gpus(job: Job, threads: int) -> int:
    """Return how many GPUs a run takes."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    some = any(node.get("GPU", 0) >= 1 for node in nodes)
    gpus = 1 if job.device == "cuda" or (job.device == "auto" and some) else 0
    if not any(node.get("CPU", 0) >= threads and node.get("GPU", 0) >= gpus for node in nodes):
        raise _Refused(
            f"a node with {threads} CPUs" + (" and a GPU" if gpus else "") + ", as each run takes",
            f"none of {len(nodes)}",
            "set OMP_NUM_THREADS, which says how many CPUs a run takes, and --device to what a node has",
        )
    return gpus


class _Runs:
    """The runs on the cluster. All are given to it at once; it begins each where and when there is room."""

    def __init__(self, order: Order, gpus: Sequence[int], answer: _Answers) -> None:
        self._order, self._gpus, self._answer = order, gpus, answer
        self._times = [0] * len(order.jobs)
        self._running: dict[Any, int] = {}
        for number in range(len(order.jobs)):
            self._submit(number)

    def follow(self, stopped: threading.Event) -> None:
        """Tell what becomes of the runs until all have ended; when it is to stop, until they have stopped.

        Without any node it stops too: runs may still go on there, but no other would ever begin.
        """
        import ray

        until, look = float("inf"), time.monotonic() + _NODES_EVERY
        while self._running and time.monotonic() < until:
            if time.monotonic() > look:
                look = time.monotonic() + _NODES_EVERY
                if not any(node["Alive"] for node in ray.nodes()):
                    stopped.set()
            if stopped.is_set() and until == float("inf"):
                until = time.monotonic() + PATIENCE
                for running in self._running:
                    ray.cancel(running)
            ready, _ = ray.wait(list(self._running), timeout=_LOOK_EVERY, fetch_local=False)
            for running in ready:
                self._look(running, stopped.is_set())

    def _submit(self, number: int) -> None:
        import ray

        job, gpus = self._order.jobs[number], self._gpus[number]
        self._times[number] += 1
        begun = ray.remote(_make).options(
            num_cpus=self._order.threads, num_gpus=gpus, max_retries=0, num_returns="streaming"
        )
        self._running[begun.remote(job.told, self._order.view, self._order.threads, gpus > 0)] = number

    def _look(self, running: Any, stopped: bool) -> None:
        """Read what a run has told, or what has become of it; nobody needs to know where all are stopped."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        number = self._running[running]
        try:
            kind, fault = ray.get(next(running))
        except StopIteration:
            kind, fault = "ended", "the run ended without a word"
        except RayTaskError as error:
            kind, fault = "ended", _sentence(error.cause or error)
        except RayError as error:
            kind, fault = "lost", _sentence(error)
        if kind != "begun":
            del self._running[running]
        if stopped:
            return
        if kind != "lost":
            self._answer(kind, number, fault)
        elif self._times[number] < TIMES:
            self._submit(number)
        else:
            self._answer("ended", number, f"lost on the cluster {TIMES} times, at last: {fault}")


def _make(told: Any, view: View, threads: int, has_gpu: bool) -> Generator[Step, None, None]:
    """Make a run, where Ray calls it."""
    import ray

    yield from make(told, view, ray.util.get_node_ip_address(), threads, has_gpu)


def _sentence(error: BaseException) -> str:
    """Return the first words of an error of Ray, whose messages are pages."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return one_line(text[0].removesuffix("."), 300)


if __name__ == "__main__":
    main()
