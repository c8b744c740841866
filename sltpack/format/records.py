"""What a ticket is made from, as frozen records, and their text in a `.slt` file (docs/format.md, "The slt entry").

Nothing is imported here but the standard library, so that the size of a file can be told at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

VERSION = 1
SOURCE_KEYS = ("model", "init", "scale", "seeds", "ratios", "planes", "layers")
KEYS = (
    *("version", *SOURCE_KEYS, "buffers", "codec", "weights_sha256"),
    *("input", "classes", "results", "outputs", "about"),
)
OPTIONAL = ("planes", "buffers", "input", "classes", "results", "outputs")
"""Keys that are left out where they would say nothing."""
INITS = ("ku", "skc")
"""What a stream is read for."""
UNNAMED = "unnamed"
"""The model of a ticket that another code found, whose checkpoint names no network that sltpack builds."""
NO_INIT = "none"
"""The init of a ticket of which no weight comes from a stream."""
SCALES = ("none", "layer", "global")
"""How a step is computed."""
STORED = "stored"
"""The scale of a ticket whose steps stand in the file."""
KEPT, SIGN = "kept", "sign"
MAX_COATS = 15
"""So that no square of a multiplicity passes 2^8 (docs/format.md, "Weights")."""
COATS = tuple(f"coat {number}" for number in range(2, MAX_COATS + 1))
BUFFER_KINDS = ("f32", "f16", "norm-f32", "norm-f16", "norm-q8")
NORM = "norm-"
"""How the kinds begin that hold the mean and the variance of a normalisation."""
NORM_ENDS = (".running_mean", ".running_var")
"""What the two buffers of such a row have behind the row's name, in their order."""
PARTS = ("validation", "test")
FITS = ("cover", "center-crop")
"""How a picture is brought to the input's size (docs/format.md, "Running it")."""
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
MAX_NAMES = 2**12
"""The most parameters or buffers that share the numbers of a row."""
ITSELF = "="
"""What precedes the name of a parameter in the layer table; without it, a name is that of a module."""


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
class LayerBits:
    """What is known of a layer's part of a plane before its bits are read.

    Attributes:
        length: how many bits it has.
        ones: how many of them are 1.
    """

    length: int
    ones: int


