"""docs/format.md, executed: its examples, its tables against the program's constants, its whole file against ours."""

from __future__ import annotations

import doctest
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load as load_safetensors

from sltpack.format import container, tensors
from sltpack.format import payload as payloads
from sltpack.format import records as header
from sltpack.format.container import Container
from sltpack.format.records import BufferRow, Header, Layer, LayerBits, ModelSpec, Ratios, Result, Seeds, Source
from sltpack.source.streams import Stream
from sltpack.supermask import codecs, rans
from sltpack.supermask.bits import Bits
from sltpack.tickets.buffers import StoredBuffers
from sltpack.tickets.ticket import Ticket

PIECES = ("de7b0f", "69", "000c0000000000000000000002")
"""The three layers of the page's example of the codec rans."""
PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the page's examples leave behind, once all of them have given what the page says."""
    found: dict[str, Any] = {}
    examples = doctest.DocTestParser().get_doctest(PAGE, found, "docs/format.md", "docs/format.md", 0)
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples, out=told.append, clear_globs=False)
    assert result.failed == 0, "".join(told)
    assert result.attempted > 20
    return examples.globs


def table(first_cell: str) -> list[list[str]]:
    """The rows of the table whose first heading it is, heading and rule left out."""
    lines = PAGE.split(f"| {first_cell} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(text: str) -> tuple[str, ...]:
    """The JSON texts that stand in code marks."""
    return tuple(re.findall(r'`"(\w+)"`', text))


def test_every_example_gives_what_the_page_says(names: dict[str, Any]) -> None:
    assert len(names["file"]) == 529


def test_a_wrong_example_is_seen() -> None:
    wrong = PAGE.replace("'0b05'", "'0b06'")
    examples = doctest.DocTestParser().get_doctest(wrong, {}, "page", "page", 0)
    assert doctest.DocTestRunner(verbose=False).run(examples, out=lambda _: None).failed == 1


def test_keys_of_the_slt_entry() -> None:
    rows = {key.strip("`"): value for key, value in table("key")}
    rows = {key.removesuffix("`?"): value for key, value in rows.items()}
    assert tuple(rows) == header.KEYS
    assert tuple(key.strip("`").removesuffix("`?") for key, _ in table("key") if key.endswith("?")) == header.OPTIONAL
    assert rows["version"] == str(header.VERSION)
    assert quoted(rows["init"]) == (*header.INITS, header.NO_INIT)
    assert quoted(rows["scale"]) == (*header.SCALES, header.STORED)
    assert quoted(rows["codec"]) == header.CODECS
    assert quoted(rows["ratios"]) == (*header.METHODS, "none")
    assert re.findall(r"`(prune|lock|method)`", rows["ratios"]) == [field.name for field in fields(Ratios)]
    assert re.findall(r"`(\w+)`", rows["seeds"]) == [field.name for field in fields(Seeds)]
    assert f"0..2^{header.SEED_LIMIT.bit_length() - 1} - 1" in rows["seeds"]
    assert re.search(r"`\[(names, .*)\]`", rows["layers"])[1].count(", ") + 1 == len(fields(Layer))  # type: ignore[index]
    assert re.search(r"`\[(names, .*)\]`", rows["buffers"])[1].split(", ") == [  # type: ignore[index]
        field.name for field in fields(BufferRow)
    ]
    assert f"up to `{header.COATS[-1]}`" in rows["planes"] and f"`{header.COATS[0]}`" in rows["planes"]


def test_records_of_what_was_measured_and_of_the_input() -> None:
    results = PAGE.split("**Results.**")[1].split("**Input.**")[0]
    known = [field.name for field in fields(Result)]
    assert [key for key in re.findall(r"`(\w+)`", results) if key in known] == known
    assert quoted(results) == header.PARTS
    text = PAGE.split("**Input.**")[1].split("\n\n")[0]
    for kind, record in header.INPUTS.items():
        keys = ",".join(f'"{field.name}"' for field in fields(record))
        assert f'{{"kind":"{kind}",{keys}}}' in text


def test_limits_of_the_layers() -> None:
    assert f"of 2 to {header.MAX_DIMENSIONS} dimensions" in PAGE
    assert f"0 <= T_p <= T_f <= 2^{header.THRESHOLD_ONE.bit_length() - 1}" in PAGE


def test_what_names_do_not_have() -> None:
    assert "1 to 256 code points, none of them white space (Unicode's White_Space) or in\nU+0000 to U+001F" in PAGE
    white_space = {
        *range(9, 14),
        0x20,
        0x85,
        0xA0,
        0x1680,
        *range(0x2000, 0x200B),
        0x2028,
        0x2029,
        0x202F,
        0x205F,
        0x3000,
    }
    refused = {point for point in range(2**16) if not header.NAME.fullmatch(chr(point))}
    assert refused == white_space | {*range(0x20), 0x7F}
    assert [bool(header.NAME.fullmatch("n" * length)) for length in (0, 1, 256, 257)] == [False, True, True, False]


def test_tensors() -> None:
    """The page's rows, with all coats, are what a file of everything has, in its order."""
    rows = [(name.replace("`", ""), dtype) for name, dtype, *_ in table("tensor")]
    everything = [(name, dtype) for name, dtype in rows if "to" not in name]
    layer = Layer(("a",), (2, 2), 0, 0, 0, 0, 4, (4, 4))
    ratios, seeds = Ratios("epl", 0.0, 0.0), Seeds(1, 2)
    source = Source(ModelSpec("m", {}), "skc", "stored", seeds, ratios, (layer,), ("coat 2", "sign"))
    buffers = (BufferRow(("a",), (2,), "f32"), BufferRow(("b",), (2,), "f16"), BufferRow(("c",), (2,), "norm-q8"))
    whole = Header(source, "raw", "0" * 64, {}, buffers)
    found = {
        name: [(each.name, each.dtype) for each in tensors.tensors_of(whole, name) if not each.name.startswith("coat")]
        for name in tensors.VALUES
    }
    for name, listed in found.items():
        other = next(each for each in tensors.VALUES if each != name)
        assert listed == [row for row in everything if row[0] != other]
    assert ("coat 2 to coat 15", "U8") in rows
    assert rows.index(("kept", "U8")) + 1 == rows.index(("coat 2 to coat 15", "U8")) == rows.index(("sign", "U8")) - 1
    assert f"at most 2^{container.MAX_HEADER_BYTES.bit_length() - 1} bytes" in PAGE
    assert f"the bytes {container.DIGEST_AT} to {container.DIGEST_AT + container.DIGEST_BYTES - 1} of the file" in PAGE
    assert container.TICKET.decode() in PAGE


def test_kinds_of_buffers(names: dict[str, Any]) -> None:
    rows = {kind.strip("`"): numbers for kind, _, numbers in table("kind")}
    assert tuple(rows) == header.BUFFER_KINDS
    for kind, numbers in rows.items():
        row = BufferRow(("a",), (2,), kind)
        assert set(re.findall(r"`buffers\.(\w+)`", numbers)) == set(tensors.items_of(row))
    stored = StoredBuffers(
        (BufferRow(("n",), (256,), "norm-q8"),),
        {"f32": np.array([0.013, 0.007], "<f4").tobytes(), "u8": bytes(range(256)) + bytes(reversed(range(256)))},
    )
    mean, variance = stored.restore().values()
    s, t = (names["float32"](number) for number in (0.013, 0.007))
    expected = [names["norm_q8"](u, v, s, t) for u, v in zip(range(256), reversed(range(256)), strict=True)]
    assert list(zip(mean.tolist(), variance.tolist(), strict=True)) == expected


def test_planes() -> None:
    rows = [name.strip("`") for name, *_ in table("plane")]
    assert rows == ["kept", "coat 2", "coat j", "sign"]


def test_scales() -> None:
    rows = [[cell.strip("`") for cell in row] for row in table("scale")]
    assert tuple(row[0] for row in rows) == header.SCALES


def ticket_of_the_page(names: dict[str, Any]) -> Ticket:
    layer = Layer(("linear",), (2, 2), 0, 0, 0, 0, 0)
    source = Source(ModelSpec("example:tiny", {}), "skc", "layer", Seeds(7, 8), Ratios("epl", 0.0, 0.0), (layer,))
    return Ticket.create(source, [np.array([0, 1, 1, 0], np.bool_)], {}, {})


def test_payload_of_rans_is_what_sltpack_writes_and_reads(names: dict[str, Any]) -> None:
    bits = [
        np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), bitorder="little").view(np.bool_) for text in PIECES
    ]
    lengths = (20, 8, 100)
    masks = [of_layer[:length] for of_layer, length in zip(bits, lengths, strict=True)]
    layers = tuple(LayerBits(n, int(mask.sum())) for n, mask in zip(lengths, masks, strict=True))
    assert [layer.ones for layer in layers] == [16, 4, 3]
    bits_of_all = Bits.from_layers(masks)
    assert codecs.CODECS["rans"].encode(bits_of_all, layers) == names["payload"]
    assert codecs.decode("rans", names["payload"], layers, "page") == bits_of_all


