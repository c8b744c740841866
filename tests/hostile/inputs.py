"""Files that strangers could send, each made by a few lines: what is small and asks for much, or lies about itself."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

Maker = Callable[[Path], None]
"""Writes one hostile file under the given name."""

HEAD = b"\x80\x02"
LATIN_1 = b"X\x06\x00\x00\x00latin1"
DOUBLE_LIST = b"]q\x00(h\x00h\x00e"


def text(value: str) -> bytes:
    """A text, as protocol 2 has it."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def archive(pickled: bytes, parts: dict[str, bytes] | None = None) -> bytes:
    """An archive as torch.save writes it, around any pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in {"data.pkl": pickled, "version": b"3\n", **(parts or {})}.items():
            made.writestr(f"archive/{name}", data)
    return stream.getvalue()


def named(value: bytes, key: bytes = text("version")) -> bytes:
    """The pickle of a checkpoint with one value that is pickled already."""
    return HEAD + b"}(" + text("format") + text("sltpack checkpoint") + key + value + b"u."


def checkpoint(pickled: Callable[[], bytes], parts: dict[str, bytes] | None = None) -> Maker:
    return lambda path: void(path.write_bytes(archive(pickled(), parts)))


def batch(pickled: Callable[[], bytes]) -> Maker:
    return lambda path: void(path.write_bytes(pickled()))


def void(value: object) -> None:
    """Drop what a call returns."""


def doubled(first: bytes, times: int, pair: bytes) -> bytes:
    """A value that holds the one before twice, again and again."""
    steps = [first + b"r" + struct.pack("<I", 0)]
    for step in range(times):
        refer = b"j" + struct.pack("<I", step)
        steps.append(b"0" + pair.replace(b"*", refer) + b"r" + struct.pack("<I", step + 1))
    return b"".join(steps)


def tensor(key: str, storage: str, numel: int, count: int, attributes: bytes = b"") -> bytes:
    """A tensor of float32 [count] as torch.save pickles it."""
    identifier = b"(" + text("storage") + b"ctorch\n" + storage.encode() + b"\n" + text(key) + text("cpu")
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + identifier[1:] + b"J" + struct.pack("<i", numel) + b"tQK\x00"
        b"J" + struct.pack("<i", count) + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR" + attributes
    )


def shared_buffers(count: int) -> bytes:
    """Buffers that are views of one storage of 4 MB."""
    first = tensor("0", "FloatStorage", 1 << 20, 1 << 20)
    buffers = b"}(" + b"".join(text(f"b{number}") + first for number in range(count)) + b"u"
    return named(buffers, text("buffers"))


def shared_tensor(count: int) -> bytes:
    """One tensor of 4 MB under many names, by the memo."""
    first = tensor("0", "FloatStorage", 1 << 20, 1 << 20) + b"q\x07"
    buffers = b"}(" + text("b") + first + b"".join(text(f"b{number}") + b"h\x07" for number in range(count)) + b"u"
    return named(buffers, text("buffers"))


def integers(keys: list[int]) -> bytes:
    """A dictionary with whole numbers as keys."""
    # Spelled here, since Python itself takes long to make some of them.
    return b"}(" + b"".join(b"\x8a\x0c" + key.to_bytes(12, "little", signed=True) + b"N" for key in keys) + b"u"


def small_integers_that_collide() -> bytes:
    """A dictionary of a few thousand small keys, chosen so that the search for a free place is long, many times over."""
    size, place = 1 << 13, 1
    keys = []
    for _ in range(3275):  # the places that Python's search goes through in a table of this size
        keys.append(place)
        place = (5 * place + 1) % size
    first = set(keys)
    for key in range(size, 1 << 16):
        rest, at = key, key % size
        while at in first and rest:
            rest >>= 5
            at = (5 * at + rest + 1) % size
        if at in first and len(keys) < 5400:
            keys.append(key)
    return HEAD + b"}(U\x01a](" + integers(keys) * 80 + b"eu."


def again(function: bytes, arguments: bytes, count: int) -> bytes:
    """A call that is made again and again with the same arguments, with each result kept."""
    call = b"h\xf0h\xf1R"
    return HEAD + b"](" + function + b"q\xf0" + arguments + b"q\xf1" + call * count + b"e."


def two_directories(size: int) -> Maker:
    """An archive whose end record does not name the directory in front of it, and that one's part inflates."""

    def write(path: Path) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        block = bytes(1 << 20)
        packed = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
        name = b"archive/data.pkl"
        local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0) + name
        entry = struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0, 0, 0, 0, 0, 0
        )
        inflating = entry + name
        body = local + packed
        plain = archive(HEAD + b"N.")
        where = plain.rindex(b"PK\x05\x06")
        length, start = struct.unpack_from("<2L", plain, where + 12)
        harmless = plain[start : start + length]
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(inflating), len(body), 0)
        path.write_bytes(body + inflating + harmless + end)

    return write


