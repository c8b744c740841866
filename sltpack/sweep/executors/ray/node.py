"""What a node of a cluster does for a run: looks whether it sees what the sweep sees, and starts the run's process."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .... import __version__
from ....errors import SltpackError
from ....locks import token_of
from ..processes import LOOK_EVERY, THREADS, Process, stop

_DEVICES = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process has; Ray sets it where a run was given some."""
_PATIENCE = 10.0
"""Seconds after which a network's file system shows what another machine has written."""

Step = tuple[str, str | None]
"""What is told of a run: "begun"; "ended", and why it is not finished, in one line, or None where it is; or "lost", and
how: it did not fail, and can go on elsewhere."""


@dataclass(frozen=True)
class View:
    """What a run finds on any node as it is where the sweep is.

    Attributes:
        version: of sltpack.
        folder: the working folder, which relative paths are seen from.
        runs: the folder of all runs.
        token: what `token_of` reads there.
        variables: of the environment.
    """

    version: str
    folder: str
    runs: str
    token: str
    variables: Mapping[str, str]

    def require(self, node: str) -> None:
        """Make sure that a node sees the same.

        Args:
            node: its name, for errors.

        Raises:
            SltpackError: it does not.
        """
        if __version__ != self.version:
            raise SltpackError(
                f"node {node}",
                expected=f"sltpack {self.version}, as the sweep is",
                found=__version__,
                remedy="install the same version on all nodes",
            )
        remedy = "use a folder on a file system that all nodes see by one name"
        if not os.path.isdir(self.folder):
            raise SltpackError(
                f"node {node}", expected=f"the sweep's working folder, {self.folder}", found="none", remedy=remedy
            )
        until = time.monotonic() + _PATIENCE
        while not self.token or token_of(Path(self.runs)) != self.token:
            if time.monotonic() >= until:
                found = "another one" if os.path.isdir(self.runs) else "none"
                raise SltpackError(
                    f"node {node}", expected=f"the sweep's folder of runs, {self.runs}", found=found, remedy=remedy
                )
            time.sleep(LOOK_EVERY)


def make(told: Any, view: View, node: str, threads: int, has_gpu: bool) -> Generator[Step, None, None]:
    """Make a run.

    What is raised in the meantime, as where the sweep cancels it, stops the run in a state that it can go on from.

    Args:
        told: what the run's process reads.
        view: what it has to find here.
        node: the name of this node, for errors.
        threads: of the run.
        has_gpu: whether it may work on the GPUs that Ray shows it.

    Yields:
        That it has begun, then how it ended.
    """
    yield "begun", None
    try:
        view.require(node)
    except SltpackError as error:
        yield "ended", str(error)
        return
    environment = {**os.environ, **view.variables, THREADS: str(threads)}
    if not has_gpu:
        environment[_DEVICES] = ""
    process, started_by = Process("worker", told, environment, Path(view.folder)), os.getppid()
    try:
        while not process.ended:
            if os.getppid() != started_by:
                stop([process])
                yield "lost", f"Ray has ended on node {node}"
                return
            time.sleep(LOOK_EVERY)
    except BaseException:
        stop([process])
        raise
    yield "ended", process.fault()
