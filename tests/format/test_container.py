"""The `.slt` file: same ticket, same bytes; whatever is not such a file is refused with a sentence."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import sltpack
from sltpack.errors import FormatError, LimitError, RequestError, SltpackError
from sltpack.format import accounting, container
from sltpack.format import payload as payloads
from sltpack.format import records as header
from sltpack.format.container import DIGEST_AT, DIGEST_BYTES, Container, decode, encode, file_digest
from sltpack.format.records import BufferRow, Header, Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.format.tensors import ITEM_SIZES, tensors_of
from sltpack.tickets.ticket import Ticket

ANEW = "; the file is damaged; get it again"
NOT_WRITTEN = "; the file is damaged or was not written by sltpack"


KEPT = ("kept", "U8", 3)


def row(
    name: Any = "a", shape: Any = (4, 5), T_p: Any = 0, T_f: Any = 0, pruned: Any = 0, locked: Any = 0, kept: Any = 3
) -> list[Any]:
    """A layer of the table; as it is, one with 20 searched weights, three of them kept."""
    return [name, list(shape), T_p, T_f, pruned, locked, kept]


def slt(**changes: Any) -> dict[str, Any]:
    """The slt entry of a small ticket, with other values where asked."""
    return {
        "version": 1,
        "model": {"name": "example:small", "width": 0.5},
        "init": "skc",
        "scale": "layer",
        "seeds": {"weights": 7, "freezing": 8},
        "ratios": {"method": "epl", "prune": 0.0, "lock": 0.5},
        "layers": [row()],
        "codec": "raw",
        "weights_sha256": "0" * 64,
        "about": {"é": '"\n'},
    } | changes


def text_of(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def entry(dtype: Any, shape: Any, start: Any, stop: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def forge(
    text: str | dict[str, Any] | None = None,
    body: bytes = b"\x07\0\0",
    entries: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    ascii_only: bool = False,
) -> bytes:
    """Any file, its lengths and digest right, by another way than sltpack's."""
    text = text if isinstance(text, str) else text_of(text or slt())
    outer = {
        "__metadata__": {"file_sha256": "0" * 64, "slt": text} | (metadata or {}),
        **({"kept": entry("U8", [len(body)], 0, len(body))} if entries is None else entries),
    }
    return closed(framed(json.dumps(outer, separators=(",", ":"), ensure_ascii=ascii_only).encode(), body))


def framed(raw: bytes, body: bytes = b"") -> bytes:
    """Bytes as the header of a file."""
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + body


def closed(data: bytes) -> bytes:
    """A file with the digest of what is in it."""
    return data[:40] + hashlib.sha256(data[:40] + data[104:]).hexdigest().encode() + data[104:]


def with_text(old: str, new: str) -> bytes:
    """A file with another spelling in its slt entry."""
    text = text_of(slt())
    assert text.count(old) == 1
    return forge(text.replace(old, new))


def with_tensors(changes: dict[str, Any], *tensors: tuple[str, str, int]) -> bytes:
    """A file with tensors of so many items, all of them 0 but the supermask, in the order given."""
    values, body, table = slt(), b"", {}
    values = {key: (values | changes)[key] for key in header.KEYS if key in values | changes}
    for name, dtype, length in tensors:
        data = b"\x07\0\0"[:length] if name == "kept" else bytes(length * {"F32": 4, "F16": 2, "U8": 1}[dtype])
        table[name] = entry(dtype, [length], len(body), len(body) + len(data))
        body += data
    return forge(values, body=body, entries=table)


def entries_of(data: bytes) -> dict[str, Any]:
    """The tensors' entries, as they stand in the file."""
    entries: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert next(iter(entries)) == "__metadata__"
    del entries["__metadata__"]
    return entries


def refusal(data: bytes, **options: Any) -> SltpackError:
    with pytest.raises(SltpackError) as caught:
        Ticket.from_container(decode(data, "file.slt", **options), "file.slt")
    return caught.value


def ticket_with(searched: int, buffers: bool) -> bytes:
    """A file whose supermask has so many bits."""
    layers = (Layer(("first",), (1, searched - 5), 0, 0, 0, 0, 0), Layer(("second.linear",), (5, 1), 0, 0, 0, 0, 0))
    source = Source(ModelSpec("m", {"width": 0.5}), "ku", "none", Seeds(1, 2**64 - 1), Ratios("erk", 0.0, 0.25), layers)
    bits = np.random.default_rng(5).random(searched) < 0.5
    values: dict[str, Any] = {}
    if buffers:
        values = {
            "norm.running_mean": np.arange(3, dtype=np.float32),
            "norm.half": np.ones((2, 2), np.float16),
            "a": np.float32(7).reshape(()),
        }
    ticket = Ticket.create(source, [bits[:-5], bits[-5:]], values, {"text": 'é"\\\n'})
    return encode(ticket.to_container())


# The format itself.


