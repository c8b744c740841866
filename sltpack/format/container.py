"""The `.slt` file: a safetensors file of fixed order, closed by a digest (docs/format.md says the same in prose).

    8 bytes   N, the length of the header, little-endian
    N bytes   the header, JSON, padded with spaces to a multiple of 8
    the rest  the tensors' bytes, one behind the other, no gap: the buffers (F32, then F16, each by name), `supermask`

Only the standard library is used: safetensors' own writer leaves the order of the entries to a map, and its reader
needs an array library.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FormatError, LimitError, RequestError, damaged, reason, shown
from ..files import open_plain
from . import parsing as header_reader
from . import payload as payloads
from . import records as headers
from .detection import ARCHIVE
from .records import MAX_DIMENSIONS, MAX_WEIGHTS, Header

SUFFIX = ".slt"
ITEM_SIZES = {"F32": 4, "F16": 2}
MAX_HEADER_BYTES = 2**24
"""No network comes near: a layer takes about a hundred bytes."""
FINGERPRINT = "buffers"
"""The entry of `about` that tells a change in a buffer's name."""
_BUFFER = "buffer."
_SUPERMASK = "supermask"


@dataclass(frozen=True)
class Buffer:
    """A tensor that cannot come from a seed, such as a running mean.

    Attributes:
        name: its name in the model's state dict.
        dtype: "F32" or "F16".
        shape: its dimensions.
        data: its little-endian bytes, in C order.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Container:
    """A whole file, taken apart.

    Attributes:
        header: the `slt` entry.
        supermask: the bytes of the supermask, as the codec wrote them.
        buffers: in the order of the file.
        file_bytes: the size of the file that was read; 0 where none was.
        file_sha256: the digest that closes it.
    """

    header: Header
    supermask: bytes
    buffers: tuple[Buffer, ...] = ()
    file_bytes: int = field(default=0, compare=False)
    file_sha256: str = field(default="", compare=False)


def encode(container: Container) -> bytes:
    """Writes a container as bytes; the same container always gives the same ones.

    Returns:
        The whole file.

    Raises:
        RequestError: a text in the header cannot be written as UTF-8.
    """
    text, entries = headers.to_text(container.header), tensor_entries(container)
    buffers = sorted(container.buffers, key=file_order)
    data = b"".join([*(buffer.data for buffer in buffers), container.supermask])
    try:
        return _outer(text, _digest(text, data), entries) + data
    except UnicodeEncodeError as error:  # a lone surrogate, as in file names of another encoding
        raise RequestError(
            "ticket",
            expected="texts of whole characters, which UTF-8 can write",
            found=shown(error.object[error.start : error.end]),
            remedy="choose other names or texts",
        ) from error


def decode(data: bytes, where: object = "ticket", max_weights: int = MAX_WEIGHTS) -> Container:
    """Reads a container from the bytes of a whole file, trusting none of them.

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
    text, digest, entries = _parse_outer(data[8 : 8 + length], where)
    body = data[8 + length :]
    _check_entries(entries, len(body), where)
    # Whatever no check looks at, down to the padding, is seen here: the header has one spelling.
    try:
        spelled = {name: _entry(e["dtype"], e["shape"], *e["data_offsets"]) for name, e in entries.items()}
        same = _outer(text, digest, spelled) == data[: 8 + length]
    except UnicodeEncodeError:  # JSON can spell halves of characters, which UTF-8 cannot write
        same = False
    if not same:
        raise damaged(where, "a header in the one spelling that the format allows", "another")
    if _digest(text, body) != digest:
        raise damaged(where, f"content with the SHA-256 {digest[:16]}...", f"{_digest(text, body)[:16]}...")
    header = header_reader.from_text(text, where, max_weights)
    buffers = tuple(
        Buffer(name[len(_BUFFER) :], entry["dtype"], tuple(entry["shape"]), body[slice(*entry["data_offsets"])])
        for name, entry in entries.items()
        if name != _SUPERMASK
    )
    container = Container(header, body[slice(*entries[_SUPERMASK]["data_offsets"])], buffers, len(data), digest)
    _check_payload(container, where)
    return container


def tensor_entries(container: Container) -> dict[str, dict[str, Any]]:
    """Gives the tensors' entries in the header by name, in the order of the file."""
    entries, start = {}, 0
    for buffer in sorted(container.buffers, key=file_order):
        entries[_BUFFER + buffer.name] = _entry(buffer.dtype, buffer.shape, start, start + len(buffer.data))
        start += len(buffer.data)
    size = len(container.supermask)
    return {**entries, _SUPERMASK: _entry("U8", (size,), start, start + size)}