def overlapping(path: Path) -> None:
    """An archive with sixty thousand parts that are all the same megabyte."""
    name, data = b"a/%05d", bytes(1 << 20)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), 7, 0)
    body = local + name % 0 + data
    sizes = zlib.crc32(data), len(data), len(data)
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, *sizes, 7, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + name % number for number in range(60000))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60000, 60000, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)


def hole(path: Path) -> None:
    """A file of 3 GB that takes no room on the disk, and is an archive by its first bytes."""
    with open(path, "wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(3 << 30)


def large_part(path: Path) -> None:
    """An archive whose pickle is a hole of 1 GB."""
    name = b"archive/data.pkl"
    size = 1 << 30
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, size, size, len(name), 0) + name
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, size, size, len(name), 0, 0, 0, 0, 0, 0)
    start = len(local) + size
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(name), start, 0)
    with open(path, "wb") as stream:
        stream.write(local)
        stream.seek(start)
        stream.write(entry + name + end)


def in_front(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n" + archive(HEAD + b"N."))


def behind(path: Path) -> None:
    path.write_bytes(archive(HEAD + b"N.") + b"more")


def old_container_with_an_archive(path: Path) -> None:
    import torch

    torch.save({"format": "sltpack checkpoint"}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes() + archive(HEAD + b"N."))


def nested(times: int) -> bytes:
    return b"K\x01" + b"\x85" * times


def long_text() -> bytes:
    return b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)