@st.composite
def containers(draw: st.DrawFn) -> Container:
    layers, mask = [], ""
    for number in range(draw(st.integers(1, 3))):
        shape = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
        bits = draw(st.text("01", min_size=math.prod(shape), max_size=math.prod(shape)))
        layers.append(Layer((f"layer{number}",), shape, 0, 0, 0, 0, bits.count("1")))
        mask += bits
    kinds = st.tuples(st.sampled_from(header.BUFFER_KINDS), st.lists(st.integers(1, 3), max_size=3))
    named = draw(st.dictionaries(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6), kinds, max_size=4))
    rows = tuple(BufferRow((f"b{name}",), tuple(shape), kind) for name, (kind, shape) in named.items())
    ratios = Ratios("epl", draw(st.floats(0, 1)), draw(st.floats(0, 1)))
    about = draw(st.dictionaries(*[st.text(st.characters(exclude_categories=["Cs"]))] * 2, max_size=3))
    source = Source(ModelSpec("m", {}), "ku", "none", Seeds(0, 1), ratios, tuple(layers))
    data = int(mask[::-1], 2).to_bytes(-(-len(mask) // 8), "little")
    found = Header(
        source, "raw", "ab" * 32, about, rows, extra=draw(st.sampled_from([{}, {"later": [1, {"é": None}]}]))
    )
    tensors = {
        tensor.name: data if tensor.name == "kept" else bytes(tensor.length * ITEM_SIZES[tensor.dtype])
        for tensor in tensors_of(found)
        if tensor.name == "kept" or tensor.length is not None
    }
    return Container(found, tensors)


@given(containers())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_what_is_written_is_read_and_written_again(given_container: Container) -> None:
    data = encode(given_container)
    found = decode(data)
    assert encode(found) == data
    assert found.header == given_container.header
    assert found == given_container
    assert found.file_sha256 == file_digest(data) == data[DIGEST_AT : DIGEST_AT + DIGEST_BYTES].decode()
    assert {name: values.tobytes() for name, values in safetensors.numpy.load(data).items()} == found.tensors


def test_buffers_stay_in_the_order_in_which_they_are_given() -> None:
    found = decode(ticket_with(21, buffers=True))
    assert [(row.name, row.kind) for row in found.header.buffers] == [
        ("norm.running_mean", "f32"),
        ("norm.half", "f16"),
        ("a", "f32"),
    ]


@pytest.mark.parametrize("searched", [9, 16, 17, 41])
def test_safetensors_reads_it(tmp_path: Path, searched: int) -> None:
    data = ticket_with(searched, buffers=True)
    path = tmp_path / "some.slt"
    path.write_bytes(data)
    ticket = sltpack.load(path)
    with safetensors.safe_open(path, "numpy") as opened:
        assert set(opened.metadata()) == {"slt", "file_sha256"}
        assert set(opened.keys()) == set(entries_of(data))
        assert opened.metadata()["slt"] == header.to_text(decode(data).header)
        tensors = {name: opened.get_tensor(name) for name in entries_of(data)}
    assert tensors.pop("kept").tobytes() == ticket.supermask.to_bytes()
    assert {name: (values.dtype, values.tolist()) for name, values in tensors.items()} == {
        "buffers.f32": (np.float32, [0.0, 1.0, 2.0, 7.0]),
        "buffers.f16": (np.float16, [1.0, 1.0, 1.0, 1.0]),
    }
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert list(entries_of(data)) == ["buffers.f32", "buffers.f16", "kept"]
    for name, values in tensors.items():
        assert (8 + length + entries_of(data)[name]["data_offsets"][0]) % values.itemsize == 0


def test_forged_files_are_read_where_nothing_is_wrong_with_them() -> None:
    assert decode(forge()).kept == b"\x07\0\0"
    rows = [["b", [1], "f32"], ["a", [], "f16"]]
    found = decode(with_tensors({"buffers": rows}, ("buffers.f32", "F32", 1), ("buffers.f16", "F16", 1), KEPT))
    assert found.header.buffers == (BufferRow(("b",), (1,), "f32"), BufferRow(("a",), (), "f16"))
    assert found.tensors == {"buffers.f32": bytes(4), "buffers.f16": bytes(2), "kept": b"\x07\0\0"}


def test_neither_numpy_nor_torch_is_started() -> None:
    code = (
        "import sys; from sltpack.format import accounting, container;"
        "accounting.account(container.decode(sys.stdin.buffer.read()));"
        "print(sorted({'numpy', 'torch', 'safetensors', 'bitarray'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], input=forge(), capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"


# Files of another kind, and cut ones.


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "a .slt file (safetensors), found only 0 bytes"),
        (b"1234567", "a .slt file (safetensors), found only 7 bytes"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            "a .slt file (safetensors) with its whole header, found one that is cut, or of another kind (108 bytes)",
        ),
        (
            b"This is no ticket, but a letter.",
            "a .slt file (safetensors) with its whole header, found one that is cut, or of another kind (32 bytes)",
        ),
        (
            (2**63).to_bytes(8, "little") + bytes(100),
            "a .slt file (safetensors) with its whole header, found one that is cut, or of another kind (108 bytes)",
        ),
        (bytes(8), "a .slt file (safetensors, so a JSON header), found other bytes"),
        (framed(b"\xff\xfe"), "a .slt file (safetensors, so a JSON header), found other bytes"),
        (framed(b"[" * 100_000), "a .slt file (safetensors, so a JSON header), found other bytes"),
        (framed(b"[]"), "a .slt file (safetensors, so a JSON header), found other bytes"),
    ],
)
def test_another_kind_of_file(data: bytes, found: str) -> None:
    error = refusal(data)
    assert type(error) is FormatError
    assert str(error) == f"file.slt: expected {found}{ANEW}"


