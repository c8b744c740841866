"""The settings of a run: the rate over the epochs, and which seed decides what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import sltpack
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet, split
from sltpack.errors import RequestError
from sltpack.format.records import Source
from sltpack.searching.methods.search_method import kaiming_normal
from sltpack.searching.runner import search
from sltpack.searching.settings import Settings, TrainingSettings

SourceMaker = Callable[..., Source]
SETTINGS = Settings(sparsity=0.5, epochs=1, batch_size=32, precision="float32")
CPU = torch.device("cpu")


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine() -> None:
    settings = TrainingSettings(epochs=10, learning_rate=0.4, warmup=2)
    assert settings.rate(0) == 0
    assert settings.rate(0.1) == pytest.approx(0.2)
    assert settings.rate(0.2) == 0.4
    assert settings.rate(0.6) == pytest.approx(0.2)
    assert settings.rate(1) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warmup": 1}, "warmup: expected a number of epochs below `epochs`, found 1; choose another"),
        ({"method": "luck"}, "method: expected edge-popup, gem-miner or random, found luck; choose another"),
        ({"threshold": "none"}, "threshold: expected global or layer, found none; choose another"),
        ({"score_seed": -1}, "score_seed: expected an integer in 0..2^64 - 1, found -1; choose another"),
        ({"order_seed": 2**64}, f"order_seed: expected an integer in 0..2^64 - 1, found {2**64}; choose another"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        replace(SETTINGS, **change)
    assert str(caught.value) == message


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, few_digits: DataSet, small_source: SourceMaker) -> Checkpoint:
    """What the settings find."""
    return search(small_source(), few_digits, SETTINGS, tmp_path_factory.mktemp("first"), device=CPU)


@pytest.mark.parametrize("what", ["split", "order", "augmentation", "score"])
def test_each_seed_changes_the_ticket_by_itself(
    what: str, first: Checkpoint, few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, **{f"{what}_seed": 1})
    other = search(small_source(), few_digits, settings, tmp_path, device=CPU)
    assert not torch.equal(other.scores, first.scores)
    assert other.source.seeds == first.source.seeds


def test_a_seed_of_its_own_is_the_one_of_all_where_they_are_equal(
    first: Checkpoint, few_digits: DataSet, small_source: SourceMaker, tmp_path: Path
) -> None:
    own = {f"{what}_seed": 0 for what in ("split", "order", "augmentation", "score")}
    other = search(small_source(), few_digits, replace(SETTINGS, **own), tmp_path, device=CPU)
    assert torch.equal(other.scores, first.scores)


def test_a_seed_changes_nothing_but_its_own(few_digits: DataSet, small_source: SourceMaker) -> None:
    settings = replace(SETTINGS, seed=5, score_seed=6)
    assert [settings.seed_of(what) for what in ("split", "order", "augmentation", "score")] == [5, 5, 5, 6]
    assert torch.equal(
        split(few_digits.train, settings.seed_of("split"))[1].labels, split(few_digits.train, 5)[1].labels
    )
    assert not torch.equal(kaiming_normal(small_source(), 6), kaiming_normal(small_source(), 5))


def test_the_seeds_of_weights_and_freezing_come_from_the_one_of_all(tmp_path: Path) -> None:
    settings = replace(SETTINGS, seed=9)
    seeds = []
    for number, own in enumerate(({}, {"weight_seed": 1}, {"freeze_seed": 2})):
        found = sltpack.search("conv2", "digits", folder=tmp_path / str(number), **asdict(settings), width=0.125, **own)
        seeds.append((found.source.seeds.weights, found.source.seeds.freezing))
    assert seeds == [(9, 9), (1, 9), (9, 2)]
