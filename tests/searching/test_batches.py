"""An epoch has enough steps, whatever the number of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sltpack.data.dataset import DataSet
from sltpack.format.records import Source
from sltpack.searching.batches import batch_size_for, explained
from sltpack.searching.runner import search, settle
from sltpack.searching.settings import Settings

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "size"), [(40_000, 128), (2560, 128), (2559, 64), (1280, 64), (1150, 32), (639, 16), (231, 16), (3, 16)]
)
def test_the_batch_size(count: int, size: int) -> None:
    assert batch_size_for(count) == size


def test_what_is_said() -> None:
    assert explained(128, 40_000) == ""
    assert explained(16, 231) == (
        "batch size 16: 231 images train, which are 1 step an epoch with 128 (--batch-size chooses another)"
    )


def test_what_is_given_stays(digits: DataSet) -> None:
    for given, found in (("auto", 32), (128, 128), (None, None)):
        settings = Settings(sparsity=0.5, epochs=1, batch_size=given)
        assert settle(settings, digits, CPU).batch_size == found


def test_the_size_that_was_used_is_recorded_and_said(
    small_source: Callable[..., Source], few_digits: DataSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few = replace(few_digits, train=few_digits.train.take(slice(0, 100)))
    settings = Settings(sparsity=0.5, epochs=1, batch_size="auto", precision="float32")
    found = search(small_source(), few, settings, tmp_path / "run", device=CPU)
    assert found.settings["batch_size"] == 16
    assert "batch size 16: 80 images train, which are 1 step an epoch with 128" in capfd.readouterr().err
    again = search(small_source(), few, settings, tmp_path / "run", device=CPU, resume=True)
    assert again.metrics == found.metrics
