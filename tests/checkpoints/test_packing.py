"""From a checkpoint to a file, from a file to weights, and the digests of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from sltpack import load, save
from sltpack.checkpoints.packing import Unpacked, pack, unpack
from sltpack.checkpoints.records import Checkpoint
from sltpack.errors import FormatError, RequestError
from sltpack.format.container import read
from sltpack.format.records import CODECS
from sltpack.searching.run_folder import BEST
from sltpack.tickets.verification import Digests, verify


@pytest.mark.parametrize("codec", ["auto", *CODECS])
def test_pack_verify_unpack(run: tuple[Path, Checkpoint], tmp_path: Path, codec: str) -> None:
    path, weights = tmp_path / "t.slt", tmp_path / "w.safetensors"
    account = pack(run[0] / BEST, path, codec=codec).account
    assert read(path).header.codec == codec or codec == "auto"
    assert account.file_bits == 8 * path.stat().st_size == sum(account.parts.values())
    ticket = load(path)
    assert verify(path) == Digests(read(path).file_sha256, ticket.weights_sha256)
    assert unpack(path, weights) == Unpacked(len(ticket.state()), ticket.source.size, ticket.weights_sha256)
    assert set(load_file(weights)) == set(ticket.state())


def test_auto_is_the_smallest_and_all_give_the_same_ticket(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    sizes = {
        codec: pack(run[0] / BEST, tmp_path / f"{codec}.slt", codec=codec).account.file_bits
        for codec in ("auto", *CODECS)
    }
    assert sizes["auto"] == min(sizes.values()) < sizes["raw"]
    tickets = [load(tmp_path / f"{codec}.slt") for codec in sizes]
    assert len({ticket.supermask for ticket in tickets}) == len({ticket.weights_sha256 for ticket in tickets}) == 1


def test_an_output_that_exists_is_told_before_anything_is_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    for work in (pack, unpack):
        with pytest.raises(RequestError) as caught:
            work(tmp_path / "none", out)
        assert str(caught.value) == (
            f"{out}: expected a name that is free, found a file of that name; choose another name or pass --force"
        )
    assert out.read_text() == "mine"


def test_weights_that_the_file_does_not_give(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    ticket = run[1].ticket()
    save(ticket, tmp_path / "t.slt")
    from sltpack.format import container

    good = container.read(tmp_path / "t.slt")
    wrong = replace(good, header=replace(good.header, weights_sha256="0" * 64))
    (tmp_path / "t.slt").write_bytes(container.encode(wrong))
    with pytest.raises(FormatError) as caught:
        verify(tmp_path / "t.slt")
    assert str(caught.value) == (
        f"{tmp_path / 't.slt'}: expected weights with the SHA-256 {'0' * 16}..., found {ticket.weights_sha256[:16]}...; "
        "the file was not made by a correct writer, or this machine computes wrongly"
    )
