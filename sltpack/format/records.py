"""What a ticket is made from, as frozen records, and their text in a `.slt` file (docs/format.md, "The slt entry").

Nothing is imported here but the standard library, so that the size of a file can be told at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

VERSION = 1
SOURCE_KEYS = ("model", "init", "scale", "seeds", "ratios", "layers")
KEYS = ("version", *SOURCE_KEYS, "codec", "weights_sha256", "about")
INITS = ("ku", "skc")
SCALES = ("none", "layer", "global")
METHODS = ("epl", "erk")
CODECS = ("raw", "rans")
THRESHOLD_ONE = 2**32
SEED_LIMIT = 2**64
MAX_WEIGHTS = 2**28
"""The most weights that a file may ask for unless the caller says otherwise: 1 GiB of float32."""
NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
"""What layers and models may be called."""
MAX_DIMENSIONS = 8
MAX_LAYERS = 2**12
"""Ten times as many as the deepest networks have."""


@dataclass(frozen=True)
class ModelSpec:
    """A model by name, with the arguments that its builder needs (JSON values)."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Seeds:
    """The two 64-bit seeds of a ticket."""

    weights: int
    freezing: int


@dataclass(frozen=True)
class Ratios:
    """The global ratios that were asked for, and the method that made layer ratios of them."""

    method: str
    prune: float
    lock: float


@dataclass(frozen=True)
class Layer:
    """One searchable layer: its shape, the two thresholds of its freezing mask, and the counts they lead to.

    Attributes:
        name: the module's name; its parameter is `name + ".weight"`.
        shape: [out, in, ...], all at least 1.
        prune_threshold: T_p, in units of 2^-32.
        freeze_threshold: T_f >= T_p, in units of 2^-32.
        pruned: positions whose key is below T_p.
        locked: positions whose key is in T_p..T_f.
        kept: non-zero weights of the finished ticket, the locked ones counted.
    """

    name: str
    shape: tuple[int, ...]
    prune_threshold: int
    freeze_threshold: int
    pruned: int
    locked: int
    kept: int

    @property
    def size(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)

    @property
    def fan_in(self) -> int:
        """The product of all dimensions but the first."""
        return math.prod(self.shape[1:])

    @property
    def searched(self) -> int:
        """The number of positions that are searched."""
        return self.size - self.pruned - self.locked

    @property
    def searched_kept(self) -> int:
        """The number of searched positions that the supermask keeps."""
        return self.kept - self.locked

    @property
    def parameter(self) -> str:
        """The name of the layer's weight in the model's state dict."""
        return f"{self.name}.weight"


@dataclass(frozen=True)
class Source:
    """The source network and its freezing: all that a ticket's weights depend on but the supermask.

    Before the search, `kept` of a layer is the number of its locked weights.
    """

    model: ModelSpec
    init: str
    scale: str
    seeds: Seeds
    ratios: Ratios
    layers: tuple[Layer, ...]

    @cached_property
    def size(self) -> int:
        """The number of weights of all layers, N."""
        return sum(layer.size for layer in self.layers)

    @cached_property
    def pruned(self) -> int:
        """The number of weights that freezing pruned."""
        return sum(layer.pruned for layer in self.layers)

    @cached_property
    def locked(self) -> int:
        """The number of weights that freezing locked."""
        return sum(layer.locked for layer in self.layers)

    @cached_property
    def searched(self) -> int:
        """The size of the search space."""
        return sum(layer.searched for layer in self.layers)

    @cached_property
    def kept(self) -> int:
        """The number of non-zero weights, the locked ones counted."""
        return sum(layer.kept for layer in self.layers)

    @cached_property
    def sparsity(self) -> float:
        """k: the share of all weights that are zero in the ticket."""
        return 1 - self.kept / self.size


@dataclass(frozen=True)
class Header:
    """The `slt` entry of a file."""

    source: Source
    codec: str
    weights_sha256: str
    about: Mapping[str, str]


def compact(value: object) -> str:
    """Writes a JSON value as the file has it: no spaces, keys as given, text beyond ASCII as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parts(header: Header) -> dict[str, object]:
    """Gives the `slt` entry's JSON values by key, in the order of the file."""
    return {
        "version": VERSION,
        **source_parts(header.source),
        "codec": header.codec,
        "weights_sha256": header.weights_sha256,
        "about": dict(header.about),
    }


def source_parts(source: Source) -> dict[str, object]:
    """Gives a source network as JSON values by key, as files and checkpoints hold it."""
    return {
        "model": {"name": source.model.name, **source.model.arguments},
        "init": source.init,
        "scale": source.scale,
        "seeds": {"weights": source.seeds.weights, "freezing": source.seeds.freezing},
        "ratios": {"method": source.ratios.method, "prune": source.ratios.prune, "lock": source.ratios.lock},
        "layers": [layer_row(layer) for layer in source.layers],
    }


def layer_row(layer: Layer) -> list[object]:
    """Gives a layer as the row that stands in the file."""
    return [
        layer.name,
        list(layer.shape),
        layer.prune_threshold,
        layer.freeze_threshold,
        layer.pruned,
        layer.locked,
        layer.kept,
    ]


def to_text(header: Header) -> str:
    """Writes the `slt` entry.

    Returns:
        One JSON object, compact, keys in the order of the format.
    """
    return compact(parts(header))
