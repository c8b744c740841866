"""A file is taken for what it holds, whatever its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sltpack import bundled, save
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint
from sltpack.errors import FormatError
from sltpack.format.container import MAX_HEADER_BYTES
from sltpack.format.detection import ARCHIVE, Kind, kind_of
from sltpack.inference.network import open_network
from sltpack.searching.run_folder import BEST, LAST


def test_the_kinds(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.slt")
    (tmp_path / "text").write_text('{"__metadata__":{"slt":')
    (tmp_path / "empty").touch()
    for name in (BEST, LAST):
        assert kind_of(run[0] / name) is Kind.CHECKPOINT
    for name in bundled.names():
        assert kind_of(bundled.locate(name)) is Kind.TICKET
    assert kind_of(Path(__file__).parents[1] / "golden" / "two-layers.slt") is Kind.TICKET
    assert kind_of(tmp_path / "weights.slt") is Kind.TENSORS
    for other in ("text", "empty", "nowhere", "."):
        assert kind_of(tmp_path / other) is Kind.OTHER


def test_no_ticket_begins_as_an_archive() -> None:
    assert int.from_bytes(ARCHIVE, "little") > MAX_HEADER_BYTES


def test_a_ticket_called_a_checkpoint_and_a_checkpoint_called_a_ticket(
    run: tuple[Path, Checkpoint], tmp_path: Path
) -> None:
    ticket, checkpoint = tmp_path / "ticket.pt", tmp_path / "checkpoint.slt"
    save(run[1].ticket(), ticket)
    checkpoint.write_bytes((run[0] / BEST).read_bytes())
    assert torch.equal(checkpoint_reader.load(checkpoint).scores, run[1].scores)
    states = [open_network(path).model.state_dict() for path in (ticket, checkpoint)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(FormatError) as caught:
        checkpoint_reader.load(ticket)
    assert (
        str(caught.value) == f"{ticket}: expected a checkpoint, found a ticket; it is packed already; see sltpack info"
    )


def test_weights_are_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    save_file({"a": torch.zeros(3)}, path)
    for read in (checkpoint_reader.load, open_network):
        with pytest.raises(FormatError) as caught:
            read(path)
        assert str(caught.value) == (
            f"{path}: expected a checkpoint, found a safetensors file; make one with sltpack search or train"
        )