@pytest.mark.parametrize(
    "raw", [b"{", b"{}", b'{"a":NaN}', b'{"__metadata__":{}}', b'{"__metadata__":{"slt":"","file_sha256":""}}']
)
def test_safetensors_without_a_ticket(raw: bytes) -> None:
    assert str(refusal(framed(raw))) == (
        "file.slt: expected a ticket: a safetensors file with an slt entry in its metadata, found none; "
        "make a ticket from a checkpoint with sltpack pack"
    )


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_safetensors(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"weight": np.ones((3, 3), np.float32)}, path, metadata)
    with pytest.raises(FormatError) as caught:
        container.read(path)
    assert str(caught.value) == (
        f"{path}: expected a ticket: a safetensors file with an slt entry in its metadata, found none; "
        "make a ticket from a checkpoint with sltpack pack"
    )


def test_random_bytes() -> None:
    source = random.Random(1)
    for length in range(300):
        refusal(source.randbytes(length))
        refusal(framed(source.randbytes(length)))


def with_kept(container: Container, data: bytes) -> Container:
    """A container with other bytes of the supermask."""
    return replace(container, tensors={**container.tensors, "kept": data})


@pytest.mark.parametrize("buffers", [False, True])
def test_cut_anywhere(buffers: bool) -> None:
    data = ticket_with(8 * 2100 + 1, buffers)
    begin = 8 + int.from_bytes(data[:8], "little")
    for length in (*range(begin + 30), *range(begin + 30, len(data), 97), len(data) - 1):
        error = refusal(data[:length])
        assert error.remedy == "the file is damaged; get it again"
        if length < 8:
            assert error.found == f"only {length} bytes"
        elif length < begin:
            assert error.found == f"one that is cut, or of another kind ({length} bytes)"
        else:
            assert error.expected == f"content with the SHA-256 {data[40:56].decode()}..."
            sized = closed(data[:length])
            assert re.fullmatch(r"(at least )?\d+ bytes of tensors", refusal(sized).expected)
    for more in (b"\0", b" ", data):
        assert refusal(closed(data + more)).expected == f"{len(data) - begin} bytes of tensors"


# Single bits.


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_bit_of_the_header_and_thousands_of_the_rest() -> None:
    data = ticket_with(8 * 2100 + 1, buffers=False)
    begin = 8 + int.from_bytes(data[:8], "little")
    assert len(data) - begin > 2000
    for bit in (*range(8 * begin), *range(8 * begin, 8 * len(data), 5), *range(8 * len(data) - 8, 8 * len(data))):
        refusal(flipped(data, bit))


def coded_ticket() -> Ticket:
    """A ticket with a layer that is coded, one that is coded in two steps, and one that is raw."""
    shapes = {"first": (50, 30), "second": (20, 40), "third": (3, 4)}
    layers = tuple(Layer((name,), shape, 0, 0, 0, 0, 0) for name, shape in shapes.items())
    source = Source(ModelSpec("m", {}), "ku", "none", Seeds(1, 2), Ratios("epl", 0.0, 0.0), layers)
    random_bits = np.random.default_rng(5)
    masks = [random_bits.random(1500) < 0.2, random_bits.random(800) < 0.05, np.arange(12) % 2 == 0]
    return Ticket.create(source, masks, {}, {})


def test_every_bit_and_every_length_of_a_coded_file() -> None:
    packed = coded_ticket().to_container()
    assert packed.header.codec == "rans"
    assert payloads.take_apart("rans", packed.kept, packed.header.source.bits_of("kept"), "test").ways == (
        "coded",
        "coded",
        "raw",
    )
    data = encode(packed)
    for bit in range(8 * len(data)):
        refusal(flipped(data, bit))
    for length in range(len(data)):
        refusal(data[:length])


def test_a_coded_supermask_that_is_cut_or_changed_under_a_right_digest() -> None:
    """The container refuses wrong lengths, the codec what does not end as it has to; the weights' digest tells the rest."""
    ticket = coded_ticket()
    packed = ticket.to_container()
    whole = packed.kept
    for length in range(len(whole)):
        assert refusal(encode(with_kept(packed, whole[:length]))).remedy == ANEW[2:]
    told = 0
    for bit in range(8 * len(whole)):
        data = encode(with_kept(packed, flipped(whole, bit)))
        try:
            found = Ticket.from_container(decode(data, "file.slt"), "file.slt")
        except FormatError:
            told += 1
            continue
        with pytest.raises(FormatError, match="expected weights with the SHA-256"):
            found.check(found.digest())
    assert told > 0.98 * 8 * len(whole)