@dataclass(frozen=True)
class Layer:
    """One searchable layer: its shape, the two thresholds of its freezing mask, and the counts they lead to.

    Attributes:
        names: of all that use its weights, usually one module; a name that begins with "=" is a parameter's own.
        shape: [out, in, ...], all at least 1.
        prune_threshold: T_p, in units of 2^-32.
        freeze_threshold: T_f >= T_p, in units of 2^-32.
        pruned: positions whose key is below T_p.
        locked: positions whose key is in T_p..T_f.
        kept: weights that are in the finished ticket, the locked ones counted.
        further: the ones in each plane beyond `kept`, in their order.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    prune_threshold: int
    freeze_threshold: int
    pruned: int
    locked: int
    kept: int
    further: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The first name, by which the layer is called."""
        return self.names[0].removeprefix(ITSELF)

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
        """The first name of the layer's weight in the model's state dict."""
        return self.parameters[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """All names of the layer's weight in the model's state dict."""
        return tuple(parameter_of(name) for name in self.names)


@dataclass(frozen=True)
class Source:
    """The source network and its freezing: all that a ticket's weights depend on but what was searched.

    Before the search, `kept` of a layer is the number of its locked weights.

    Attributes:
        model: by name.
        init: one of `INITS`, or `NO_INIT`.
        scale: one of `SCALES`, or `STORED`.
        seeds: for weights and for freezing.
        ratios: as they were asked for.
        layers: in the order in which the model defines them.
        planes: beyond `kept`, in their order: some of `COATS` from the first, then `SIGN`, each if there.
    """

    model: ModelSpec
    init: str
    scale: str
    seeds: Seeds
    ratios: Ratios
    layers: tuple[Layer, ...]
    planes: tuple[str, ...] = ()

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

    @cached_property
    def coats(self) -> int:
        """How many planes say how often a weight counts, `kept` being the first."""
        return 1 + len(self.planes) - (SIGN in self.planes)

    def bits_of(self, plane: str) -> tuple[LayerBits, ...]:
        """Return what is known of each layer's part of a plane: its population and its ones.

        Args:
            plane: `KEPT` or one of `planes`.
        """
        if plane == KEPT:
            return tuple(LayerBits(layer.searched, layer.searched_kept) for layer in self.layers)
        column = self.planes.index(plane)
        before = 0 if plane == SIGN else column
        return tuple(
            LayerBits(layer.further[before - 1] if before else layer.searched_kept, layer.further[column])
            for layer in self.layers
        )

    def squares(self, layer: Layer) -> int:
        """Return the sum of the squares of a layer's multiplicities, which without coats is its number of weights.

        Args:
            layer: one of `layers`.
        """
        # A weight of multiplicity m is in the coats 1 to m, and 1 + 3 + ... + (2 m - 1) is m^2.
        coats = layer.further[: self.coats - 1]
        return layer.kept + sum((2 * number - 1) * count for number, count in enumerate(coats, 2))


@dataclass(frozen=True)
class BufferRow:
    """One buffer, or the mean and the variance of one normalisation, which cannot come from a seed.

    Attributes:
        names: of all that share it, usually one: of the buffer in the model's state dict; of a pair, what stands
            before `.running_mean`.
        shape: of the buffer, or of each of the pair.
        kind: one of `BUFFER_KINDS`.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    kind: str

    @property
    def name(self) -> str:
        """The first name, by which the row is called."""
        return self.names[0]

    @property
    def size(self) -> int:
        """The number of values of one buffer."""
        return math.prod(self.shape)

    @property
    def buffers(self) -> tuple[tuple[str, ...], ...]:
        """For each buffer of the row, one or two, all its names in the model's state dict."""
        ends = NORM_ENDS if self.kind.startswith(NORM) else ("",)
        return tuple(tuple(name + end for name in self.names) for end in ends)

    @property
    def all_names(self) -> tuple[str, ...]:
        """All names of all its buffers in the model's state dict."""
        return tuple(name for names in self.buffers for name in names)


@dataclass(frozen=True)
class ImageInput:
    """How pictures become the numbers that a network takes.

    Attributes:
        range: what the bytes 0 and 255 of a pixel become before they are normalised.
        mean: of each channel, which is taken away.
        deviation: of each channel, by which the difference is divided.
        fit: how a picture is brought to the input's size, one of `FITS`.
    """

    range: tuple[float, float]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    fit: str


@dataclass(frozen=True)
class GraphInput:
    """How a graph becomes what a network takes.

    Attributes:
        features: how a node's features are scaled; "unscaled" leaves them as they are.
        edges: which nodes are neighbours; "undirected" makes both ends of an edge neighbours of each other, once.
    """

    features: str
    edges: str


INPUTS: dict[str, type[ImageInput] | type[GraphInput]] = {"image": ImageInput, "graph": GraphInput}
"""The kinds of `input` by name."""


@dataclass(frozen=True)
class Result:
    """What was measured on a part of a data set.

    Attributes:
        data: the data set's name.
        part: one of `PARTS`.
        accuracy: the share of right predictions.
        count: of images or nodes.
        epochs: of the search until then.
        date: as YYYY-MM-DD.
        sltpack: the version that measured.
    """

    data: str | None = None
    part: str | None = None
    accuracy: float | None = None
    count: int | None = None
    epochs: int | None = None
    date: str | None = None
    sltpack: str | None = None


@dataclass(frozen=True)
class Header:
    """The `slt` entry of a file.

    Attributes:
        source: the source network, with the counts of the ticket.
        codec: how all planes are written, one of `CODECS`.
        weights_sha256: of the effective weights.
        about: free texts.
        buffers: what cannot come from a seed, in the order of the model's state dict.
        input: how the network is fed; None where it is unknown.
        classes: the names of the classes, by label; none where they are unknown.
        results: what was measured.
        outputs: the classes that were predicted on generated inputs (docs/format.md, "Running it").
        extra: JSON values of entries that this version does not know. They stand behind `about`.
    """

    source: Source
    codec: str
    weights_sha256: str
    about: Mapping[str, str]
    buffers: tuple[BufferRow, ...] = ()
    input: ImageInput | GraphInput | None = None
    classes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    outputs: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def parameter_of(name: str) -> str:
    """Return the name of the parameter that a name of the layer table stands for.

    Args:
        name: a module's name, or "=" and a parameter's.
    """
    return name[len(ITSELF) :] if name.startswith(ITSELF) else f"{name}.weight"


def compact(value: object) -> str:
    """Write a JSON value as the file has it: no spaces, keys as given, text beyond ASCII as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parts(header: Header) -> dict[str, object]:
    """Return the `slt` entry's JSON values by key, in the order of the file."""
    values: dict[str, object] = {
        "version": VERSION,
        **source_parts(header.source),
        "buffers": [[written_names(row.names), list(row.shape), row.kind] for row in header.buffers],
        "codec": header.codec,
        "weights_sha256": header.weights_sha256,
        "input": input_parts(header.input),
        "classes": list(header.classes),
        "results": [known_parts(result) for result in header.results],
        "outputs": list(header.outputs),
        "about": dict(header.about),
    }
    return {key: value for key, value in values.items() if value or key not in OPTIONAL} | dict(header.extra)


def source_parts(source: Source) -> dict[str, object]:
    """Return a source network as JSON values by key, as files and checkpoints hold it."""
    return {
        "model": {"name": source.model.name, **source.model.arguments},
        "init": source.init,
        "scale": source.scale,
        "seeds": {"weights": source.seeds.weights, "freezing": source.seeds.freezing},
        "ratios": {"method": source.ratios.method, "prune": source.ratios.prune, "lock": source.ratios.lock},
        **({"planes": list(source.planes)} if source.planes else {}),
        "layers": [layer_row(layer) for layer in source.layers],
    }


def layer_row(layer: Layer) -> list[object]:
    """Return a layer as the row that stands in the file."""
    return [
        written_names(layer.names),
        list(layer.shape),
        layer.prune_threshold,
        layer.freeze_threshold,
        layer.pruned,
        layer.locked,
        layer.kept,
        *layer.further,
    ]


def written_names(names: tuple[str, ...]) -> str | list[str]:
    """Return the names of a row as it has them: one as a text, several as a list."""
    return names[0] if len(names) == 1 else list(names)


def input_parts(given: ImageInput | GraphInput | None) -> dict[str, object]:
    """Return the entry `input` as JSON values by key; none where nothing is known."""
    kinds = {kind: name for name, kind in INPUTS.items()}
    return {} if given is None else {"kind": kinds[type(given)], **known_parts(given)}


def known_parts(record: ImageInput | GraphInput | Result) -> dict[str, object]:
    """Return the fields of a record that are known, as JSON values by name."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    known = {name: value for name, value in values.items() if value is not None}
    # A number that may have a fraction is always written with one, so that the same record is the same text.
    return known | {
        name: [float(number) for number in value] if isinstance(value, tuple) else float(value)
        for name, value in known.items()
        if isinstance(value, tuple) or name == "accuracy"
    }


def to_text(header: Header) -> str:
    """Write the `slt` entry.

    Returns:
        One JSON object, compact, keys in the order of the format.
    """
    return compact(parts(header))
