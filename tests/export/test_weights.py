"""Regenerated weights in files that other tools read."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sltpack.checkpoints.records import Checkpoint
from sltpack.errors import FormatError, OutputError, RequestError
from sltpack.export import FORMATS, write_weights
from sltpack.tickets.buffers import store
from sltpack.tickets.ticket import Ticket


@pytest.fixture
def ticket(run: tuple[Path, Checkpoint]) -> Ticket:
    plain = run[1].ticket()
    return replace(plain, stored_buffers=store({"norm.running_mean": np.array([0.5, 1.5], np.float16)}))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("parts", [False, True])
def test_what_is_written(ticket: Ticket, tmp_path: Path, file_format: str, parts: bool) -> None:
    path = tmp_path / "weights"
    count = write_weights(ticket, path, file_format=file_format, parts=parts)
    state = load_file(path) if file_format == "safetensors" else torch.load(path, weights_only=True)
    layers = ticket.source.layers
    assert len(state) == count == len(layers) * (4 if parts else 1) + 1
    assert state["norm.running_mean"].dtype == torch.float32
    for index, layer in enumerate(layers):
        assert np.array_equal(state[layer.parameter].numpy(), ticket.weights(index))
        if parts:
            assert np.array_equal(state[f"freezing.{layer.parameter}"].numpy(), ticket.freezing_mask(index))
            assert int(state[f"supermask.{layer.parameter}"].sum()) == layer.searched_kept


def test_nothing_is_overwritten_or_left_behind(ticket: Ticket, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_text("mine")
    with pytest.raises(RequestError):
        write_weights(ticket, path)
    with pytest.raises(FormatError):
        write_weights(replace(ticket, weights_sha256="0" * 64), path, force=True)
    assert path.read_text() == "mine"
    with pytest.raises(OutputError):
        write_weights(ticket, tmp_path / "none" / "weights")
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights"]


def test_an_unknown_format(ticket: Ticket, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        write_weights(ticket, tmp_path / "weights", file_format="onnx")
    assert str(caught.value) == "--format: expected safetensors or torch, found onnx; choose one of these"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk(ticket: Ticket, file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    path = tmp_path / "weights"
    with pytest.raises(OutputError) as caught:
        write_weights(ticket, path, file_format=file_format)
    assert str(caught.value) == (
        f"{path}: expected a place that can be written, found {os.strerror(errno.ENOSPC).lower()}; what was there before is "
        "as it was; check the folder, its permissions and the free space"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_ticket_gives_the_same_bytes(ticket: Ticket, file_format: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_weights(ticket, tmp_path / name, file_format=file_format)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
