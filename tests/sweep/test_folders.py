"""How far a run is, from a file that may say anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sltpack.searching.run_folder import LAST, METRICS
from sltpack.sweep.folders import progress_of


@pytest.mark.parametrize(
    ("text", "progress"),
    [
        (b"", (0, None)),
        (b'{"epoch": 1, "validation_accuracy": 0.5}\n{"epoch": 2, "validation_accuracy": 0.25}\n', (2, 0.5)),
        (b'{"epoch": 1, "validation_accuracy": null}\n', (0, None)),
        (b'{"epoch": 1, "validation_accuracy": "high"}\n', (0, None)),
        (b'{"epoch": 1}\n', (0, None)),
        (b"[1]\n", (0, None)),
        (b"[" * 100_000, (0, None)),
        (b"\xff\n", (0, None)),
    ],
)
def test_what_metrics_say(text: bytes, progress: tuple[int, float | None], tmp_path: Path) -> None:
    (tmp_path / METRICS).write_bytes(text)
    assert progress_of(tmp_path) == (0, None)  # of no run
    (tmp_path / LAST).touch()
    assert progress_of(tmp_path) == progress


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes by name")
def test_metrics_that_nobody_writes(tmp_path: Path) -> None:
    (tmp_path / LAST).touch()
    os.mkfifo(tmp_path / METRICS)
    assert progress_of(tmp_path) == (0, None)
