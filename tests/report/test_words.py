"""Legends: as few words as tell lines apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sltpack.report import words
from sltpack.report.runs import TRAINED, Value
from sltpack.report.words import SOURCE, plain, source, telling, told, word


def labels(lines: Sequence[Mapping[str, Value]]) -> list[str]:
    return words.labels([lambda digits, line=line: line for line in lines])


@pytest.mark.parametrize(
    ("freeze", "prune", "lock", "text"),
    [
        (0.0, 0.0, 0.0, "dense"),
        (0.5, 0.5, 0.0, "sparse, p = 0.5"),
        (0.5, 0.0, 0.5, "locked, l = 0.5"),
        (0.8, 0.4, 0.4, "frozen, f = 0.8"),
        (None, None, None, None),
    ],
)
def test_sources(freeze: Value, prune: Value, lock: Value, text: str | None) -> None:
    assert source({"freeze": freeze, "prune": prune, "lock": lock}) == text


def test_the_presets_of_the_paper() -> None:
    lines: list[dict[str, Value]] = [
        {"method": "edge-popup", "init": "ku", "scale": "none", "sparsity": 0.5, "learning_rate": 1.0, SOURCE: "dense"},
        {
            "method": "edge-popup",
            "init": "skc",
            "scale": "layer",
            "sparsity": 0.5,
            "learning_rate": 1.0,
            SOURCE: "dense",
        },
        {
            "method": "edge-popup",
            "init": "skc",
            "scale": "layer",
            "sparsity": 0.75,
            "learning_rate": 1.0,
            SOURCE: "sparse",
        },
        {"method": TRAINED, "init": "ku", "scale": None, "sparsity": None, "learning_rate": 0.05, SOURCE: None},
    ]
    assert labels(lines) == ["KU, dense", "SKC, dense", "SKC, sparse", "trained weights, KU"]


def test_numbers_have_as_many_digits_as_tell_them_apart() -> None:
    assert labels([{"learning_rate": 0.1}, {"learning_rate": 0.1 + 1e-9}]) == [
        "learning rate 0.10000000000000001",
        "learning rate 0.10000000100000001",
    ]
    assert labels([{"learning_rate": 1 / 3}, {"learning_rate": 2 / 3}]) == [
        "learning rate 0.3333",
        "learning rate 0.6667",
    ]


def test_what_nothing_else_tells_is_named() -> None:
    lines: list[dict[str, Value]] = [{"init": "ku", "learning_rate": rate, "warmup": 1} for rate in (0.1, 1.0)]
    assert labels(lines) == ["learning rate 0.1", "learning rate 1"]
    assert labels([{"threshold": "global"}, {"threshold": "layer"}]) == ["edge-popup", "a threshold a layer"]
    assert labels([{"compiled": False}, {"compiled": True}]) == ["edge-popup", "compiled"]
    assert labels([{"init": "ku"}]) == ["edge-popup"]


def test_what_follows_from_something_else_is_left_out() -> None:
    assert telling([{"init": "ku", "scale": "none"}, {"init": "skc", "scale": "layer"}]) == ["init"]
    assert telling([{"init": "ku", "ratios": None}, {"init": "skc", "ratios": "epl"}]) == ["init"]
    assert telling([{"batch_size": None, "init": "ku"}, {"batch_size": 32, "init": "ku"}]) == ["batch_size"]


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["ku", "layer", "x"]))


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(("init", "width", "a", "b"), _VALUES)), min_size=1, max_size=8))
def test_what_is_chosen_tells_all_apart(lines: list[dict[str, Any]]) -> None:
    apart = list({frozenset(line.items()): line for line in lines}.values())
    names = telling(apart)
    seen = {tuple(line[name] for name in names) for line in apart}
    assert len(seen) == len(apart)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (False, "no"), (0.30000000000000004, "0.3"), (1e-4, "0.0001"), (32, "32"), ("a", "a")],
)
def test_values(value: Value, text: str) -> None:
    assert plain(value) == text


def test_words() -> None:
    assert word("sparsity", 0.75) == "k = 0.75"
    assert word("method", "random") == "random"
    assert word("batch_size", 64) == "batch size 64"
    assert told("ratios", "erk") == "ERK"
    assert told("ratios", None) == ""
