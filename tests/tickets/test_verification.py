"""Both digests of a ticket, and what is not a ticket's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sltpack.errors import FormatError
from sltpack.format import container
from sltpack.tickets.verification import Digests, verify

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.slt")), ids=lambda path: path.stem)
def test_both_digests_hold(path: Path) -> None:
    read = container.read(path)
    assert verify(path) == verify(str(path)) == Digests(read.file_sha256, read.header.weights_sha256)
    assert read.file_sha256 == path.read_bytes()[40:104].decode()


def test_weights_that_are_not_the_tickets(tmp_path: Path) -> None:
    read = container.read(GOLDEN / "coats.slt")
    path = tmp_path / "other.slt"
    path.write_bytes(container.encode(replace(read, header=replace(read.header, weights_sha256="0" * 64))))
    with pytest.raises(
        FormatError, match=r"other.slt: expected weights with the SHA-256 0000000000000000\.\.\., found b036"
    ):
        verify(path)


def test_another_name_of_a_buffer_is_seen(tmp_path: Path) -> None:
    """The digest covers every byte, names among them."""
    data = (GOLDEN / "signs.slt").read_bytes()
    path = tmp_path / "renamed.slt"
    path.write_bytes(data.replace(rb"\"norm\"", rb"\"form\""))
    with pytest.raises(FormatError, match=r"expected content with the SHA-256"):
        verify(path)
