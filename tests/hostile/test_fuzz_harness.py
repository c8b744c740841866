"""The fuzzing harness runs: each target takes what it begins with, and mutations of it."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TARGETS = runpy.run_path(str(TESTS / "fuzz" / "harness.py"))["TARGETS"]
mutated = runpy.run_path(str(TESTS / "real_pickles.py"))["mutated"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target(name: str) -> None:
    make, make_seeds = TARGETS[name]
    one, chance = make(), random.Random(0)
    seeds = make_seeds()
    assert seeds
    for seed in seeds:
        one(seed)
        for _ in range(20):
            one(mutated(seed, chance))
