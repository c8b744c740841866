"""Modules that are used under several names: stored once, and found again under every name of the state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import sltpack
from sltpack.checkpoints.reading import load_any
from sltpack.data.dataset import DataSet
from sltpack.export.weights import write_weights
from sltpack.format import container
from sltpack.models.building import build_ticket
from sltpack.models.layers import buffers, copied_buffers
from sltpack.tickets.buffers import store
from sltpack.tickets.ticket import Ticket


class Tied(nn.Module):
    """Digits to classes, the one block of convolution and normalisation under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, bias=False)
        self.a = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, affine=False))
        self.b = self.a
        self.last = nn.Linear(4, 10, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.last(self.b(self.a(self.first(images)).relu()).mean((2, 3)))
        return scores


NAMES = [("first",), ("a.0", "b.0"), ("last",)]
FEW: dict[str, Any] = {"epochs": 1, "batch_size": 32, "precision": "float32", "device": "cpu"}


def has_every_name(state: dict[str, torch.Tensor]) -> nn.Module:
    """Loads a state strictly: nothing is missing, nothing is too much."""
    model = Tied()
    model.load_state_dict(state, strict=True)
    return model.eval()


@pytest.mark.parametrize("way", ["f32", "f16", "q8"])
def test_a_search(few_digits: DataSet, tmp_path: Path, way: str) -> None:
    found = sltpack.search(Tied(), few_digits, folder=tmp_path / "run", **FEW)
    assert [layer.names for layer in found.source.layers] == NAMES
    kept = load_any(tmp_path / "run" / "ckpt.pt")
    has_every_name(kept.state())
    ticket = kept.ticket(way)
    assert [(row.names, row.kind) for row in ticket.stored_buffers.rows] == [(("a.1", "b.1"), f"norm-{way}")]
    read = Ticket.from_container(container.decode(container.encode(ticket.to_container())), "x.slt")
    state = {name: torch.from_numpy(values.copy()) for name, values in read.state().items()}
    expected = has_every_name(state)
    write_weights(read, tmp_path / "x.pt", file_format="torch")
    has_every_name(torch.load(tmp_path / "x.pt"))
    built = build_ticket(read, Tied())
    images = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(built(images), expected(images))
    # What a program writes again is the same.
    again = Ticket.create(read.source, [read.supermask_bits(n) for n in range(3)], read.buffers, {})
    assert [row.names for row in again.stored_buffers.rows] == [("a.1", "b.1")]


def test_a_training_and_its_resumption(few_digits: DataSet, tmp_path: Path) -> None:
    found = sltpack.train(Tied(), few_digits, folder=tmp_path / "run", **FEW)
    has_every_name(found.state())
    again = sltpack.train(Tied(), few_digits, folder=tmp_path / "run", resume=True, **FEW)
    assert [layer.names for layer in again.source.layers] == NAMES
    has_every_name(load_any(tmp_path / "run" / "ckpt.pt").state())


def test_two_normalisations_that_begin_alike_are_two() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.BatchNorm1d(2, affine=False))

    stored = store({name: values.numpy() for name, values in copied_buffers(model).items()})
    assert [row.names for row in stored.rows] == [("0",), ("1",)]
    assert set(buffers(model)) == set(stored.restore())