def test_a_coded_supermask_is_checked_before_it_is_decoded() -> None:
    packed = coded_ticket().to_container()
    with pytest.raises(FormatError, match=r"^file.slt: kept: expected at least 1 lanes, found 0; the file is"):
        decode(encode(with_kept(packed, bytes(20))), "file.slt")


def test_a_small_coded_file_that_asks_for_much() -> None:
    """Twice the bytes of the supermask that the header tells of, at most, before a lack of words is seen."""
    shape = (2**12, 2**12)
    no_lanes_worth = (1).to_bytes(2, "little") + (2**40).to_bytes(8, "little")
    for kept in (2**10, 2**20, 2**22):
        packed = decode(forge(slt(layers=[row(shape=shape, kept=kept)], codec="rans"), body=no_lanes_worth))
        tracemalloc.start()
        with pytest.raises(FormatError, match="expected more words, found only 0"):
            Ticket.from_container(packed, "file.slt")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * 2**24 // 8 + 2**18


def test_a_small_coded_file_is_refused_in_time() -> None:
    """As few lanes as there may be, each with as many words: however they are read, the steps are soon counted."""
    body = (2).to_bytes(2, "little") + 2 * (2**40).to_bytes(8, "little") + bytes(range(256)) * 2**6
    layers = [row(shape=(2**12, 2**12), kept=2**21)]
    assert refusal(forge(slt(layers=layers, codec="rans"), body=body)).expected == "at least 3 lanes"
    packed = decode(forge(slt(layers=layers, codec="rans"), body=body[:-4]))
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        with pytest.raises(FormatError, match="expected more words, found only 4095"):
            Ticket.from_container(packed, "file.slt")
    finally:
        sys.setprofile(None)
    assert steps < 2**18  # calls


def test_every_bit_of_a_file_with_buffers() -> None:
    """Names, shapes and kinds of the buffers stand in the slt entry, which the digest covers as all else."""
    data = ticket_with(81, buffers=True)
    for bit in range(8 * len(data)):
        refusal(flipped(data, bit))


def test_the_digest_is_compared() -> None:
    data = forge()
    for wrong in (b"ab" * 32, b"AB" * 32, b"\xff" * 64, data[40:103] + b"g"):
        error = refusal(data[:40] + wrong + data[104:])
        assert error.expected == f"content with the SHA-256 {wrong[:16].decode('ascii', 'replace')}..."
        assert error.found == data[40:56].decode() + "..."


def test_the_digest_stands_where_the_page_says() -> None:
    assert (DIGEST_AT, DIGEST_BYTES) == (40, 64)
    assert forge()[8:40] == b'{"__metadata__":{"file_sha256":"'
    assert forge()[104:113] == b'","slt":"'


# Single values, with a right digest. The messages of the slt entry's other values are in test_header.py.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            forge(slt(version=2)),
            "file.slt: expected version 1 of the format, found version 2; read the file with a newer sltpack",
        ),
        (
            forge(slt(codec="arithmetic")),
            "file.slt: the codec: expected raw or rans, found 'arithmetic'; read the file with a newer sltpack, or get it again",
        ),
        (
            forge(slt(init="normal")),
            "file.slt: init: expected ku or skc or none, found 'normal'; read the file with a newer sltpack, or get it again",
        ),
        (
            forge(slt(scale="channel")),
            "file.slt: scale: expected none or layer or global or stored, found 'channel'; "
            "read the file with a newer sltpack, or get it again",
        ),
        (
            forge(slt(ratios={"method": "a b", "prune": 0.0, "lock": 0.0})),
            "file.slt: the ratios' method: expected a name of 1 to 256 characters without spaces, found 'a b'; "
            "the file is damaged or was not written by sltpack",
        ),
        (
            with_text('"init":"skc"', '"init":"skc","init":"ku"'),
            f"file.slt: the slt entry: expected JSON, found an error: a key stands twice in one object{NOT_WRITTEN}",
        ),
        (
            with_text('"weights":7', '"weights":7,"weights":7'),
            f"file.slt: the slt entry: expected JSON, found an error: a key stands twice in one object{NOT_WRITTEN}",
        ),
        (
            with_text('"prune":0.0', '"prune":NaN'),
            f"file.slt: the slt entry: expected JSON, found an error: NaN is no JSON number{NOT_WRITTEN}",
        ),
        (
            with_text('"width":0.5', '"width":-Infinity'),
            f"file.slt: the slt entry: expected JSON, found an error: -Infinity is no JSON number{NOT_WRITTEN}",
        ),
        (
            with_text('"width":0.5', '"width":1e400'),
            "file.slt: the slt entry: expected JSON, found an error: a number that no float64 holds" + NOT_WRITTEN,
        ),
        (
            with_text('"weights":7', '"weights":' + "7" * 4000),
            f"file.slt: the slt entry: expected JSON, found an error: an integer of 4000 digits{NOT_WRITTEN}",
        ),
        (
            forge(slt(about={"a": 1})),
            f"file.slt: about 'a': expected a text, found 1{NOT_WRITTEN}",
        ),
    ],
)
def test_wrong_values(data: bytes, message: str) -> None:
    assert str(refusal(data)) == message