def test_constants_of_rans(names: dict[str, Any]) -> None:
    assert f"min({payloads.MAX_LANES}, 1 + floor(4 W / {payloads.LANE_SPAN}))" in PAGE
    assert f"{payloads.RAW_WITHIN} * |n - 2 ones| <= n" in PAGE
    assert f"n > 2^{payloads.MAX_CODED.bit_length() - 1}" in PAGE
    assert f"z <= 7 * 2^{rans.SHARE_BITS - 3} or n < {rans.BLOCK_BITS}" in PAGE
    assert rans.SPARSE == 7 << (rans.SHARE_BITS - 3)
    for share in (1, 2**31, 2**32 - 4295, 2**32 - 1):
        for bits in range(1, 9):
            for sparse in (False, True):
                found = rans.table_of(share, bits, sparse=sparse).frequencies.tolist()
                assert found == names["table"](share, bits, sparse)


def test_the_stream_in_numpy(names: dict[str, Any]) -> None:
    """The page's one line, executed; as a list, NumPy would round a large seed to a float64."""
    (line,) = re.findall(r"`(numpy\.random\.Philox\(.*?)\.random_raw\(\.\.\.\)`", PAGE)
    for seed in (0, 2**63, 2**63 + 1, 2**64 - 1):
        for layer, purpose in ((0, 0), (7, 1)):
            found = eval(line, {"numpy": np, "seed": seed, "layer": layer, "purpose": purpose}).random_raw(10)
            expected = names["stream"](seed, layer, purpose, 80)
            assert found.astype("<u8").tobytes() == expected == Stream(seed, layer, purpose).read(0, 80).tobytes()


