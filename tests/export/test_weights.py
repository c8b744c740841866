"""Regenerated weights in files that other tools read."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sltpack.checkpoints.records import Checkpoint
from sltpack.errors import FormatError, OutputError, RequestError
from sltpack.export import FORMATS, write_weights
from sltpack.tickets.buffers import store
from sltpack.tickets.storage import load
from sltpack.tickets.ticket import Ticket

GOLDEN = Path(__file__).parents[1] / "golden"


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
            assert np.array_equal(state[f".source.{layer.parameter}"].numpy(), ticket.source_weights(index))
            assert np.array_equal(state[f".freezing.{layer.parameter}"].numpy(), ticket.freezing_mask(index))
            assert int(state[f".supermask.{layer.parameter}"].sum()) == layer.searched_kept


def named(ticket: Ticket, names: tuple[str, ...]) -> Ticket:
    """A ticket whose layers have other names."""
    layers = [replace(layer, names=(name,)) for layer, name in zip(ticket.source.layers, names, strict=False)]
    return replace(ticket, source=replace(ticket.source, layers=(*layers, *ticket.source.layers[len(names) :])))


@pytest.mark.parametrize("file_format", FORMATS)
def test_parts_take_no_name_that_a_model_can_have(ticket: Ticket, tmp_path: Path, file_format: str) -> None:
    path, other = tmp_path / "weights", named(ticket, ("a", "source.a"))
    count = write_weights(other, path, file_format=file_format, parts=True)
    state = load_file(path) if file_format == "safetensors" else torch.load(path, weights_only=True)
    assert len(state) == count == 4 * len(ticket.source.layers) + 1
    assert np.array_equal(state["source.a.weight"].numpy(), ticket.weights(1))
    for name in ("", ".source"):  # why no parameter or buffer of a module can begin so
        with pytest.raises(KeyError):
            torch.nn.Module().register_parameter(name, None)
        with pytest.raises(KeyError):
            torch.nn.Module().add_module(name, None)


def test_a_ticket_that_takes_the_names_of_parts_all_the_same(ticket: Ticket, tmp_path: Path) -> None:
    other = named(ticket, ("a", ".source.a"))
    with pytest.raises(RequestError) as caught:
        write_weights(other, tmp_path / "weights", parts=True, where="evil.slt")
    assert str(caught.value) == (
        "evil.slt: expected tensors of different names, found two of one name; leave --parts out"
    )
    assert not list(tmp_path.iterdir())
    assert write_weights(other, tmp_path / "weights") == len(ticket.source.layers) + 1


def test_the_name_that_safetensors_has_for_itself(ticket: Ticket, tmp_path: Path) -> None:
    other = replace(ticket, stored_buffers=store({"__metadata__": np.zeros(2, np.float32)}))
    with pytest.raises(RequestError) as caught:
        write_weights(other, tmp_path / "weights", where="evil.slt")
    assert str(caught.value) == (
        "evil.slt: expected names that safetensors can hold, found a tensor called __metadata__, which is that format's "
        "own; write a state dict (--format torch)"
    )
    assert not list(tmp_path.iterdir())
    write_weights(other, tmp_path / "weights", file_format="torch")
    assert torch.load(tmp_path / "weights", weights_only=True)["__metadata__"].tolist() == [0, 0]


def test_safetensors_say_which_library_they_are_for(ticket: Ticket, tmp_path: Path) -> None:
    write_weights(ticket, tmp_path / "weights")
    with safe_open(tmp_path / "weights", framework="np") as stored:
        assert stored.metadata() == {"format": "pt"}


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


def test_layers_that_share_weights_are_written_under_every_name(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    ticket = load(GOLDEN / "coats.slt")
    assert write_weights(ticket, path, parts=True) == 4 + 2 * 3
    state = load_file(path)
    for name in ("conv.weight", "again.conv.weight", "own.parameter"):
        assert np.array_equal(state[name].numpy(), ticket.weights(0))
    assert sorted(set(state[".supermask.conv.weight"].ravel().tolist())) == [0, 1, 2, 3]  # how many coats keep each
    assert ".supermask.again.conv.weight" not in state


def test_there_are_no_random_weights_without_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    ticket = load(GOLDEN / "signs.slt")
    assert write_weights(ticket, path, parts=True) == 2 * 3 + 3
    assert not [name for name in load_file(path) if name.startswith(".source.")]
