"""The numbers of docs/theory.md are what its formulas and the measurement give."""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import NormalDist

import pytest

from sltpack.theory import Curve, Experiment, fit, measure

PAGE = (Path(__file__).parents[2] / "docs" / "theory.md").read_text("utf-8")
ROW = re.compile(r"^\| ([\d.]+) \| ([a-z ]*?) ?\| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| ?(\d*) \|$", re.MULTILINE)
WORDS = " ".join(PAGE.split())
SHARE_LOCKED = {"": 0.0, "pruned": 0.0, "half locked": 0.5, "locked": 1.0}
EPSILONS = (0.05, 0.01, 0.001)
DELTA = 0.05


def told() -> list[tuple[float, float, tuple[int, ...], float, int | None]]:
    """The rows of the table: p, l, the needed n, how many of the last are free, and n by reach alone."""
    rows = []
    for freeze, kind, *needed, free, reach in ROW.findall(PAGE):
        lock = float(freeze) * SHARE_LOCKED[kind]
        counts = tuple(map(int, needed))
        rows.append((round(float(freeze) - lock, 3), lock, counts, float(free), int(reach) if reach else None))
    return rows


def curve(prune: float, lock: float, epsilon: float, count: int) -> Curve:
    """A curve of the table, of which nothing but the needed n is known."""
    return Curve(Experiment(prune, lock, epsilon, DELTA, trials=20), (0,) * count + (20,), 0.0)


def test_all_rows_are_found() -> None:
    assert len(told()) == 13
    assert sum(reach is not None for *_, reach in told()) == 9


@pytest.mark.parametrize(("prune", "lock", "reach"), [(row[0], row[1], row[-1]) for row in told() if row[-1]])
def test_the_reach(prune: float, lock: float, reach: int) -> None:
    free = 1 - prune - lock
    z = NormalDist().inv_cdf(1 - DELTA / 2)

    def enough(n: int) -> bool:
        return free * n / 4 - 1 / 2 >= z * math.sqrt(n * (lock / 3 + free / 6 - free**2 / 16))

    assert enough(reach)
    assert not enough(reach - 1)


def test_how_a_variable_that_reaches_varies() -> None:
    """Locked it adds x; free it adds x where that is positive; otherwise nothing: E[x^2] - E[x]^2, by small steps."""
    prune, lock, steps = 0.3, 0.2, 20_000
    free = 1 - prune - lock
    places = [(2 * step + 1) / steps - 1 for step in range(steps)]
    mean = sum(free * max(x, 0) + lock * x for x in places) / steps
    square = sum(free * max(x, 0) ** 2 + lock * x * x for x in places) / steps
    assert mean == pytest.approx(free / 4)
    assert square - mean**2 == pytest.approx(lock / 3 + free / 6 - free**2 / 16)
    assert "sqrt(n (l / 3 + (1 - f) / 6 - (1 - f)^2 / 16))" in PAGE


def test_the_constants() -> None:
    curves = [
        curve(prune, lock, epsilon, count)
        for prune, lock, needed, *_ in told()
        for epsilon, count in zip(EPSILONS, needed, strict=True)
    ]
    pruned = [each for each in curves if not each.experiment.lock]
    own = sorted(each.constant or 0.0 for each in pruned)
    constant = fit(curves)
    assert constant is not None
    assert f"C = {constant:.1f} is the best fit to the fifteen numbers without locking" in WORDS
    assert len(pruned) == 15
    assert f"whose own C lie between {own[0]:.1f} and {own[-1]:.1f}." in WORDS
    most = sorted(
        each.constant or 0.0 for each in curves if each.experiment.lock and each.experiment.freeze == pytest.approx(0.8)
    )
    assert f"f = 0.8 with locking is {most[0]:.0f} to {most[-1]:.0f}," in WORDS


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_some_of_the_measured_numbers(place: int) -> None:
    prune, lock, needed, *_ = told()[place]
    assert measure(Experiment(prune, lock, EPSILONS[0], DELTA, trials=400)).needed == needed[0]
    if not place:
        finest = measure(Experiment(prune, lock, EPSILONS[-1], DELTA, trials=400))
        assert (finest.needed, f"{finest.free:.1f}") == (needed[-1], f"{told()[place][3]}")
