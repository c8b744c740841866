"""Steps that are timed: they are those of the run, and leave nothing behind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sltpack.data.dataset import DataSet
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.searching.steps import Stepper
from sltpack.searching.timing import Pace, time_steps

CPU = torch.device("cpu")


def test_the_seconds_of_a_run() -> None:
    assert Pace(step=0.5, steps=10, evaluation=2.0, test=3.0).seconds(epochs=4) == 4 * (10 * 0.5 + 2) + 3


@pytest.mark.parametrize(
    "settings",
    [
        Settings(sparsity=0.5, epochs=1, batch_size=128),
        Settings(sparsity=0.5, epochs=1, batch_size=128, method="random"),
        Settings(sparsity=0.5, epochs=1, batch_size=128, threshold="layer", optimizer="adamw"),
        TrainingSettings(epochs=1, batch_size=128),
        TrainingSettings(epochs=1, batch_size=None),
    ],
)
def test_steps_are_those_of_the_run(
    settings: TrainingSettings,
    small_source: Callable[..., Any],
    few_digits: DataSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    taken: list[int] = []
    real = Stepper.step

    def slow(self: Stepper, batch: torch.Tensor, labels: torch.Tensor, done: float) -> Any:
        taken.append(len(labels))
        time.sleep(0.02 if len(taken) > 1 else 0.5)
        return real(self, batch, labels, done)

    monkeypatch.setattr(Stepper, "step", slow)
    source = small_source() if isinstance(settings, Settings) else small_source(prune=0.0, lock=0.0)
    pace = time_steps(source, few_digits, settings, CPU)
    size, steps = (128, 2) if settings.batch_size else (256, 1)  # of 256 that train
    assert (pace.steps, set(taken)) == (steps, {size})
    assert len(taken) >= 6
    assert 0.02 < pace.step < 0.45  # the first step is not counted
    assert 0 < pace.evaluation < math.inf
    assert 0 < pace.test < math.inf
    assert list(tmp_path.iterdir()) == []
