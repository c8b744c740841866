"""Where every bit of a `.slt` file goes, worked out from the header alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Protocol

from . import payload as payloads
from . import records as headers
from .container import Container, encode, tensor_entries
from .records import KEPT, Layer

FLOAT32_BITS = 32
_OPTIONAL_PARTS = {
    "buffer_table": "buffers",
    **{name: name for name in ("input", "classes", "results", "outputs")},
}
"""Parts that a file need not have, and their keys in the header."""


@dataclass(frozen=True)
class LayerAccount:
    """One layer's share.

    Attributes:
        name: the layer's name.
        shape: its weight's shape.
        weights: how many there are.
        pruned: how many are pruned for good.
        locked: how many are locked for good.
        searched: how many are searched.
        kept: how many are not zero, the locked ones counted.
        entropy_bits: of its part of the supermask.
        written: how its part is written: "empty", "raw" or "coded".
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    pruned: int
    locked: int
    searched: int
    kept: int
    entropy_bits: float
    written: str


@dataclass(frozen=True)
class Account:
    """The size of a file, in bits, and what it is compared with.

    Attributes:
        file_bits: the whole file.
        parts: bits by name; they add up to `file_bits`.
        weights: of the network.
        pruned: for good.
        locked: for good.
        searched: the size of the search space.
        kept: weights that are not zero, the locked ones counted.
        supermask_bits: as it is written.
        supermask_parts: its bits by name; they add up to `supermask_bits`.
        paper_bits: as the paper counts a ticket: one bit per searched weight.
        entropy_bits: of the supermask, with one density a layer.
        dense_bits: the same network with every weight and buffer as float32.
        layers: each layer's share.
        origin: where the kept weights come from: "seeded", "signs stored" or "values stored".
    """

    file_bits: int
    parts: dict[str, int]
    weights: int
    pruned: int
    locked: int
    searched: int
    kept: int
    supermask_bits: int
    supermask_parts: dict[str, int]
    paper_bits: int
    entropy_bits: float
    dense_bits: int
    layers: tuple[LayerAccount, ...]
    origin: str

    @property
    def sparsity(self) -> float:
        """k: the share of all weights that are zero."""
        return 1 - self.kept / self.weights


class Packable(Protocol):
    """What becomes a file, such as a ticket."""

    def to_container(self) -> Container:
        """Return what the file is made of."""


def account(file: Container | Packable) -> Account:
    """Return where every bit of a file goes.

    >>> import sltpack
    >>> sltpack.account(sltpack.load("conv6-cifar10")).searched
    1132224

    Args:
        file: what was read from it, or the ticket that becomes one; of its tensors, only the sizes count.

    Returns:
        The account. Its parts: `supermask` and `buffers` (their bytes), `layer_table`, `seeds`, `digests` and `about`
        (their values as they are spelled in the header), `tensor_table` (safetensors' entries of the tensors), and
        `container` (all else: the model, keys, braces, padding); where the file has them, the bytes of each further
        plane, of `steps` and `values`, and the spelling of `buffer_table`, `input`, `classes`, `results`, `outputs` and
        of what is unknown (`extra`). Those of the supermask: `raw_bits`, `states`, `words` and `lane_count`
        (docs/format.md, "The codec rans").

    Raises:
        FormatError: the payload does not fit the layer table.
    """
    container = file if isinstance(file, Container) else file.to_container()
    header = container.header
    source = header.source
    file_bytes = container.file_bytes or len(encode(container))
    values, sizes = headers.parts(header), {name: len(data) for name, data in container.tensors.items()}
    parts = {
        "supermask": sizes.pop(KEPT),
        "buffers": sum(sizes.pop(name) for name in tuple(sizes) if name.startswith("buffers.")),
        "layer_table": _spelled(values["layers"]),
        "seeds": _spelled(values["seeds"]),
        # Two SHA-256 in hexadecimal, one of the weights and one of the file.
        "digests": 2 * len(header.weights_sha256),
        "about": _spelled(values["about"]),
        # Without the braces around them.
        "tensor_table": len(headers.compact(tensor_entries(container)).encode("utf-8")) - 2,
        **{name.partition(".")[0]: size for name, size in sizes.items()},
        **{name: _spelled(values[key]) for name, key in _OPTIONAL_PARTS.items() if key in values},
        **({"extra": _spelled(dict(header.extra)) - 2} if header.extra else {}),
    }
    parts["container"] = file_bytes - sum(parts.values())
    payload = payloads.take_apart(header.codec, container.kept, source.bits_of(KEPT), f"ticket: {KEPT}")
    supermask_parts = {"raw_bits": len(payload.raw), "states": len(payload.states), "words": len(payload.words)}
    supermask_parts["lane_count"] = parts["supermask"] - sum(supermask_parts.values())
    layers = tuple(_layer_account(layer, way) for layer, way in zip(source.layers, payload.ways, strict=True))
    buffer_values = sum(len(row.buffers) * row.size for row in header.buffers)
    return Account(
        file_bits=8 * file_bytes,
        parts={name: 8 * size for name, size in parts.items()},
        weights=source.size,
        pruned=source.pruned,
        locked=source.locked,
        searched=source.searched,
        kept=source.kept,
        supermask_bits=8 * parts["supermask"],
        supermask_parts={name: 8 * size for name, size in supermask_parts.items()},
        paper_bits=source.searched,
        entropy_bits=sum(layer.entropy_bits for layer in layers),
        dense_bits=FLOAT32_BITS * (source.size + buffer_values),
        layers=layers,
        origin=container.origin,
    )


def entropy_bits(length: int, ones: int) -> float:
    """Return the entropy of a string of bits by its density.

    Args:
        length: how many bits.
        ones: how many of them are ones.

    Returns:
        length * H(ones / length), in bits.
    """
    zeros = length - ones
    return sum(-count * math.log2(count / length) for count in (ones, zeros) if count)


def _layer_account(layer: Layer, way: str) -> LayerAccount:
    bits = entropy_bits(layer.searched, layer.searched_kept)
    return LayerAccount(
        layer.name, layer.shape, layer.size, layer.pruned, layer.locked, layer.searched, layer.kept, bits, way
    )


def _spelled(value: object) -> int:
    """Bytes that a value of the slt entry takes in the file: JSON within a JSON text, so quotes cost two bytes."""
    return len(json.dumps(headers.compact(value), ensure_ascii=False).encode("utf-8")) - 2
