"""What several tests need: a small source network, and a small search on digits that is run once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sltpack import data, models
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet
from sltpack.format.records import Ratios, Seeds, Source
from sltpack.searching.runner import search
from sltpack.searching.settings import Settings
from sltpack.source.network import make_source

COMMANDS = Path(__file__).parents[1] / "cli"
installed = Path(str(importlib.util.find_spec("sltpack_cli").origin)).parent  # type: ignore[union-attr]
if any(path.read_bytes() != (installed / path.name).read_bytes() for path in COMMANDS.glob("*.py")):
    pytest.exit(f"the commands in {installed} are not those of {COMMANDS}; install again: pip install .", 3)

CPU = torch.device("cpu")

# The networks here are so small that a second thread only waits for the first.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> DataSet:
    """All of the digits."""
    return data.load("digits")


@pytest.fixture(scope="session")
def few_digits(digits: DataSet) -> DataSet:
    """As many digits as a search of a second takes."""
    return replace(digits, train=digits.train.take(slice(0, 320)), test=digits.test.take(slice(0, 100)))


SourceMaker = Callable[..., Source]


def _make_small(
    init: str = "skc", scale: str = "layer", model: str = "conv2", prune: float = 0.25, lock: float = 0.25
) -> Source:
    spec = models.spec(model, 0.125, 10, (1, 8, 8))
    return make_source(spec, models.shapes(spec), init, scale, Seeds(3, 4), Ratios("epl", prune, lock))


@pytest.fixture(scope="session")
def small_source() -> SourceMaker:
    """Makes a source network of some thousand weights for the digits."""
    return _make_small


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, few_digits: DataSet) -> tuple[Path, Checkpoint]:
    """A folder with a finished small search, and its checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    settings = Settings(sparsity=0.5, epochs=2, batch_size=32, precision="float32")
    noted = {"data": "digits", "date": "2026-01-01", "sltpack": "test"}
    return folder, search(_make_small(), few_digits, settings, folder, device=CPU, noted=noted)
