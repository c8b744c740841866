"""Where the runs of a sweep are made: on a cluster of Ray, which says where and when there is room for each."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from .... import __version__
from ....errors import RequestError, SltpackError, reason
from ....locks import token_of
from ..local import Outcome, Task
from ..processes import PATIENCE, THREADS, Process, stop
from .node import View
from .submitter import LOCAL, Job, Order

_AUTO = "auto"
"""The address of the cluster that this machine is a node of."""
_CONNECTING = 5.0
"""Seconds that a machine of the network has to answer."""
_PARTING = 10.0
"""Seconds that it takes to leave a cluster."""
_VARIABLES = ("PYTHONPATH", "XDG_CACHE_HOME")
_PREFIX = "SLTPACK_"
"""The variables of the sweep that hold for all runs: where data are, and models of the user's own."""


@dataclass(frozen=True)
class Cluster:
    """Makes runs on a cluster of Ray.

    Attributes:
        address: "auto" for the cluster that this machine is a node of, "host:port" for the one with that head, "local"
            for one of this machine alone that is started for the sweep.
        patience: the seconds to wait for the cluster.

    Raises:
        RequestError: Ray is not installed, or the address is none.
    """

    address: str
    patience: float = 60.0

    def __post_init__(self) -> None:
        found = importlib.util.find_spec("ray")
        if found is None or found.origin is None:  # a folder of that name is no package
            raise RequestError(
                "--ray",
                expected="the package ray",
                found="none",
                remedy="install it: pip install 'sltpack[ray]'",
            )
        if self.address not in (_AUTO, LOCAL) and _place(self.address) is None:
            raise RequestError(
                "--ray",
                expected=f"{_AUTO}, {LOCAL} or HOST:PORT",
                found=repr(self.address),
                remedy="give the address that ray start has told",
            )
        self.threads()

    def threads(self) -> int:
        """Return the threads of each run, which takes as many CPUs of the cluster.

        Raises:
            RequestError: the variable that says so is no number.
        """
        said = os.environ.get(THREADS, "1")
        if not said.isdecimal() or not 1 <= int(said) <= 10**6:
            raise RequestError(
                THREADS,
                expected="a whole number of at least 1, the CPUs of each run",
                found=repr(said),
                remedy="set it to one, or to none for one CPU",
            )
        return int(said)

    def run(self, tasks: Sequence[Task], begun: Callable[[Task], None]) -> Generator[Outcome, None, None]:
        """Make runs in a folder that is `locked`, the first ones first, as far as there is room for them.

        A run whose process is lost, as with its node, is begun again, up to `submitter.TIMES` times in all.
        """
        if not tasks:
            return
        self._require_answer()
        process = Process("ray.submitter", self._order(tasks).words(), os.environ, answers=True)
        joined, waiting, known = False, set(range(len(tasks))), set[int]()
        try:
            for word, *more in process.answers():
                if word == "refused":
                    process.wait(_PARTING)
                    raise self._error(*more)
                joined = True
                if word == "joined":
                    continue
                number = more[0]
                task = tasks[number]
                if word == "begun" or number not in known:
                    known.add(number)
                    begun(task)
                if word == "ended":
                    waiting.remove(number)
                    yield Outcome(task, more[1])
            if waiting:
                raise self._error(
                    "a cluster that stays until the last run has ended",
                    f"that it went away with {len(waiting)} of {len(tasks)} runs unfinished",
                    "look after the cluster; the same command goes on",
                )
        finally:
            if joined and waiting:
                stop([process], PATIENCE + _PARTING)
            else:
                process.wait(_PARTING if joined else 0)
                process.fault()

    def _order(self, tasks: Sequence[Task]) -> Order:
        runs = tasks[0].folder.parent.absolute()
        variables = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
        variables |= {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        view = View(__version__, os.getcwd(), str(runs), token_of(runs), variables)
        jobs = [Job(replace(task, folder=task.folder.absolute()).told(), task.request.device) for task in tasks]
        return Order(self.address, self.patience, self.threads(), view, jobs)

    def _require_answer(self) -> None:
        """Make sure that there is something at the address; what, is seen later."""
        place = _place(self.address)
        if place is None:
            return
        try:
            socket.create_connection(place, min(_CONNECTING, self.patience)).close()
        except OSError as error:
            remedy = "start the cluster (ray start), or check the address"
            raise self._error("a cluster of Ray that answers", reason(error), remedy) from error

    def _error(self, expected: str, found: str, remedy: str) -> SltpackError:
        return SltpackError(f"--ray {self.address}", expected=expected, found=found, remedy=remedy)


def _place(address: str) -> tuple[str, int] | None:
    """Return the host and the port of an address, or None where it has not both."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        return None
    return host.strip("[]"), int(port)