@pytest.mark.parametrize("key", ["model", "about", "layers", "seeds"])
def test_deep_nesting(key: str) -> None:
    text = text_of(slt(**{key: "HERE"}))
    # Python gives up at a depth of about a thousand: reading may do so, or the sentence about what was read.
    for depth in (10, 500, *range(900, 1010), 100_000):
        error = refusal(forge(text.replace('"HERE"', '{"a":' * depth + "[]" + "}" * depth)))
        assert isinstance(error, FormatError)
        assert len(str(error)) < 500
        raw = f'{{"__metadata__":{{"file_sha256":"{"0" * 64}","slt":""}},"kept":{"[" * depth}{"]" * depth}}}'
        assert isinstance(refusal(closed(framed(raw.encode()))), FormatError)


@pytest.mark.parametrize(
    "data",
    [
        with_text('"é"', '"\\ud800"'),
        with_text('"é"', '"\\udfff\\ud800"'),
        forge(slt(about={"a": "\ud800"}), ascii_only=True),
        forge(entries={"buffer.\ud800": entry("F16", [1], 0, 2)}, body=b"12\x07\0\0", ascii_only=True),
    ],
)
def test_halves_of_characters_are_refused(data: bytes) -> None:
    assert refusal(data).expected in (
        "texts of whole characters",
        "the tensors kept",
        "the metadata file_sha256 and slt",
    )


def test_halves_of_characters_are_not_written() -> None:
    found = decode(forge())
    with pytest.raises(RequestError) as caught:
        encode(Container(Header(found.header.source, "raw", "0" * 64, {"text": "caf\udce9"}), found.tensors))
    assert str(caught.value) == (
        "ticket: expected texts of whole characters, which UTF-8 can write, found '\\udce9'; "
        "choose other names or texts"
    )


@pytest.mark.parametrize(
    ("behind", "found"),
    [
        (b'"}', "Expecting"),
        (b'"},"a":NaN}', "NaN is no JSON number"),
        (b'","slt":""}}', "a key stands twice in one object"),
        (b'"},"a":' + b"9" * 5000 + b"}", "an integer of 5000 digits"),
        (b'"},"a":1e400}', "a number that no float64 holds"),
        (b'"},"a":' + b"[" * 40 + b"]" * 40 + b"}", "more than 32 lists and objects in each other"),
        (b'"},"a":' + b"[" * 10**5, "maximum recursion depth"),
        (b'"},"\xff":1}', "'utf-8' codec can't decode"),
    ],
)
def test_a_header_that_is_no_json(behind: bytes, found: str) -> None:
    error = refusal(closed(framed(forge()[8:113] + behind)))
    assert error.expected == "a header in JSON"
    assert error.found.startswith("an error: ") and found in error.found


@pytest.mark.parametrize("metadata", [{"more": "text"}, {"more": None}])
def test_more_metadata(metadata: dict[str, Any]) -> None:
    assert str(refusal(forge(metadata=metadata))) == (
        f"file.slt: expected the metadata file_sha256 and slt alone, found file_sha256, slt, more{ANEW}"
    )


@pytest.mark.parametrize(
    "data",
    [
        forge(json.dumps(slt(), ensure_ascii=False)),
        forge(json.dumps(slt(), separators=(",", ":"))),
        closed(framed(forge()[8:-3] + b" " * 8, b"\x07\0\0")),
        closed(framed(forge()[8:-3].rstrip() + b"\n", b"\x07\0\0")),
        with_text('"prune":0.0', '"prune":0'),
        with_text('"prune":0.0', '"prune":-0.0'),
        with_text('"prune":0.0', '"prune":0.00'),
        with_text('"lock":0.5', '"lock":5e-1'),
        with_text("\\n", "\\u000a"),
        forge(slt(model={"width": 0.5, "name": "example:small"})),
    ],
)
def test_another_spelling_of_the_slt_entry_is_read_and_written_in_ours(data: bytes) -> None:
    """Another writer's JSON may differ; the digest covers it, and sizes are those of the file that is there."""
    found = decode(data)
    assert found == decode(forge())
    assert (found.file_bytes, encode(found)) == (len(data), forge())
    assert accounting.account(found).file_bits == 8 * len(data)
    assert sum(accounting.account(found).parts.values()) == 8 * len(data)


