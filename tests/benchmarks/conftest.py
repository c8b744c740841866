"""Benchmarks, left out of the plain run. From the root of the repository:

    python -m pytest tests/benchmarks -o addopts=

Each tells how long something takes as a multiple of what it cannot do without, the limit. The two run in turns within
one process, and the median of the pairs' ratios is told at the end, one line for each, so that a busy machine slows
both. Nothing is asserted on time: a timing is never a test.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

Pairs = Callable[..., None]
LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def pairs(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Pairs:
    """Runs something and its limit in turns."""

    def run(ours: Callable[[], object], limit: Callable[[], object], of_what: str, rounds: int = 11) -> None:
        limits: list[float] = []

        def timed_limit() -> None:
            begin = time.perf_counter()
            limit()
            limits.append(time.perf_counter() - begin)

        benchmark.pedantic(ours, setup=timed_limit, rounds=rounds, warmup_rounds=1)
        times = benchmark.stats.stats.data
        ratios = [mine / least for mine, least in zip(times, limits[1:], strict=True)]
        benchmark.extra_info["ratio"] = statistics.median(ratios)
        request.config.stash.setdefault(LINES, []).append(
            f"{of_what}: {statistics.median(ratios):.2f} (pairs {min(ratios):.2f} to {max(ratios):.2f}; "
            f"{1e3 * statistics.median(times):.1f} ms against {1e3 * statistics.median(limits[1:]):.1f} ms)"
        )

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("ratios, median of pairs")
    for line in config.stash.get(LINES, []):
        terminalreporter.write_line(line)
