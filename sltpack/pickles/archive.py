"""The zip archive of `torch.save`, read strictly: one directory, parts that lie one behind the other and nothing else.

Readers of zip archives differ in where they look for the directory, so that one file can be two archives. Here the file
has to be what torch writes: parts from its first byte, stored as they are, then the directory, then the end records.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from .faults import damaged, unclear

PART_LIMIT = 1 << 16
"""Parts of an archive; a checkpoint has one for each tensor."""
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL = 0xFFFFFFFF
_ENCRYPTED = 1
_DESCRIBED_BEHIND = 8
_DESCRIPTORS = (0, 12, 16, 20, 24)
"""Bytes behind a part that say again how long it is, with 32 or 64 bits, with or without a mark."""
_BLOCK = 1 << 20
_DIRECTORY_LIMIT = 1 << 25


@dataclass(frozen=True)
class Part:
    """A part of an archive.

    Attributes:
        start: where its bytes begin in the file.
        size: bytes.
        checksum: the CRC-32 that the directory has for it.
    """

    start: int
    size: int
    checksum: int


class Archive:
    """An archive whose directory is checked, with parts that are checked when they are read.

    Args:
        stream: the open file.

    Attributes:
        parts: by name, without the folder that all of them are in.
        size: bytes of the file.

    Raises:
        PickleFault: it is no archive as torch writes it, is damaged, or is crafted.
        OSError: it cannot be read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, io.SEEK_END)
        start, size, count = self._directory()
        self.parts = self._listed(self._read(start, size), count, start)

    def read(self, name: str) -> bytearray:
        """Read a part.

        Args:
            name: of the part.

        Returns:
            Its bytes, the caller's own.

        Raises:
            PickleFault: there is none, or its bytes are not those that were written.
            OSError: the file cannot be read.
        """
        part = self._part(name)
        data = bytearray(part.size)
        self._stream.seek(part.start)
        if self._stream.readinto(data) != part.size or zlib.crc32(data) != part.checksum:  # type: ignore[attr-defined]
            raise _changed(name)
        return data

    def check(self) -> None:
        """Make sure that all parts are what was written.

        Raises:
            PickleFault: one is not.
            OSError: the file cannot be read.
        """
        for name, part in self.parts.items():
            self._stream.seek(part.start)
            left, checksum = part.size, 0
            while left:
                block = self._stream.read(min(left, _BLOCK))
                if not block:
                    raise _changed(name)
                checksum, left = zlib.crc32(block, checksum), left - len(block)
            if checksum != part.checksum:
                raise _changed(name)

    def _part(self, name: str) -> Part:
        try:
            return self.parts[name]
        except KeyError:
            raise unclear(f"an archive without its part {name}") from None

    def _read(self, start: int, size: int) -> bytes:
        self._stream.seek(start)
        data = self._stream.read(size)
        if len(data) != size:
            raise damaged("an archive that is cut")
        return data

    def _directory(self) -> tuple[int, int, int]:
        """Find the directory by the records at the end of the file, which have to lie directly behind it."""
        end_at = self.size - _END.size
        if end_at < 0:
            raise damaged("an archive that is cut")
        mark, disk, first, here, count, size, start, note = _END.unpack(self._read(end_at, _END.size))
        if mark != b"PK\x05\x06":
            raise damaged("an archive that is cut, or has something behind it")
        if note or disk or first or here != count:
            raise unclear("an archive with notes, or of several files")
        behind = end_at
        locator_at = end_at - _LOCATOR.size
        if locator_at >= 0 and self._read(locator_at, 4) == b"PK\x06\x07":
            _, _, record_at, _ = _LOCATOR.unpack(self._read(locator_at, _LOCATOR.size))
            behind = locator_at - _END_64.size
            if record_at != behind or behind < 0:
                raise unclear("an archive with two directories")
            mark, _, _, _, _, _, here_64, count_64, size_64, start_64 = _END_64.unpack(self._read(behind, _END_64.size))
            if mark != b"PK\x06\x06" or here_64 != count_64:
                raise damaged("an archive without its directory")
            for short, long, full in ((count, count_64, 0xFFFF), (size, size_64, _FULL), (start, start_64, _FULL)):
                if short not in (long, full):
                    raise unclear("an archive with two directories")
            count, size, start = count_64, size_64, start_64
        if start + size != behind:
            raise unclear("an archive whose directory is not the one in front of its end")
        if count > PART_LIMIT or size > _DIRECTORY_LIMIT:
            raise unclear(f"an archive of {count} parts")
        return start, size, count

    def _listed(self, directory: bytes, count: int, end: int) -> dict[str, Part]:
        parts: dict[str, Part] = {}
        at, behind = 0, 0
        for _ in range(count):
            name, part, first, gap = self._entry(directory, at, behind)
            at += gap
            if first != behind and first - behind not in _DESCRIPTORS[1:]:
                raise unclear("an archive with something between its parts")
            behind = part.start + part.size
            if name in parts:
                raise unclear(f"an archive with two parts {name}")
            parts[name] = part
        if at != len(directory) or end - behind not in _DESCRIPTORS:
            raise unclear("an archive with something between its parts and its directory")
        folders = {name.partition("/")[0] for name in parts}
        if len(folders) != 1:
            raise unclear("an archive whose parts are not in one folder")
        return {name.partition("/")[2]: part for name, part in parts.items()}

    def _entry(self, directory: bytes, at: int, behind: int) -> tuple[str, Part, int, int]:
        """Read an entry of the directory, and compare it with what stands in front of the part.

        Returns:
            The part's name; the part; where its own header begins; how long the entry is.
        """
        if at + _ENTRY.size > len(directory):
            raise damaged("an archive whose directory is cut")
        (mark, _, _, flags, method, _, _, checksum, packed, size, name_size, extra_size, note_size, _, _, _, first) = (
            _ENTRY.unpack_from(directory, at)
        )
        inner = at + _ENTRY.size
        length = _ENTRY.size + name_size + extra_size + note_size
        if mark != b"PK\x01\x02" or at + length > len(directory):
            raise damaged("an archive whose directory is damaged")
        raw_name = directory[inner : inner + name_size]
        extra = directory[inner + name_size : inner + name_size + extra_size]
        size, packed, first = _widened(extra, size, packed, first)
        if method or packed != size:
            raise unclear("an archive with parts that are compressed")
        if flags & _ENCRYPTED or note_size:
            raise unclear("an archive with parts that are encrypted, or have notes")
        if first < behind or first + _LOCAL.size > self.size:
            raise unclear("an archive whose parts overlap")
        local = _LOCAL.unpack(self._read(first, _LOCAL.size))
        if local[0] != b"PK\x03\x04" or local[3] != method or local[9] != name_size:
            raise damaged("an archive whose directory does not fit its parts")
        if not flags & _DESCRIBED_BEHIND and local[6:9] != (checksum, size, size) and local[7] != _FULL:
            raise damaged("an archive whose directory does not fit its parts")
        if self._read(first + _LOCAL.size, name_size) != raw_name:
            raise unclear("an archive whose parts have two names")
        start = first + _LOCAL.size + name_size + local[10]
        if start + size > self.size:
            raise damaged("an archive that is cut")
        try:
            name = raw_name.decode("utf-8")
        except UnicodeDecodeError:
            raise damaged("an archive with a name that is no text") from None
        return name, Part(start, size, checksum), first, length


def _widened(extra: bytes, size: int, packed: int, first: int) -> tuple[int, int, int]:
    """Replace numbers that do not fit 32 bits by those of 64, which stand in an extra field."""
    at = 0
    numbers = [size, packed, first]
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            wide = [index for index, number in enumerate(numbers) if number == _FULL]
            if len(field) < 8 * len(wide):
                raise damaged("an archive whose directory is damaged")
            for place, index in enumerate(wide):
                (numbers[index],) = struct.unpack_from("<Q", field, 8 * place)
            break
        at += 4 + length
    return numbers[0], numbers[1], numbers[2]


def _changed(name: str) -> Exception:
    return damaged(f"an archive whose part {name} is not what was written")