NOTHING = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
WHOLE = '{"dtype":"U8","shape":[3],"data_offsets":[0,3]}'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, NOTHING),
        ({"dtype": "U8", "shape": [3]}, WHOLE),
        ({"dtype": "U8", "shape": [3], "data_offsets": [0, 3], "more": 1}, WHOLE),
        ({"shape": [3], "dtype": "U8", "data_offsets": [0, 3]}, WHOLE),
        (entry("U8", 3, 0, 3), None),
        (entry("U8", "3", 0, 3), None),
        (entry("U8", [3.0], 0, 3), None),
        (entry("U8", [True], 0, 1), None),
        (entry("U8", [-3], 0, -3), None),
        (entry("U8", [], 0, 1), None),
        (entry("U8", [3, 1], 0, 3), None),
        (entry("U8", [3], 0, 3.0), WHOLE),
        (entry("U8", [3], False, 3), WHOLE),
        (entry("U8", [3], 1, 4), WHOLE),
        (entry("U8", [3], 0, 2), WHOLE),
        (entry("F32", [3], 0, 12), WHOLE),
        (entry([], [3], 0, 3), WHOLE),
    ],
)
def test_wrong_entries(given: Any, expected: str | None) -> None:
    error = refusal(forge(entries={"kept": given}))
    assert error.where == "file.slt: the tensor kept"
    assert error.expected == f"the entry {expected or NOTHING}"
    assert error.remedy == ANEW[2:]


@pytest.mark.parametrize(
    ("entries", "expected", "found"),
    [
        ({}, "the tensors kept", "none"),
        ({"weight": entry("U8", [3], 0, 3)}, "the tensors kept", "weight"),
        ({"kept": entry("U8", [3], 0, 3), "more": entry("U8", [0], 3, 3)}, "the tensors kept", "kept, more"),
        ({"steps": entry("F32", [0], 0, 0), "kept": entry("U8", [3], 0, 3)}, "the tensors kept", "steps, kept"),
        ({"kept": entry("U8", [2], 0, 2)}, "2 bytes of tensors", "3"),
        ({"kept": entry("U8", [4], 0, 4)}, "at least 4 bytes of tensors", "3"),
        ({"kept": entry("U8", [10**19], 0, 10**19)}, f"at least {10**19} bytes of tensors", "3"),
    ],
)
def test_wrong_tensors(entries: dict[str, Any], expected: str, found: str) -> None:
    error = refusal(forge(entries=entries))
    assert (error.where, error.expected, error.found) == ("file.slt", expected, found)


ROWS = {"buffers": [["b", [2], "f32"], ["c", [], "f16"], ["n", [3], "norm-q8"]]}
TENSORS = (("buffers.f32", "F32", 4), ("buffers.f16", "F16", 1), ("buffers.u8", "U8", 6), KEPT)


@pytest.mark.parametrize(
    ("changes", "tensors", "message"),
    [
        (ROWS, TENSORS[1:], "expected the tensors buffers.f32, buffers.f16, buffers.u8, kept, found buffers.f16,"),
        (
            ROWS,
            (TENSORS[1], TENSORS[0], *TENSORS[2:]),
            "expected the tensors buffers.f32, buffers.f16, buffers.u8, kept,",
        ),
        (ROWS, (("buffers.f32", "F32", 3), *TENSORS[1:]), "the tensor buffers.f32: expected the entry"),
        (ROWS, (*TENSORS[:2], ("buffers.u8", "U8", 7), KEPT), "the tensor buffers.u8: expected the entry"),
        (ROWS, (TENSORS[0], ("buffers.f16", "F32", 1), *TENSORS[2:]), "the tensor buffers.f16: expected the entry"),
        (
            {"buffers": [["a.weight", [1], "f32"]]},
            (("buffers.f32", "F32", 1), KEPT),
            "buffer 0: expected a name that no",
        ),
        ({"scale": "stored"}, (KEPT,), "expected the tensors steps, kept, found kept"),
        ({"scale": "stored"}, (("steps", "F32", 2), KEPT), "the tensor steps: expected the entry"),
        (
            {"scale": "stored"},
            (("steps", "F32", 1), KEPT),
            "layer a: expected a step above 0 that leads to finite weights",
        ),
        ({}, (("steps", "F32", 1), KEPT), "expected the tensors kept, found steps, kept"),
        ({}, (("values.f32", "F32", 2), KEPT), "the tensor values.f32: expected the entry"),
        (
            {},
            (("values.f32", "F32", 3), ("values.f16", "F16", 3), KEPT),
            "expected the tensors values.f32, kept, found",
        ),
        ({"init": "none"}, (KEPT,), "expected a plane sign or values, as no stream gives the weights, found neither"),
        ({"init": "none"}, (("values.f16", "F16", 3), KEPT), "expected the scale none, as no weight has a step, found"),
        (
            {"planes": ["sign"], "layers": [[*row(), 0]]},
            (("values.f16", "F16", 3), KEPT, ("sign", "U8", 1)),
            "expected no plane beyond kept beside values.f16, found sign",
        ),
        ({"planes": ["sign"], "layers": [[*row(), 0]]}, (KEPT,), "expected the tensors kept, sign, found kept"),
        (
            {"planes": ["sign"], "layers": [[*row(), 0]]},
            (KEPT, ("sign", "U8", 2)),
            "sign: expected 1 bytes for 3 bits, found 2",
        ),
        ({"planes": ["sign"], "layers": [[*row(), 1]]}, (KEPT, ("sign", "U8", 1)), "sign: expected 1 ones, found 0"),
        (
            {"planes": ["coat 2", "coat 3"], "layers": [[*row(), 0, 0]]},
            (KEPT, ("coat 2", "U8", 1), ("coat 3", "U8", 1)),
            "coat 3: expected 0 bytes for 0 bits, found 1",
        ),
        (
            {"planes": ["coat 2"], "layers": [[*row(), 0]]},
            (("coat 2", "U8", 1), KEPT),
            "expected the tensors kept, coat 2, found coat 2, kept",
        ),
    ],
)
def test_tensors_that_the_header_does_not_ask_for(
    changes: dict[str, Any], tensors: tuple[tuple[str, str, int], ...], message: str
) -> None:
    assert message in str(refusal(with_tensors(changes, *tensors)))


