"""What a preset and a recipe set, and what they leave to the caller."""

from __future__ import annotations

from typing import Any

import pytest

from sltpack.format.records import INITS, METHODS, SCALES
from sltpack.searching.methods.table import METHODS as SEARCHES
from sltpack.searching.presets import (
    DEFAULT_PRESET,
    DEFAULT_RECIPE,
    PRESETS,
    RECIPES,
    THRESHOLDS,
    of_preset,
    of_recipe,
)
from sltpack.searching.settings import Settings, TrainingSettings
from sltpack.source.ratios import place

OPTIONS = ("sparsity", "freeze", "prune", "lock", "ratios", "init", "scale", "method", "threshold")
NONE: dict[str, Any] = dict.fromkeys(OPTIONS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_everything_to_something_that_can_be(name: str) -> None:
    filled = of_preset(name, NONE)
    assert set(filled) == set(OPTIONS)
    assert filled["ratios"] in METHODS
    assert filled["init"] in INITS
    assert filled["scale"] in SCALES
    assert filled["method"] in SEARCHES
    assert filled["threshold"] in THRESHOLDS
    if filled["freeze"] is None:
        prune, lock = filled["prune"], filled["lock"]
    else:
        prune, lock = place(filled["sparsity"], filled["freeze"])
    assert filled["sparsity"] == pytest.approx((prune + 1 - lock) / 2)  # in the middle of what can be reached


def test_the_default_is_what_the_product_is_for() -> None:
    assert of_preset(DEFAULT_PRESET, NONE) == {
        **NONE,
        "sparsity": 0.5,
        "freeze": 0.5,
        "ratios": "epl",
        "init": "skc",
        "scale": "layer",
        "method": "edge-popup",
        "threshold": "global",
    }


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("sparse", {"freeze": 0.3}, {"freeze": 0.3, "prune": None, "lock": None}),
        ("sparse", {"lock": 0.2}, {"freeze": None, "prune": None, "lock": 0.2}),
        ("dense", {"prune": 0.0, "lock": 0.1}, {"freeze": None, "prune": 0.0, "lock": 0.1}),
        ("dense", {"init": "skc"}, {"init": "skc", "scale": "layer"}),
        ("dense", {"init": "ku"}, {"init": "ku", "scale": "none"}),
        ("frozen-skc", {"init": "ku"}, {"init": "ku", "scale": "none"}),
        ("frozen-skc", {"init": "ku", "scale": "global"}, {"init": "ku", "scale": "global"}),
        ("frozen-skc", {"sparsity": 0.0}, {"sparsity": 0.0}),
        ("frozen", {"threshold": "layer", "other": 5}, {"threshold": "layer", "other": 5}),
    ],
)
def test_what_is_given_comes_first(name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    filled = of_preset(name, {**NONE, **given})
    assert {option: filled[option] for option in expected} == expected


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_settings(name: str) -> None:
    for kind in ("search", "train"):
        filled = of_recipe(name, kind, {"epochs": None, "seed": 3})
        assert TrainingSettings(**filled).seed == 3
        assert of_recipe(name, kind, {"epochs": 7})["epochs"] == 7
    assert Settings(sparsity=0.5, **of_recipe(name, "search", {})).method == "edge-popup"


@pytest.mark.parametrize(("epochs", "warmup"), [(100, 5), (15, 5), (9, 3), (3, 1), (2, 0), (1, 0)])
def test_a_warmup_leaves_room_for_the_rest(epochs: int, warmup: int) -> None:
    assert of_recipe("paper", "train", {"epochs": epochs, "warmup": None})["warmup"] == warmup
    assert of_recipe("paper", "train", {"epochs": epochs, "warmup": 0})["warmup"] == 0


def test_the_papers_recipe() -> None:
    assert of_recipe(DEFAULT_RECIPE, "search", {}) == {
        "epochs": 100,
        "batch_size": "auto",
        "learning_rate": 0.1,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "warmup": 0,
    }
