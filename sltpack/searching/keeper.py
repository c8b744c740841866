"""What a run has found, on its way into the folder: the best state, the last one to go on from, and the metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..checkpoints.records import Kept
from .run import Run
from .run_folder import BEST, LAST, read_metrics, write_metrics

STEPS_BETWEEN = 8
SECONDS_BETWEEN = 10.0
"""Between two writings of the folder lie so many steps or seconds: on a small graph it takes as long as some steps."""
_OF_CLOCK = ("seconds", "time")
"""What metrics.jsonl has of each epoch beside what was measured: how long it took, and the Unix time of its end."""


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
        # Kept beside the states and not in them, so that the same run gives the same checkpoints at any time.
        self._clock: dict[int, dict[str, float]] = {}
        if run.team.leads:
            for entry in read_metrics(run.place.folder):
                self._clock[int(entry["epoch"])] = {name: entry[name] for name in _OF_CLOCK if name in entry}
            self._write_metrics(history)  # a run that was killed may have left it behind by a line

    @property
    def best(self) -> float:
        """The best validation accuracy so far; -1 before the first epoch."""
        return max((entry["validation_accuracy"] for entry in self._history), default=-1.0)

    @property
    def has_measured(self) -> bool:
        """Whether the folder holds a state that a whole epoch was measured with, or will."""
        return bool(self._history) or self._floor >= 0

    def note(self, measured: Mapping[str, float], seconds: float) -> None:
        """Take note of a whole epoch, and write the folder where that is due.

        Args:
            measured: the epoch's numbers by name.
            seconds: that the epoch took.

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
        self._clock[epoch] = {"seconds": round(seconds, 3), "time": round(time.time(), 3)}
        late = time.monotonic() - self._written > SECONDS_BETWEEN
        if late or epoch % self._often == 0 or epoch == self._run.settings.epochs:
            self.write()

    def write(self) -> None:
        """Write what the folder does not have yet, the best state first.

        Raises:
            OutputError: a file cannot be written.
        """
        folder = self._run.place.folder
        if self._best is not None:
            self._best.save(folder / BEST)
            self._best = None
        if self._last is not None:
            self._last.save(folder / LAST)
            self._write_metrics(self._last.metrics["history"])
            self._last = None
        self._written = time.monotonic()

    def _write_metrics(self, history: list[dict[str, float]]) -> None:
        lines = [{**entry, **self._clock.get(int(entry["epoch"]), {})} for entry in history]
        write_metrics(self._run.place.folder, lines)