def test_whole_file_is_what_sltpack_writes(names: dict[str, Any]) -> None:
    ticket = ticket_of_the_page(names)
    assert container.encode(ticket.to_container()) == names["file"]
    assert header.to_text(Header(ticket.source, "raw", names["weights_sha256"], {})) == names["slt"]


def test_coats_and_signs_of_the_page() -> None:
    layer = Layer(("linear",), (2, 2), 0, 0, 0, 0, 0)
    source = Source(ModelSpec("example:tiny", {}), "skc", "layer", Seeds(7, 8), Ratios("epl", 0.0, 0.0), (layer,))
    masks = {"coat 2": [np.array([0, 1], np.bool_)], "sign": [np.array([1, 0], np.bool_)]}
    ticket = Ticket.create(source, [np.array([0, 1, 1, 0], np.bool_)], {}, {}, further=masks)
    assert [weight.tobytes()[::-1].hex() for weight in ticket.weights(0).ravel()[1:3]] == ["bf64f92e", "3fe4f92e"]
    assert "['bf64f92e', '3fe4f92e']" in PAGE


def test_whole_file_is_read_by_sltpack(names: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "page.slt"
    path.write_bytes(names["file"])
    found = container.read(path)
    assert isinstance(found, Container)
    ticket = Ticket.from_container(found, path)
    assert ticket.weights(0).ravel().tolist() == names["weights"]
    ticket.check(ticket.digest())


def test_whole_file_is_read_by_safetensors(names: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "page.slt"
    path.write_bytes(names["file"])
    assert {name: values.tolist() for name, values in load_safetensors(names["file"]).items()} == {"kept": [6]}
    with safe_open(path, "numpy") as opened:
        assert opened.metadata()["slt"] == names["slt"]
        assert list(opened.keys()) == ["kept"]
        assert opened.get_tensor("kept").tolist() == [6]