CHECKPOINTS: dict[str, Maker] = {
    "two directories": two_directories(1 << 26),
    "parts that overlap": overlapping,
    "something in front of the archive": in_front,
    "something behind the archive": behind,
    "an old container with an archive behind": old_container_with_an_archive,
    "a hole of 3 GB": hole,
    "a pickle that is a hole of 1 GB": large_part,
    "a list doubled forty times": checkpoint(lambda: named(doubled(b"](K\x01e", 40, b"](**e"))),
    "a tuple doubled as a key": checkpoint(lambda: named(b"N", doubled(b"K\x01\x85", 45, b"**\x86"))),
    "a tuple nested as a key": checkpoint(lambda: named(b"N", nested(1_000_000))),
    "a list nested": checkpoint(lambda: named(b"]" * 500_000 + b"a" * 499_999)),
    "whole numbers that collide as keys": checkpoint(
        lambda: named(integers([number * (2**61 - 1) for number in range(20_000)]))
    ),
    "whole numbers with many zeros as keys": checkpoint(lambda: named(integers([n << 40 for n in range(20_000)]))),
    "byte arrays by number": checkpoint(
        lambda: again(b"c__builtin__\nbytearray\n", b"J\x00\x00\x00\x40\x85", 16),
    ),
    "a dictionary with a method's name": checkpoint(
        lambda: HEAD + b"ccollections\nOrderedDict\n)R}" + text("get") + b"K\x01sb."
    ),
    "a tensor with a method's name": checkpoint(
        lambda: named(tensor("0", "FloatStorage", 1, 1, b"}" + text("numel") + b"K\x01sb"), text("scores")),
        {"data/0": bytes(4)},
    ),
    "buffers that share a storage": checkpoint(lambda: shared_buffers(1000), {"data/0": bytes(1 << 22)}),
    "a tensor under many names": checkpoint(lambda: shared_tensor(1000), {"data/0": bytes(1 << 22)}),
    "a tensor that is larger than its storage": checkpoint(
        lambda: named(tensor("0", "FloatStorage", 4, 1 << 30)), {"data/0": bytes(16)}
    ),
    "a storage that the archive lacks": checkpoint(lambda: named(tensor("1", "FloatStorage", 4, 4))),
    "a storage of another size": checkpoint(lambda: named(tensor("0", "FloatStorage", 4, 4)), {"data/0": bytes(12)}),
    "a name that is code": checkpoint(lambda: HEAD + b"cos\nsystem\n" + text("true") + b"\x85R."),
    "a bare pickle that names code": batch(lambda: HEAD + b"cos\nsystem\n" + text("true") + b"\x85R."),
    "nothing": batch(lambda: b""),
}
BATCHES: dict[str, Maker] = {
    "a text encoded again and again": batch(
        lambda: again(b"c_codecs\nencode\n", b"(" + long_text() + LATIN_1 + b"t", 100_000)
    ),
    "a dictionary counted again and again": batch(
        lambda: again(b"ccollections\nCounter\n", integers(list(range(60_000))) + b"\x85", 100_000)
    ),
    "a long list of parts of a path": batch(
        lambda: again(b"cpathlib\nPosixPath\n", b"(" + text("a") * 100_000 + b"t", 100_000)
    ),
    "arguments given again and again": batch(
        lambda: (
            HEAD
            + b"]("
            + integers(list(range(60_000)))
            + b"q\xf0"
            + b"cargparse\nNamespace\n)\x81h\xf0b" * 20_000
            + b"e."
        )
    ),
    "small whole numbers that collide": batch(small_integers_that_collide),
    "a number of many digits": batch(lambda: b"I" + b"9" * 1_000_000 + b"\n."),
    "a number of many bytes": batch(lambda: HEAD + b"\x8b\x00\x00\x00\x01" + b"\x01" * (1 << 24) + b"."),
    "bytes that are not there": batch(lambda: HEAD + b"B\xff\xff\xff\x7f."),
    "bytes beyond all memory": batch(lambda: b"\x80\x04\x8e" + b"\xff" * 8 + b"."),
    "empty lists without end": batch(lambda: HEAD + b"]" * 2_000_000),
    "marks without end": batch(lambda: HEAD + b"(" * 2_000_000),
    "a far memo entry": batch(lambda: HEAD + b"Nr\xff\xff\xff\xff."),
    "texts of wide letters": batch(
        lambda: HEAD + (b"X" + struct.pack("<I", 1 << 20) + b"\xf0\x9f\x98\x80" * (1 << 18)) * 20
    ),
    "a string of escapes": batch(lambda: b"S'" + b"\\q" * 1_000_000 + b"'\n."),
    "a list that holds itself": batch(lambda: HEAD + b"]q\x00h\x00a."),
    "a dictionary that holds itself": batch(lambda: HEAD + b"}q\x00K\x01h\x00s."),
    "a tuple that holds itself": batch(lambda: HEAD + b"]q\x00h\x00\x85q\x010h\x00h\x01a0h\x01."),
    "a list doubled": batch(lambda: HEAD + doubled(b"](K\x01e", 40, b"](**e") + b"."),
    "code by number": batch(lambda: HEAD + b"\x82\x01."),
    "a call of a persistent id": batch(lambda: HEAD + b"K\x01Q."),
    "the shape of an array that wraps": batch(
        lambda: (
            HEAD + b"cnumpy.core.numeric\n_frombuffer\n(U\x00cnumpy\ndtype\nU\x02u1\x85R"
            b"(\x8a\x08" + bytes(7) + b"\x10" + b"\x8a\x08" + bytes(7) + b"\x10tU\x01CtR."
        )
    ),
}
SLOW: dict[str, Maker] = {"two directories, 1 GiB": two_directories(1 << 30)}


def write(folder: Path, makers: dict[str, Maker], suffix: str) -> dict[str, Path]:
    """Write the files, and return their paths by name."""
    paths = {name: folder / f"{number}{suffix}" for number, name in enumerate(makers)}
    for name, make in makers.items():
        make(paths[name])
    return paths
