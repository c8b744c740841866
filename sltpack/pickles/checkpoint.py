"""What `torch.save` writes, in its zip archive and in the container that PyTorch had before 1.6, without torch."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from .admitted import ADMITTED, storage
from .archive import Archive
from .faults import damaged, unclear
from .machine import Machine
from .records import Storage

ZIP = b"PK"
"""How an archive begins."""
OLD = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""How the old container begins: with a pickled number."""
PICKLE_LIMIT = 1 << 27
"""Bytes of a pickle, tensors not counted; checkpoints of a thousand tensors have some hundred thousand."""
_MAIN = "data.pkl"
_OLD_VERSION = 1001


@dataclass(frozen=True)
class Contents:
    """What is in a file of torch.save.

    Attributes:
        value: plain values and records.
        storages: reads the numbers of a storage: its bytes, the caller's own, in the byte order of this machine.
        summed: whether every byte is covered by a sum, so that damage is seen.
    """

    value: object
    storages: Callable[[Storage], bytearray]
    summed: bool


def read(stream: BinaryIO) -> Contents:
    """Read a file of torch.save.

    Args:
        stream: the open file, which has to stay open until the storages are read.

    Returns:
        Its value, with tensors as records; all sums are checked.

    Raises:
        PickleFault: it names code, is damaged, or is of another kind.
        OSError: it cannot be read.
    """
    stream.seek(0)
    head = stream.read(len(OLD))
    if head.startswith(ZIP):
        return _read_archive(Archive(stream))
    if head == OLD:
        return _read_old(stream)
    if head[:1] == b"\x80" or not head:
        _refuse_bare(stream)
    raise unclear("a file that torch.save did not write")


def _read_archive(archive: Archive) -> Contents:
    if "constants.pkl" in archive.parts:
        raise unclear("an archive of TorchScript, which is a program")
    main = archive.parts.get(_MAIN)
    if main is not None and main.size > PICKLE_LIMIT:
        raise unclear(f"a pickle of {main.size} bytes")
    data = bytes(archive.read(_MAIN))
    swapped = False
    if (order := archive.parts.get("byteorder")) is not None:
        spelled = bytes(archive.read("byteorder")) if order.size < 8 else b""
        if spelled not in (b"little", b"big"):
            raise unclear("an archive of an unknown byte order")
        swapped = spelled != sys.byteorder.encode()
    archive.check()
    value = _whole(data, room=archive.size)

    def numbers(wanted: Storage) -> bytearray:
        name = f"data/{wanted.key}"
        part = archive.parts.get(name)
        if part is None or part.size != wanted.count * wanted.element.itemsize:
            raise unclear(f"an archive without a storage of {wanted.count} numbers, {wanted.key}")
        return _ordered(archive.read(name), wanted, swapped)

    return Contents(value, numbers, True)


def _whole(data: bytes, room: int) -> object:
    value, end = Machine(data, ADMITTED, room=room, persistent=storage).run()
    if end != len(data):
        raise unclear("a pickle with something behind its end")
    return value


def _read_old(stream: BinaryIO) -> Contents:
    """Read the old container: a number, a version, the writer's machine, the value, then keys and storages."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(min(size, PICKLE_LIMIT))
    _, at = _run(head, 0, size)
    version, at = _run(head, at, size)
    if version != _OLD_VERSION:
        raise unclear("a container of an unknown version")
    machine, at = _run(head, at, size)
    little = machine.get("little_endian") if isinstance(machine, dict) else None
    if not isinstance(little, bool):
        raise unclear("a container of an unknown byte order")
    declared: dict[str, Storage] = {}

    def persistent(identifier: object) -> Storage:
        found = storage(identifier)
        if declared.setdefault(found.key, found) != found:
            raise unclear("a container with two storages of one name")
        return found

    value, at = Machine(head, ADMITTED, start=at, room=size, persistent=persistent).run()
    keys, at = _run(head, at, size)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or set(keys) != set(declared):
        raise unclear("a container without the storages that it names")
    if len(keys) != len(declared):
        raise unclear("a container with a storage twice")
    order: Literal["little", "big"] = "little" if little else "big"
    places = dict(_places(stream, [declared[key] for key in keys], at, size, order))

    def numbers(wanted: Storage) -> bytearray:
        data = bytearray(wanted.count * wanted.element.itemsize)
        stream.seek(places[wanted.key])
        if stream.readinto(data) != len(data):  # type: ignore[attr-defined]
            raise damaged("a container that is cut")
        return _ordered(data, wanted, order != sys.byteorder)

    return Contents(value, numbers, False)


def _run(head: bytes, at: int, size: int) -> tuple[object, int]:
    return Machine(head, ADMITTED, start=at, room=size).run()


def _places(
    stream: BinaryIO, storages: list[Storage], at: int, size: int, order: Literal["little", "big"]
) -> Iterator[tuple[str, int]]:
    """Find where the numbers of each storage begin; in front of them stands how many they are."""
    for stored in storages:
        stream.seek(at)
        count = stream.read(8)
        if int.from_bytes(count, order) != stored.count or len(count) < 8:
            raise damaged("a container whose storages are not those that it names")
        yield stored.key, at + 8
        at += 8 + stored.count * stored.element.itemsize
    if at != size:
        raise damaged("a container that is cut, or has something behind it")


def _ordered(data: bytearray, stored: Storage, swapped: bool) -> bytearray:
    width = stored.element.itemsize
    if swapped and stored.element.name is None:
        raise unclear("bytes without a type, in another byte order")
    if swapped and width > 1:
        whole = bytes(data)
        for place in range(width):
            data[place::width] = whole[width - 1 - place :: width]
    return data


def _refuse_bare(stream: BinaryIO) -> None:
    """Say of a pickle without a container what it names, if anything."""
    stream.seek(0)
    Machine(stream.read(PICKLE_LIMIT), ADMITTED, persistent=storage).run()
    raise unclear("a pickle that torch.save did not write")
