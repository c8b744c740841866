"""The `.slt` file: a safetensors file of fixed order that begins with a digest (docs/format.md says the same in prose).

    8 bytes   N, the length of the header, little-endian
    N bytes   the header, JSON, padded with spaces to a multiple of 8; its first text is the digest of all other bytes
    the rest  the tensors' bytes, one behind the other, no gap (`sltpack.format.tensors`)

Only the standard library is used: safetensors' own writer leaves the order of the entries to a map, and its reader
needs an array library.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FormatError, LimitError, RequestError, damaged, reason, shown
from ..files import open_plain
from . import parsing as header_reader
from . import payload as payloads
from . import records as headers
from . import tensors as tables
from .detection import ARCHIVE, TICKET
from .records import KEPT, MAX_WEIGHTS, Header
from .tensors import ITEM_SIZES, VALUES, Tensor

SUFFIX = ".slt"
MAX_HEADER_BYTES = 2**20
"""Seventy times what the deepest residual networks need."""
DIGEST_AT = 8 + len(TICKET)
"""Where the digest begins, in every file."""
DIGEST_BYTES = 64
_BEHIND = b'","slt":"'
"""What follows the digest, in every file."""


@dataclass(frozen=True)
class Container:
    """A whole file, taken apart.

    Attributes:
        header: the `slt` entry.
        tensors: the bytes of each tensor by name, in the order of the file.
        file_bytes: the size of the file that was read; 0 where none was.
        file_sha256: the digest of the file that was read.
    """

    header: Header
    tensors: Mapping[str, bytes]
    file_bytes: int = field(default=0, compare=False)
    file_sha256: str = field(default="", compare=False)

    @property
    def kept(self) -> bytes:
        """The bytes of the plane `kept`, as the codec wrote them."""
        return self.tensors[KEPT]

    @property
    def values(self) -> str:
        """The name of the tensor that holds the kept searched weights; empty where a stream or signs give them."""
        return next((name for name in VALUES if name in self.tensors), "")

    @property
    def origin(self) -> str:
        """Where the kept weights come from: "seeded", "signs stored" or "values stored"."""
        return tables.origin_of(self.header.source, self.values)


def encode(container: Container) -> bytes:
    """Write a container as bytes; the same container always gives the same ones.

    Returns:
        The whole file.

    Raises:
        RequestError: a text in the header cannot be written as UTF-8.
    """
    entries, data = tensor_entries(container), b"".join(container.tensors.values())
    outer = {"__metadata__": {"file_sha256": "0" * DIGEST_BYTES, "slt": headers.to_text(container.header)}, **entries}
    try:
        encoded = headers.compact(outer).encode("utf-8")
    except UnicodeEncodeError as error:  # a lone surrogate, as in file names of another encoding
        raise RequestError(
            "ticket",
            expected="texts of whole characters, which UTF-8 can write",
            found=shown(error.object[error.start : error.end]),
            remedy="choose other names or texts",
        ) from error
    encoded += b" " * (-len(encoded) % 8)
    head = len(encoded).to_bytes(8, "little") + encoded
    digest = file_digest(head, data).encode("ascii")
    return head[:DIGEST_AT] + digest + head[DIGEST_AT + DIGEST_BYTES :] + data


def decode(data: bytes, where: object = "ticket", max_weights: int = MAX_WEIGHTS) -> Container:
    """Read a container from the bytes of a whole file, trusting none of them.

    Args:
        data: the file.
        where: what to name in an error.
        max_weights: the most weights that the file may ask for.

    Returns:
        The container; its digest holds and its sizes agree with each other.

    Raises:
        FormatError: anything is not as docs/format.md says.
        LimitError: the file asks for too many weights.
    """
    length = _header_length(data[:8], len(data), where)
    _require_prefix(data[8 : 8 + length], where)
    told, found = data[DIGEST_AT : DIGEST_AT + DIGEST_BYTES], file_digest(data)
    if told != found.encode("ascii"):
        shown_digest = told[:16].decode("ascii", "replace")
        raise damaged(where, f"content with the SHA-256 {shown_digest}...", f"{found[:16]}...")
    text, entries = _parse_outer(data[8 : 8 + length], where)
    header = header_reader.from_text(text, where, max_weights)
    values = next((name for name in VALUES if name in entries), "")
    tables.require_consistent(header.source, values, where)
    tensors = _cut(entries, tables.tensors_of(header, values), memoryview(data)[8 + length :], where)
    for plane in (KEPT, *header.source.planes):
        payloads.take_apart(header.codec, tensors[plane], header.source.bits_of(plane), f"{where}: {plane}")
    return Container(header, tensors, len(data), found)


def tensor_entries(container: Container) -> dict[str, dict[str, Any]]:
    """Return the tensors' entries in the header by name, in the order of the file."""
    entries, start = {}, 0
    for tensor in tables.tensors_of(container.header, container.values):
        size = len(container.tensors[tensor.name])
        entries[tensor.name] = _entry(tensor.dtype, size // ITEM_SIZES[tensor.dtype], start)
        start += size
    return entries


def file_digest(head: bytes, *rest: bytes) -> str:
    """Return the SHA-256 of a whole file without the bytes at which it stands, as 64 hexadecimal digits.

    Args:
        head: the file, or its beginning.
        rest: the bytes that follow.
    """
    digest = hashlib.sha256(head[:DIGEST_AT])
    digest.update(memoryview(head)[DIGEST_AT + DIGEST_BYTES :])
    for part in rest:
        digest.update(part)
    return digest.hexdigest()


def read(path: Path, max_weights: int = MAX_WEIGHTS) -> Container:
    """Read a `.slt` file.

    Args:
        path: the file.
        max_weights: the most weights that the file may ask for.

    Returns:
        The container; its digest holds.

    Raises:
        RequestError: there is no such file, or it cannot be read.
        FormatError, LimitError: as `decode`.
    """
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            return decode(_read_within_limits(stream, size, path, max_weights), path, max_weights)
    except OSError as error:
        raise RequestError(
            path,
            expected="a .slt file",
            found=reason(error),
            remedy="check the name",
        ) from error


def _read_within_limits(stream: BinaryIO, size: int, where: object, max_weights: int) -> bytes:
    """Look at the header before the rest of a large file is read."""
    start = stream.read(8)
    length = _header_length(start, size, where)
    head = stream.read(length)
    # A ticket has at most one bit and, far fewer, four bytes of buffers for each of its weights.
    if size - 8 - length > 8 * max_weights:
        raise LimitError(
            where,
            expected=f"a file for at most {max_weights} weights",
            found=f"{size} bytes",
            remedy=f"if you trust the file, allow more (--max-weights {-(-(size - 8 - length) // 8)})",
        )
    return start + head + stream.read()


def _header_length(start: bytes, size: int, where: object) -> int:
    if size < 8:
        raise damaged(where, "a .slt file (safetensors)", f"only {size} bytes")
    if start.startswith(ARCHIVE):
        raise FormatError(
            where,
            expected="a .slt file (safetensors)",
            found="a zip archive, as checkpoints are",
            remedy="pack a search's ckpt.pt first (sltpack pack), or run it as it is (sltpack infer)",
        )
    length = int.from_bytes(start, "little")
    if length > size - 8:
        found = f"one that is cut, or of another kind ({size} bytes)"
        raise damaged(where, "a .slt file (safetensors) with its whole header", found)
    if length > MAX_HEADER_BYTES:
        raise LimitError(
            where,
            expected=f"a header of at most {MAX_HEADER_BYTES} bytes",
            found=f"{length} bytes",
            remedy="the file is damaged or no ticket",
        )
    return length


def _require_prefix(raw: bytes, where: object) -> None:
    """Require that a header begins as that of every ticket does."""
    if not raw.startswith(b"{"):
        raise damaged(where, "a .slt file (safetensors, so a JSON header)", "other bytes")
    digest_end = len(TICKET) + DIGEST_BYTES
    if not raw.startswith(TICKET) or raw[digest_end : digest_end + len(_BEHIND)] != _BEHIND:
        raise FormatError(
            where,
            expected="a ticket: a safetensors file with an slt entry in its metadata",
            found="none",
            remedy="make a ticket from a checkpoint with sltpack pack",
        )


def _parse_outer(raw: bytes, where: object) -> tuple[str, dict[str, Any]]:
    """Take the safetensors header apart: the slt entry, the tensors' entries by name."""
    try:
        outer = header_reader.parse(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(where, "a header in JSON", f"an error: {error}") from error
    metadata = outer.pop("__metadata__")
    if list(metadata) != ["file_sha256", "slt"]:
        raise damaged(where, "the metadata file_sha256 and slt alone", ", ".join(metadata))
    return metadata["slt"], outer


def _cut(entries: Mapping[str, Any], expected: tuple[Tensor, ...], body: memoryview, where: object) -> dict[str, bytes]:
    """Cut the bytes behind the header into tensors, which follow each other without a gap and fill the file."""
    names = [tensor.name for tensor in expected]
    if list(entries) != names:
        raise damaged(where, f"the tensors {', '.join(names)}", ", ".join(entries) or "none")
    found, start = {}, 0
    for tensor in expected:
        entry, length = entries[tensor.name], tensor.length
        if length is None:
            length = _length_of(entry)
        expected_entry = headers.compact(_entry(tensor.dtype, length, start))
        if headers.compact(entry) != expected_entry:
            raise damaged(f"{where}: the tensor {tensor.name}", f"the entry {expected_entry}", shown(entry))
        stop = start + length * ITEM_SIZES[tensor.dtype]
        if stop > len(body):
            raise damaged(where, f"at least {stop} bytes of tensors", f"{len(body)}")
        found[tensor.name], start = bytes(body[start:stop]), stop
    if start != len(body):
        raise damaged(where, f"{start} bytes of tensors", f"{len(body)}")
    return found


def _length_of(entry: object) -> int:
    """Return the length that a tensor's entry tells, 0 where it tells none."""
    shape = entry.get("shape") if isinstance(entry, dict) else None
    plain = isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int and shape[0] >= 0
    return shape[0] if plain and shape else 0


def _entry(dtype: str, length: int, start: int) -> dict[str, Any]:
    stop = start + length * ITEM_SIZES[dtype]
    return {"dtype": dtype, "shape": [length], "data_offsets": [start, stop]}
