"""What a run has found, on its way into the folder: the best state, the last one to go on from, and the metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..checkpoints.records import Kept
from .run import Run
from .run_folder import BEST, LAST, write_metrics

STEPS_BETWEEN = 8
SECONDS_BETWEEN = 10.0
"""Between two writings of the folder lie so many steps or seconds: on a small graph it takes as long as some steps."""


class Keeper:
    """Keeps the states of a run in memory until they are due.

    Args:
        run: the run; only the first of its processes writes.
        history: what the epochs before measured; each further one is added to it.
        best: what was measured of the best state in the folder.
    """

    def __init__(self, run: Run, history: list[dict[str, float]], best: Mapping[str, Any]) -> None:
        self._run, self._history = run, history
        self._best: Kept | None = None
        self._last: Kept | None = None
        self._written = time.monotonic()
        self._often = -(-STEPS_BETWEEN // run.steps)
        # Written before a stop that the last state did not outlive; what is found on the way there is no better.
        self._floor = best["validation_accuracy"] if best["epoch"] > len(history) else -1.0
        if run.team.leads:
            write_metrics(run.place.folder, history)  # a run that was killed may have left it behind by a line

    @property
    def best(self) -> float:
        """The best validation accuracy so far; -1 before the first epoch."""
        return max((entry["validation_accuracy"] for entry in self._history), default=-1.0)

    @property
    def has_measured(self) -> bool:
        """Whether the folder holds a state that a whole epoch was measured with, or will."""
        return bool(self._history) or self._floor >= 0

    def note(self, measured: Mapping[str, float]) -> None:
        """Takes note of a whole epoch, and writes the folder where that is due.

        Args:
            measured: the epoch's numbers by name.

        Raises:
            OutputError: a file cannot be written.
        """
        epoch, reached = int(measured["epoch"]), measured["validation_accuracy"]
        if self._run.team.leads:
            metrics = {**measured, "history": [*self._history, dict(measured)]}
            last = self._run.state(metrics, self._run.stepper.memory())
            if reached > self.best and reached >= self._floor:
                self._best = replace(last, memory={})
            self._last = last
        self._history.append(dict(measured))
        late = time.monotonic() - self._written > SECONDS_BETWEEN
        if late or epoch % self._often == 0 or epoch == self._run.settings.epochs:
            self.write()

    def write(self) -> None:
        """Writes what the folder does not have yet, the best state first.

        Raises:
            OutputError: a file cannot be written.
        """
        folder = self._run.place.folder
        if self._best is not None:
            self._best.save(folder / BEST)
            self._best = None
        if self._last is not None:
            self._last.save(folder / LAST)
            write_metrics(folder, self._last.metrics["history"])
            self._last = None
        self._written = time.monotonic()