@pytest.mark.parametrize(
    ("changes", "name", "dtype", "wrong", "message"),
    [
        ({"scale": "stored"}, "steps", "F32", math.inf, "leads to finite weights, found inf"),
        ({"scale": "stored"}, "steps", "F32", math.nan, "leads to finite weights, found nan"),
        ({"scale": "stored"}, "steps", "F32", -1.0, "leads to finite weights, found -1"),
        ({"scale": "stored", "init": "ku"}, "steps", "F32", 2.0**104, "leads to finite weights, found 2.02824e+31"),
        ({}, "values.f32", "F32", math.nan, "finite numbers in the values, found others"),
        ({}, "values.f16", "F16", math.inf, "finite numbers in the values, found others"),
        ({"buffers": [["n", [1], "norm-q8"]]}, "buffers.f32", "F32", math.nan, "two steps above 0 that lead to finite"),
        ({"buffers": [["n", [1], "norm-q8"]]}, "buffers.f32", "F32", -1.0, "two steps above 0 that lead to finite"),
        ({"buffers": [["n", [1], "norm-q8"]]}, "buffers.f32", "F32", 2.0**120, "two steps above 0 that lead to finite"),
    ],
)
def test_numbers_that_are_not_finite(
    changes: dict[str, Any], name: str, dtype: str, wrong: float, message: str
) -> None:
    letter, count = {"F32": "f", "F16": "e"}[dtype], 2 if "buffers" in changes else 3 if "values" in name else 1
    tail = [("buffers.u8", "U8", 2)] if "buffers" in changes else []
    data = with_tensors(changes, (name, dtype, count), *tail, KEPT)
    begin = 8 + int.from_bytes(data[:8], "little")
    for place in range(count):
        numbers = [1.0] * count
        numbers[place] = wrong
        packed = struct.pack(f"<{count}{letter}", *numbers)
        assert message in str(refusal(closed(data[:begin] + packed + data[begin + len(packed) :])))
    fine = struct.pack(f"<{count}{letter}", *[1.0] * count)
    Ticket.from_container(decode(closed(data[:begin] + fine + data[begin + len(fine) :])), "file.slt")


@pytest.mark.parametrize("slt_value", [None, 7, {}, []])
def test_wrong_metadata(slt_value: Any) -> None:
    error = refusal(forge(metadata={"slt": slt_value}))
    assert error.expected == "a ticket: a safetensors file with an slt entry in its metadata"


@pytest.mark.parametrize(
    ("rows", "body", "expected", "found"),
    [
        ([row(locked=4, T_f=9, kept=3)], b"\x07\0", "an integer in 4..20", "3"),
        ([row(pruned=4, T_p=9, T_f=9, kept=17)], b"\x07\0", "an integer in 0..16", "17"),
        ([row(pruned=10, locked=11, T_p=5, T_f=9)], b"\x07\0", "an integer in 0..10", "11"),
        ([row(pruned=21, T_p=5, T_f=9)], b"\x07\0", "an integer in 0..20", "21"),
        ([row(T_p=9, T_f=8)], b"\x07\0\0", f"an integer in 9..{2**32}", "8"),
        ([row(T_f=2**32 + 1)], b"\x07\0\0", f"an integer in 0..{2**32}", f"{2**32 + 1}"),
        ([row(pruned=4)], b"\x07\0", "counts that its thresholds can lead to", "[0, 0, 4, 0, 3]"),
        ([row(locked=3)], b"\0\0\0", "counts that its thresholds can lead to", "[0, 0, 0, 3, 3]"),
        ([row(locked=3, T_p=7, T_f=7)], b"\0\0\0", "counts that its thresholds can lead to", "[7, 7, 0, 3, 3]"),
        (
            [row(T_p=2**32, T_f=2**32, pruned=4)],
            b"\x07\0",
            "counts that its thresholds can lead to",
            "[4294967296, 4294967296, 4, 0, 3]",
        ),
        ([row(T_f=2**32)], b"\x07\0\0", "counts that its thresholds can lead to", "[0, 4294967296, 0, 0, 3]"),
        ([row()], b"\x07\0", "3 bytes for 20 bits", "2"),
        ([row()], b"\x07\0\0\0", "3 bytes for 20 bits", "4"),
        ([row()], b"", "3 bytes for 20 bits", "0"),
        ([row(T_p=2**32, T_f=2**32, pruned=20, kept=0)], b"\0", "0 bytes for 0 bits", "1"),
        ([row()], b"\x03\0\0", "3 ones", "2"),
        ([row()], b"\x0f\0\0", "3 ones", "4"),
        ([row()], b"\x03\0\x10", "zero bits behind the last one", "others"),
        ([row()], b"\x07\0\x80", "zero bits behind the last one", "others"),
        ([row(kept=2), row("b", kept=1)], b"\x01\x03\0\0\0", "2 ones", "3"),
        ([row(kept=1), row("b", kept=2)], b"\x03\0\0\0\x01", "1 ones", "2"),
        ([row(), row()], b"\x07\0\0\x07\0", "different names", "a name that stands twice"),
        ([], b"", "a list with a row for each layer", "[]"),
    ],
)
def test_tables_that_do_not_add_up(rows: list[Any], body: bytes, expected: str, found: str) -> None:
    error = refusal(forge(slt(layers=rows), body=body))
    assert (error.expected, error.found) == (expected, found)


