"""Every bit of a file is accounted for, against the file itself and slow formulas."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.format import records as header
from sltpack.format.accounting import account, entropy_bits
from sltpack.format.container import Container, encode
from sltpack.format.records import CODECS, ImageInput, ModelSpec, Ratios, Result, Seeds
from sltpack.source.network import make_source
from sltpack.tickets.ticket import Ticket

SHAPES = {"conv1": (8, 3, 3, 3), 'the-"last"-\\-läyer': (10, 40), "linear": (5, 10)}


def container_of(
    about: dict[str, str] | None = None, prune: float = 0.25, lock: float = 0.25, codec: str = "raw"
) -> Container:
    seeds = Seeds(2**64 - 1, 7)
    source = make_source(ModelSpec("test", {}), SHAPES, "ku", "none", seeds, Ratios("epl", prune, lock))
    random = np.random.default_rng(1)
    masks = [
        random.random(layer.searched) < density for layer, density in zip(source.layers, (0.1, 0.5, 1.0), strict=True)
    ]
    buffers = {"nörm.mean": np.zeros(8, np.float32), "norm.variance": np.ones((2, 4), np.float16)}
    return Ticket.create(source, masks, buffers, about or {}).to_container(codec)


def between(data: bytes, start: bytes, stop: bytes) -> bytes:
    begin = data.index(start) + len(start)
    return data[begin : data.index(stop, begin)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("about", [{}, {"data": 'a "set"\n', "classes": '["één","two"]'}])
def test_each_part_is_what_stands_in_the_file(about: dict[str, str], codec: str) -> None:
    container = container_of(about, codec=codec)
    data = encode(container)
    found = account(container)
    assert found.file_bits == 8 * len(data)
    assert sum(found.parts.values()) == found.file_bits
    parts = {name: bits // 8 for name, bits in found.parts.items()}
    assert parts == {
        "supermask": len(container.kept),
        "buffers": 8 * 4 + 8 * 2,
        "layer_table": len(between(data, rb"\"layers\":", rb",\"buffers\":")),
        "seeds": len(between(data, rb"\"seeds\":", rb",\"ratios\":")),
        "digests": 2 * len(hashlib.sha256().hexdigest()),
        "about": len(between(data, rb"\"about\":", b'"},"buffers.f32"')) - len(b"}"),
        "tensor_table": len(between(data, b'"},"buffers.', b"}}")) + len(b'"buffers.}'),
        "buffer_table": len(between(data, rb"\"buffers\":", rb",\"codec\":")),
        "container": parts["container"],
    }


def test_bits_a_searched_weight() -> None:
    raw, coded = account(container_of(codec="raw")), account(container_of(codec="rans"))
    assert raw.supermask_bits == raw.parts["supermask"] == 8 * -(-raw.searched // 8)
    assert coded.supermask_bits == coded.parts["supermask"] >= coded.entropy_bits


def test_the_parts_of_the_supermask_and_how_layers_are_written() -> None:
    raw, coded = account(container_of(codec="raw")), account(container_of(codec="rans"))
    for found in (raw, coded):
        assert sum(found.supermask_parts.values()) == found.supermask_bits
    assert raw.supermask_parts == {"raw_bits": raw.supermask_bits, "states": 0, "words": 0, "lane_count": 0}
    assert [layer.written for layer in raw.layers] == ["raw"] * 3
    payload = container_of(codec="rans").kept
    lanes = int.from_bytes(payload[:2], "little")
    words = coded.supermask_bits - 16 - 64 * lanes
    assert coded.supermask_parts == {"raw_bits": 0, "states": 64 * lanes, "words": words, "lane_count": 16}
    assert lanes > 0 and words > 0
    assert [layer.written for layer in coded.layers] == ["coded", "coded", "empty"]
    assert coded.layers[1].searched != 2 * (coded.layers[1].kept - coded.layers[1].locked)


EVERYTHING: dict[str, Any] = {
    "input": ImageInput((0, 1), (0.5,), (0.25,), "cover"),
    "classes": ("å", 'b"'),
    "results": (Result(accuracy=0.5),),
    "outputs": (1, 2, 3),
}


def test_what_few_files_have() -> None:
    """Planes, steps, values and the entries that may be left out each have a part of their own."""
    source = replace(
        make_source(ModelSpec("test", {}), SHAPES, "skc", "layer", Seeds(1, 2), Ratios("epl", 0.25, 0.25)),
        scale="stored",
    )
    kept = [np.arange(layer.searched) % 2 == 0 for layer in source.layers]
    further = {name: [np.arange(mask.sum()) % 2 == 0 for mask in kept] for name in ("coat 2", "sign")}
    steps = np.ones(3, np.float32)
    signed = Ticket.create(source, kept, {}, {}, further=further, steps=steps, **EVERYTHING)
    signed = replace(signed, extra={"later": [1]})
    found, text = account(signed.to_container("raw")), header.to_text(signed.to_container("raw").header)
    assert found.origin == "signs stored"
    assert sum(found.parts.values()) == found.file_bits == 8 * len(encode(signed.to_container("raw")))
    ones = sum(int(mask.sum()) for mask in kept)
    assert found.parts["coat 2"] == found.parts["sign"] == 8 * -(-ones // 8)
    assert found.parts["steps"] == 8 * 12
    values = json.loads(text)
    for name in (*EVERYTHING, "extra"):
        spelled = json.dumps(header.compact(values["later"] if name == "extra" else values[name]), ensure_ascii=False)
        key = len(rb"\"later\":") if name == "extra" else 0
        assert found.parts[name] == 8 * (len(spelled.encode()) - 2 + key)
    valued = Ticket.create(source, kept, {}, {}, steps=steps, values=np.ones(ones, np.float16))
    assert account(valued.to_container("raw")).parts["values"] == 8 * 2 * ones
    assert account(valued.to_container("raw")).origin == "values stored"


def test_a_file_of_the_plane_kept_alone_has_no_part_of_its_own_for_others() -> None:
    assert list(account(container_of()).parts) == [
        *(
            "supermask",
            "buffers",
            "layer_table",
            "seeds",
            "digests",
            "about",
            "tensor_table",
            "buffer_table",
            "container",
        )
    ]
    assert account(container_of()).origin == "seeded"


def test_counts_are_those_of_the_layers() -> None:
    container = container_of()
    source = container.header.source
    found = account(container)
    assert (found.weights, found.searched, found.pruned, found.locked, found.kept) == (
        source.size,
        source.searched,
        source.pruned,
        source.locked,
        source.kept,
    )
    assert found.weights == found.searched + found.pruned + found.locked == sum(map(math.prod, SHAPES.values()))
    assert found.sparsity == source.sparsity == 1 - source.kept / source.size
    assert [(layer.name, layer.shape) for layer in found.layers] == list(SHAPES.items())
    for name in ("weights", "pruned", "locked", "searched", "kept", "entropy_bits"):
        assert sum(getattr(layer, name) for layer in found.layers) == getattr(found, name)


def test_what_the_file_is_compared_with() -> None:
    container = container_of()
    found = account(container)
    assert found.paper_bits == found.searched
    assert found.dense_bits == 32 * (found.weights + 16)  # float16 buffers are compared as float32, too
    assert found.entropy_bits == pytest.approx(
        sum(slow_entropy(layer.searched, layer.searched_kept) for layer in container.header.source.layers)
    )


def test_of_the_payload_only_the_sizes_count() -> None:
    container = container_of()
    bits = np.unpackbits(np.frombuffer(container.kept, np.uint8), bitorder="little")
    searched = container.header.source.searched
    turned = np.concatenate([bits[:searched][::-1], bits[searched:]])
    assert (turned != bits).any()
    zeros = {name: bytes(len(data)) for name, data in container.tensors.items()}
    other = replace(container, tensors=zeros | {"kept": np.packbits(turned, bitorder="little").tobytes()})
    assert account(other) == account(container)


def test_a_network_frozen_as_a_whole_has_no_supermask() -> None:
    found = account(container_of(prune=0.5, lock=0.5))
    assert found.parts["supermask"] == found.paper_bits == found.entropy_bits == found.searched == 0
    assert sum(found.parts.values()) == found.file_bits


def slow_entropy(length: int, ones: int) -> float:
    """-log2 of the likelihood of a string under its own density, one bit after the other."""
    bits = [True] * ones + [False] * (length - ones)
    return math.fsum(-math.log2((ones if bit else length - ones) / length) for bit in bits)


@given(st.integers(0, 400), st.data())
@settings(deadline=None, derandomize=True)
def test_entropy(length: int, data: st.DataObject) -> None:
    ones = data.draw(st.integers(0, length))
    found = entropy_bits(length, ones)
    assert found == pytest.approx(slow_entropy(length, ones), abs=1e-9)
    assert found == pytest.approx(entropy_bits(length, length - ones), abs=1e-9)
    assert 0 <= found <= length + 1e-9
    # No code for all strings of this length and count can be shorter than their number, and this is not much longer.
    assert math.log2(math.comb(length, ones)) <= found + 1e-6


def test_entropy_by_hand() -> None:
    assert entropy_bits(8, 4) == 8
    assert entropy_bits(4, 1) == pytest.approx(2 + 3 * math.log2(4 / 3))
    assert entropy_bits(9, 0) == entropy_bits(9, 9) == entropy_bits(0, 0) == 0