def file_order(buffer: Buffer) -> tuple[int, str]:
    """Gives what buffers are sorted by in a file.

    Args:
        buffer: any.

    Returns:
        The wider items first, so that every tensor lies at a multiple of its item's size; then the name.
    """
    return -ITEM_SIZES[buffer.dtype], buffer.name


def fingerprint(buffers: Iterable[Buffer]) -> str:
    """Gives what `about` holds under "buffers": `file_sha256` does not cover the buffers' names, and this does.

    Args:
        buffers: of a file, in any order.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of [[name, dtype, shape], ...], in the order in which sltpack
        writes them, as compact JSON.
    """
    rows = [[buffer.name, buffer.dtype, list(buffer.shape)] for buffer in sorted(buffers, key=file_order)]
    return hashlib.sha256(headers.compact(rows).encode()).hexdigest()[:16]


def read(path: Path, max_weights: int = MAX_WEIGHTS) -> Container:
    """Reads a `.slt` file.

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
    """Looks at the header before the rest of a large file is read."""
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


def _parse_outer(raw: bytes, where: object) -> tuple[str, str, dict[str, dict[str, Any]]]:
    """Takes the safetensors header apart: the slt entry, the digest, the tensors' entries by name."""
    try:
        outer = header_reader.parse(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(where, "a .slt file (safetensors, so a JSON header)", "other bytes") from error
    metadata = outer.pop("__metadata__", None) if isinstance(outer, dict) else None
    if not isinstance(metadata, dict) or "slt" not in metadata:
        raise FormatError(
            where,
            expected="a ticket: a safetensors file with an slt entry in its metadata",
            found="none",
            remedy="make a ticket from a checkpoint with sltpack pack",
        )
    text, digest = metadata["slt"], metadata.get("file_sha256")
    if not isinstance(text, str) or not isinstance(digest, str):
        raise damaged(where, "the metadata slt and file_sha256", ", ".join(map(str, metadata)))
    return text, digest, outer


def _check_entries(entries: dict[str, Any], size: int, where: object) -> None:
    """Checks that the tensors follow each other without a gap, fill the file, and have the sizes they claim."""
    position = 0
    for name, entry in entries.items():
        try:
            dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
            integers = [start, stop, *shape]
            if not isinstance(shape, list):
                raise TypeError
        except (TypeError, KeyError, ValueError) as error:
            raise damaged(where, f"dtype, shape and data_offsets of {name}", shown(entry)) from error
        if any(type(number) is not int or number < 0 for number in integers):
            raise damaged(where, f"whole numbers in the entry of {name}", shown(entry))
        if len(shape) > MAX_DIMENSIONS or (name != _SUPERMASK and 0 in shape):
            raise damaged(where, f"at most {MAX_DIMENSIONS} dimensions of at least 1 for {name}", shown(shape))
        known = ("U8",) if name == _SUPERMASK else tuple(ITEM_SIZES)
        if name != _SUPERMASK and not name.startswith(_BUFFER):
            raise damaged(where, f"tensors named {_SUPERMASK} or {_BUFFER}...", name)
        if dtype not in known:
            raise damaged(where, f"{' or '.join(known)} for {name}", shown(dtype))
        if start != position or stop - start != math.prod(shape) * ITEM_SIZES.get(dtype, 1):
            raise damaged(where, f"the bytes of {name} to follow and to fill its shape", shown(entry))
        position = stop
    if _SUPERMASK not in entries:
        raise damaged(where, f"a tensor {_SUPERMASK}", "none")
    if len(entries[_SUPERMASK]["shape"]) != 1:
        raise damaged(where, f"{_SUPERMASK} with one dimension", shown(entries[_SUPERMASK]["shape"]))
    if position != size:
        raise damaged(where, f"{position} bytes of tensors", f"{size}")


def _check_payload(container: Container, where: object) -> None:
    """Checks the payload against the layer table."""
    source = container.header.source
    payloads.take_apart(container.header.codec, container.supermask, source, where)
    names = [buffer.name for buffer in container.buffers]
    told = container.header.about.get(FINGERPRINT)
    if told is not None and told != fingerprint(container.buffers):
        raise damaged(where, f"buffers with the fingerprint {told}", fingerprint(container.buffers))
    if taken := {layer.parameter for layer in source.layers}.intersection(names):
        raise damaged(where, "buffers that are not also layers", ", ".join(sorted(taken)))


def _entry(dtype: str, shape: Sequence[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def _outer(text: str, digest: str, entries: dict[str, dict[str, Any]]) -> bytes:
    """The file up to the tensors: the length and the padded header."""
    encoded = headers.compact({"__metadata__": {"slt": text, "file_sha256": digest}, **entries}).encode("utf-8")
    padded = encoded + b" " * (-len(encoded) % 8)
    return len(padded).to_bytes(8, "little") + padded


def _digest(text: str, data: bytes) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace"))
    digest.update(data)
    return digest.hexdigest()
