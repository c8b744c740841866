"""Reading the `slt` entry of a file, and the source network of a checkpoint, without trusting a single value.

Nothing is imported here but the standard library, so that the size of a file can be told at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import FormatError, LimitError, shown
from .records import (
    CODECS,
    INITS,
    KEYS,
    MAX_DIMENSIONS,
    MAX_LAYERS,
    MAX_WEIGHTS,
    METHODS,
    NAME,
    SCALES,
    SEED_LIMIT,
    SOURCE_KEYS,
    THRESHOLD_ONE,
    VERSION,
    Header,
    Layer,
    ModelSpec,
    Ratios,
    Seeds,
    Source,
)

_MAX_DIGITS = 20
"""2^64 - 1 has as many; longer ones take Python a time that grows with their square."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(text: str) -> Any:
    """Reads JSON that is not trusted: no key twice in an object, no NaN, no integer of more than 20 digits.

    Raises:
        ValueError: the text is not such JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_short_integer)


def from_text(text: str, where: object, max_weights: int = MAX_WEIGHTS) -> Header:
    """Reads the `slt` entry and checks every value in it, before anything is made from it.

    Args:
        text: the entry.
        where: what to name in an error, usually the file.
        max_weights: the most weights that all layers together may have.

    Returns:
        The header, all of whose counts agree with each other.

    Raises:
        FormatError: a key or value is missing, unknown, of the wrong kind or inconsistent.
        LimitError: the layers have more than `max_weights` weights.
    """
    reader = _Reader(where)
    try:
        values = parse(text)
    except (ValueError, RecursionError) as error:
        raise reader.wrong("the slt entry", "JSON", f"an error: {error}") from error
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can spell halves of characters, which UTF-8 cannot write
        raise reader.wrong("the slt entry", "texts of whole characters", shown(error.object[error.start])) from error
    if not isinstance(values, dict):
        raise reader.wrong("the slt entry", "a JSON object", type(values).__name__)
    if type(values.get("version")) is not int or values["version"] != VERSION:
        raise FormatError(
            where,
            expected=f"version {VERSION} of the format",
            found=f"version {shown(values.get('version'))}",
            remedy="read the file with a newer sltpack",
        )
    if tuple(values) != KEYS:
        raise reader.wrong("the slt entry", f"the keys {', '.join(KEYS)}", ", ".join(map(str, values)))
    digest = values["weights_sha256"]
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise reader.wrong("weights_sha256", "64 lowercase hexadecimal digits", shown(digest))
    about = reader.mapping("about", values["about"])
    for key, value in about.items():
        if not isinstance(value, str):
            raise reader.wrong(f"about {key!r}", "a text", shown(value))
    codec = reader.one_of("the codec", values["codec"], CODECS)
    return Header(source_from(values, where, max_weights), codec, digest, about)


def source_from(values: Mapping[str, Any], where: object, max_weights: int = MAX_WEIGHTS) -> Source:
    """Reads a source network from JSON values, trusting none of them.

    Args:
        values: what `source_parts` gave; other keys are passed over.
        where: what to name in an error.
        max_weights: the most weights that all layers together may have.

    Returns:
        The source, all of whose counts agree with each other.

    Raises:
        FormatError: a value is missing, of the wrong kind or inconsistent.
        LimitError: the layers have more than `max_weights` weights.
    """
    reader = _Reader(where)
    if missing := [key for key in SOURCE_KEYS if key not in values]:
        raise reader.wrong("the source network", f"the keys {', '.join(SOURCE_KEYS)}", f"none for {missing[0]}")
    model = reader.mapping("model", values["model"])
    arguments = {key: value for key, value in model.items() if key != "name"}
    for key, value in arguments.items():
        if not isinstance(key, str):
            raise reader.wrong("model", "texts as keys", shown(key))
        reader.argument(f"model {key}", value)
    seeds = reader.mapping("seeds", values["seeds"], ("weights", "freezing"))
    ratios = reader.mapping("ratios", values["ratios"], ("method", "prune", "lock"))
    return Source(
        model=ModelSpec(reader.text("the model's name", model.get("name")), arguments),
        init=reader.one_of("init", values["init"], INITS),
        scale=reader.one_of("scale", values["scale"], SCALES),
        seeds=Seeds(
            reader.integer("the seed for weights", seeds["weights"], SEED_LIMIT - 1),
            reader.integer("the seed for freezing", seeds["freezing"], SEED_LIMIT - 1),
        ),
        ratios=Ratios(
            reader.one_of("the ratios' method", ratios["method"], METHODS),
            reader.share("the pruning ratio", ratios["prune"]),
            reader.share("the locking ratio", ratios["lock"]),
        ),
        layers=reader.layers(values["layers"], max_weights),
    )


@dataclass(frozen=True)
class _Reader:
    """The checks of single values; each returns the value with its type made sure of."""

    where: object

    def wrong(self, what: str, expected: str, found: str) -> FormatError:
        remedy = "the file is damaged or was not written by sltpack"
        return FormatError(f"{self.where}: {what}", expected=expected, found=found, remedy=remedy)

    def mapping(self, what: str, value: object, keys: tuple[str, ...] | None = None) -> dict[str, Any]:
        if not isinstance(value, dict) or (keys is not None and tuple(value) != keys):
            raise self.wrong(what, f"an object with {', '.join(keys)}" if keys else "an object", shown(value))
        return value

    def text(self, what: str, value: object) -> str:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise self.wrong(what, "a name of 1 to 256 characters without spaces", shown(value))
        return value

    def one_of(self, what: str, value: object, known: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in known:
            raise FormatError(
                f"{self.where}: {what}",
                expected=" or ".join(known),
                found=shown(value),
                remedy="read the file with a newer sltpack, or get it anew",
            )
        return value

    def integer(self, what: str, value: object, highest: int, lowest: int = 0) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.wrong(what, f"an integer in {lowest}..{highest}", shown(value))
        return value

    def share(self, what: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(what, "a number in 0..1", shown(value))
        return abs(float(value))  # so that -0.0 is no second spelling of 0.0

    def argument(self, what: str, value: object) -> None:
        # JSON cannot write infinity, but 1e999 is read as it.
        finite = not isinstance(value, float) or math.isfinite(value)
        plain = isinstance(value, bool | int | float | str) and finite
        if not plain and not (isinstance(value, list) and all(isinstance(item, int) for item in value)):
            raise self.wrong(what, "a finite number, a text or a list of integers", shown(value))

    def layers(self, value: object, max_weights: int) -> tuple[Layer, ...]:
        if not isinstance(value, list) or not value:
            raise self.wrong("the layer table", "a list with a row for each layer", shown(value))
        if len(value) > MAX_LAYERS:
            raise self.wrong("the layer table", f"at most {MAX_LAYERS} layers", f"{len(value)}")
        layers = tuple(self.layer(f"layer {number}", row) for number, row in enumerate(value))
        if len({layer.name for layer in layers}) != len(layers):
            raise self.wrong("the layer table", "different names", "a name that stands twice")
        size = sum(layer.size for layer in layers)
        if size > max_weights:
            raise LimitError(
                self.where,
                expected=f"at most {max_weights} weights",
                found=f"{size} weights",
                remedy=f"if you trust the file, allow as many (--max-weights {size}, or max_weights= in Python)",
            )
        return layers

    def layer(self, what: str, row: object) -> Layer:
        if not isinstance(row, list) or len(row) != 7:
            raise self.wrong(what, "[name, shape, T_p, T_f, pruned, locked, kept]", shown(row))
        name, shape, *numbers = row
        if not isinstance(shape, list) or not 2 <= len(shape) <= MAX_DIMENSIONS:
            raise self.wrong(what, f"a shape of 2 to {MAX_DIMENSIONS} dimensions", shown(shape))
        dimensions = tuple(self.integer(f"{what}: a dimension", size, 2**63 - 1, 1) for size in shape)
        size = math.prod(dimensions)
        prune_threshold = self.integer(f"{what}: T_p", numbers[0], THRESHOLD_ONE)
        freeze_threshold = self.integer(f"{what}: T_f", numbers[1], THRESHOLD_ONE, prune_threshold)
        pruned = self.integer(f"{what}: the pruned count", numbers[2], size)
        locked = self.integer(f"{what}: the locked count", numbers[3], size - pruned)
        kept = self.integer(f"{what}: the kept count", numbers[4], size - pruned, locked)
        impossible = (
            (prune_threshold == 0 and pruned > 0)
            or (prune_threshold == freeze_threshold and locked > 0)
            or (freeze_threshold == THRESHOLD_ONE and pruned + locked < size)
        )
        if impossible:
            raise self.wrong(what, "counts that its thresholds can lead to", f"{numbers}")
        return Layer(
            self.text(f"{what}: the name", name), dimensions, prune_threshold, freeze_threshold, pruned, locked, kept
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _short_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