def test_a_wrong_share_of_ones_names_plane_and_layer() -> None:
    error = refusal(forge(slt(layers=[row(kept=1), row("b", kept=2)]), body=b"\x03\0\0\0\x01"))
    assert error.where == "file.slt: kept: layer 0"


def test_everything_frozen_leaves_an_empty_supermask() -> None:
    rows = [row(T_p=5, T_f=2**32, pruned=2, locked=18, kept=18)]
    found = decode(forge(slt(layers=rows), body=b""))
    assert (found.kept, found.header.source.searched) == (b"", 0)
    assert safetensors.numpy.load(encode(found))["kept"].shape == (0,)


# Limits, and files that are not there.


def peak_while_reading(path: Path, max_weights: int = header.MAX_WEIGHTS) -> tuple[SltpackError | Container, int]:
    tracemalloc.start()
    try:
        result: SltpackError | Container = container.read(path, max_weights)
    except SltpackError as error:
        result = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak


def test_a_small_file_that_asks_for_much(tmp_path: Path) -> None:
    path = tmp_path / "large.slt"
    everything_pruned = row(shape=(10**6, 10**6), T_p=2**32, T_f=2**32, pruned=10**12, kept=0)
    path.write_bytes(forge(slt(layers=[everything_pruned]), body=b""))
    assert path.stat().st_size < 1100
    error, peak = peak_while_reading(path)
    assert type(error) is LimitError
    assert str(error) == (
        f"{path}: expected at most 268435456 weights, found 1000000000000 weights; "
        "if you trust the file, allow as many (--max-weights 1000000000000, or max_weights= in Python)"
    )
    assert peak < 2**20
    found, peak = peak_while_reading(path, 10**12)
    assert isinstance(found, Container)
    assert found.header.source.size == 10**12
    assert peak < 2**20
    assert sltpack.load(path, 10**12).source.kept == 0


def test_many_layers_count_together(tmp_path: Path) -> None:
    rows = [row(f"layer{number}", kept=0) for number in range(3)]
    assert str(refusal(forge(slt(layers=rows), body=bytes(8)), max_weights=59)).startswith(
        "file.slt: expected at most 59 weights, found 60 weights"
    )
    assert decode(forge(slt(layers=rows), body=bytes(8)), max_weights=60).header.source.size == 60


def test_sizes_beyond_any_machine() -> None:
    rows = [row(shape=[2**62] * 8, kept=0)]
    assert f"found {2**496} weights" in str(refusal(forge(slt(layers=rows), body=b"")))
    error = refusal(forge(slt(layers=rows), body=b""), max_weights=2**500)
    assert error.expected == f"{2**493} bytes for {2**496} bits"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.slt"
    with open(path, "wb") as stream:
        stream.write(forge())
        stream.truncate(2**32)
    error, peak = peak_while_reading(path)
    length = int.from_bytes(forge()[:8], "little")
    assert str(error) == (
        f"{path}: expected a file for at most 268435456 weights, found 4294967296 bytes; "
        f"if you trust the file, allow more (--max-weights {-(-(2**32 - 8 - length) // 8)})"
    )
    assert peak < 2**20


def test_a_large_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.slt"
    with open(path, "wb") as stream:
        stream.write((2**20 + 8).to_bytes(8, "little"))
        stream.truncate(2**21)
    error, peak = peak_while_reading(path)
    assert type(error) is LimitError
    assert str(error) == (
        f"{path}: expected a header of at most 1048576 bytes, found 1048584 bytes; the file is damaged or no ticket"
    )
    assert peak < 2**20


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "none.slt"
    with pytest.raises(RequestError) as caught:
        container.read(path)
    assert str(caught.value) == f"{path}: expected a .slt file, found no such file or directory; check the name"
    with pytest.raises(RequestError) as caught:
        container.read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: expected a .slt file, found a folder; check the name"


def test_errors_of_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "damaged.slt"
    path.write_bytes(forge()[:-1])
    with pytest.raises(FormatError) as caught:
        container.read(path)
    assert str(caught.value).startswith(f"{path}: expected content with the SHA-256 ")
