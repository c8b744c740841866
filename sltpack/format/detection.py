"""What kind of file a name stands for, by its first bytes: a file's suffix may be any."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from ..files import open_plain

ARCHIVE = b"PK\x03\x04"
"""How the zip archives of torch.save begin: as the length of a `.slt` file's header, more than any may have."""
_LENGTH_BYTES = 8
_LENGTH_LIMIT = 2**32
"""Safetensors allows less, and other files that have this byte in this place are passed over so."""
_ANY_TENSORS = b"{"
TICKET = b'{"__metadata__":{"file_sha256":"'
"""How the header of a ticket begins; its digest follows."""


class Kind(Enum):
    """What a file is taken for."""

    TICKET = "a ticket"
    TENSORS = "a safetensors file"
    CHECKPOINT = "a checkpoint"
    OTHER = "a file of another kind"


def kind_of(path: Path) -> Kind:
    """Tell what a file is taken for; whether it is whole is not looked at.

    Args:
        path: the file.

    Returns:
        The kind; `OTHER` where there is no file, or none that can be read.
    """
    try:
        with open_plain(path) as stream:
            head = stream.read(_LENGTH_BYTES + len(TICKET))
    except OSError:
        return Kind.OTHER
    if head.startswith(ARCHIVE):
        return Kind.CHECKPOINT
    header = head[_LENGTH_BYTES:]
    if not header.startswith(_ANY_TENSORS) or int.from_bytes(head[:_LENGTH_BYTES], "little") > _LENGTH_LIMIT:
        return Kind.OTHER
    return Kind.TICKET if header == TICKET else Kind.TENSORS
