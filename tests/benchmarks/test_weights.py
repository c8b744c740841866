"""Regenerating the weights of ResNet-18, and packing and unpacking them, against the raw draws that they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sltpack import models
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint
from sltpack.export import write_weights
from sltpack.format.records import Ratios, Seeds, Source
from sltpack.models.layers import buffers
from sltpack.source.network import make_source, searched_kept
from sltpack.tickets.storage import load, save
from sltpack.tickets.ticket import Ticket

Pairs = Callable[..., None]


def checkpoint_of(init: str) -> Checkpoint:
    """ResNet-18 with half of its weights frozen and random scores."""
    spec = models.spec("resnet18", 1.0, 10, (3, 32, 32))
    source = make_source(spec, models.shapes(spec), init, "none", Seeds(1, 2), Ratios("epl", 0.25, 0.25))
    scores = torch.from_numpy(np.random.default_rng(3).standard_normal(source.searched, np.float32))
    state = buffers(models.build(spec))
    return Checkpoint(source, searched_kept(source, 0.5), scores, 0.0, state, {}, {"epoch": 0, "history": []})


@pytest.fixture(scope="module")
def ku() -> Ticket:
    return checkpoint_of("ku").ticket()


def raw_draws(source: Source) -> Callable[[], None]:
    """As many bytes from Philox as the weights need: four of each layer's two streams for each weight."""

    def draw() -> None:
        for index, layer in enumerate(source.layers):
            for purpose in (0, 1):
                np.random.Philox(key=np.array([1, 2 * index + purpose], np.uint64)).random_raw(layer.size // 2)

    return draw


@pytest.mark.parametrize("init", ["ku", "skc"])
def test_weights(pairs: Pairs, init: str) -> None:
    ticket = checkpoint_of(init).ticket()
    layers = range(len(ticket.source.layers))
    pairs(
        lambda: [ticket.weights(index) for index in layers],
        raw_draws(ticket.source),
        f"all weights of resnet18 ({init}, freezing 0.5) by raw draws",
    )


def test_pack(pairs: Pairs, tmp_path: Path) -> None:
    checkpoint = checkpoint_of("ku")
    checkpoint.save(tmp_path / "ckpt.pt")
    pairs(
        lambda: save(checkpoint_reader.load(tmp_path / "ckpt.pt").ticket(), tmp_path / "model.slt", force=True),
        raw_draws(checkpoint.source),
        "pack of resnet18 by raw draws",
        rounds=7,
    )


def test_unpack(pairs: Pairs, tmp_path: Path, ku: Ticket) -> None:
    save(ku, tmp_path / "model.slt")
    pairs(
        lambda: write_weights(load(tmp_path / "model.slt"), tmp_path / "weights.safetensors", force=True),
        raw_draws(ku.source),
        "unpack of resnet18 by raw draws",
        rounds=7,
    )
