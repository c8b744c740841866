"""What a sweep will cost: runs side by side, and the process that is timed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sltpack.sweep.costs import side_by_side

STOPPED = """
from sltpack.sweep import costs
costs._START = "import time; print('begun', flush=True); time.sleep(600)"
try:
    costs._seconds_to_start()
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize(
    ("seconds", "jobs", "together"),
    [
        ([], 3, 0.0),
        ([1.0, 2.0, 4.0], 1, 7.0),
        ([4.0, 1.0, 2.0, 2.0], 2, 5.0),  # 4 beside 1 + 2 + 2
        ([1.0, 4.0], 10**24, 4.0),
    ],
)
def test_runs_side_by_side(seconds: list[float], jobs: int, together: float) -> None:
    assert side_by_side(seconds, jobs) == together


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes")
def test_ctrl_c_is_told_once() -> None:
    """A terminal sends it to the process that is timed too."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED], text=True, stdout=pipe, stderr=pipe, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ("stopped\n", "")
