"""Reading the `slt` entry of a file, and the source network of a checkpoint, without trusting a single value.

Nothing is imported here but the standard library, so that the size of a file can be told at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import FormatError, LimitError, shown
from .records import (
    BUFFER_KINDS,
    COATS,
    CODECS,
    INITS,
    INPUTS,
    ITSELF,
    KEYS,
    MAX_DIMENSIONS,
    MAX_LAYERS,
    MAX_NAMES,
    MAX_WEIGHTS,
    NAME,
    NO_INIT,
    OPTIONAL,
    SCALES,
    SEED_LIMIT,
    SIGN,
    SOURCE_KEYS,
    STORED,
    THRESHOLD_ONE,
    VERSION,
    BufferRow,
    GraphInput,
    Header,
    ImageInput,
    Layer,
    ModelSpec,
    Ratios,
    Result,
    Seeds,
    Source,
)

_MAX_DIGITS = 20
"""2^64 - 1 has as many; longer ones take Python a time that grows with their square."""
_MAX_DEPTH = 32
"""Of lists and objects in each other; what is read must also be written again."""
_MAX_CLASSES = 2**17
_MAX_CHANNELS = 2**10
_MAX_RESULTS = _MAX_OUTPUTS = 2**10
_LARGEST, _SMALLEST = 2.0**127, 2.0**-126
"""What float32 holds without losing digits."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse(text: str) -> Any:
    """Read JSON that is not trusted: no key twice, no NaN or infinity, no integer of over 20 digits, no deep nesting.

    Raises:
        ValueError: the text is not such JSON.
        RecursionError: it is nested too deeply.
    """
    values = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_int=_short_integer,
        parse_float=_finite_number,
    )
    level = [values]
    for _ in range(_MAX_DEPTH):
        lists = [value for value in level if isinstance(value, list | dict)]
        level = [inner for value in lists for inner in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return values
    raise ValueError(f"more than {_MAX_DEPTH} lists and objects in each other")


def from_text(text: str, where: object, max_weights: int = MAX_WEIGHTS) -> Header:
    """Read the `slt` entry and check every value in it, before anything is made from it.

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
    _require_keys(reader, values)
    digest = values["weights_sha256"]
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise reader.wrong("weights_sha256", "64 lowercase hexadecimal digits", shown(digest))
    about = reader.mapping("about", values["about"])
    for key, value in about.items():
        if not isinstance(value, str):
            raise reader.wrong(f"about {key!r}", "a text", shown(value))
    codec = reader.one_of("the codec", values["codec"], CODECS)
    source = source_from(values, where, max_weights)
    return Header(
        source,
        codec,
        digest,
        about,
        buffers=reader.buffers(values["buffers"], source) if "buffers" in values else (),
        input=reader.input(values["input"]) if "input" in values else None,
        classes=tuple(
            reader.free_text("a class's name", name) for name in reader.some("classes", values, _MAX_CLASSES)
        ),
        results=tuple(reader.result(value) for value in reader.some("results", values, _MAX_RESULTS)),
        outputs=tuple(
            reader.integer("an output", number, _MAX_CLASSES) for number in reader.some("outputs", values, _MAX_OUTPUTS)
        ),
        extra={key: value for key, value in values.items() if key not in KEYS},
    )


def _require_keys(reader: _Reader, values: Mapping[str, Any]) -> None:
    """Require the known keys in their order, but for those that may be left out; others only behind `about`."""
    expected = [key for key in KEYS if key in values or key not in OPTIONAL]
    if list(values)[: len(expected)] != expected:
        found = ", ".join(list(values)[: len(expected)])
        raise reader.wrong("the slt entry", f"the keys {', '.join(expected)}", found)


def input_from(value: object, where: object) -> ImageInput | GraphInput:
    """Read an entry `input`, or what a checkpoint has in its place, as `from_text` does."""
    return _Reader(where).input(value)


def result_from(value: object, where: object) -> Result:
    """Read an entry of `results`, or what a checkpoint has in its place, as `from_text` does."""
    return _Reader(where).result(value)


def source_from(values: Mapping[str, Any], where: object, max_weights: int = MAX_WEIGHTS) -> Source:
    """Read a source network from JSON values, trusting none of them.

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
    needed = [key for key in SOURCE_KEYS if key not in OPTIONAL]
    if missing := [key for key in needed if key not in values]:
        raise reader.wrong("the source network", f"the keys {', '.join(needed)}", f"none for {missing[0]}")
    model = reader.mapping("model", values["model"])
    arguments = {key: value for key, value in model.items() if key != "name"}
    for key, value in arguments.items():
        if not isinstance(key, str):
            raise reader.wrong("model", "texts as keys", shown(key))
        reader.argument(f"model {key}", value)
    seeds = reader.mapping("seeds", values["seeds"], ("weights", "freezing"))
    ratios = reader.mapping("ratios", values["ratios"], ("method", "prune", "lock"))
    planes = reader.planes(values["planes"]) if "planes" in values else ()
    init = reader.one_of("init", values["init"], (*INITS, NO_INIT))
    if SIGN in planes and init not in (NO_INIT, "skc"):
        raise reader.wrong("planes", f"no {SIGN} with init {init}", shown(list(planes)))
    source = Source(
        model=ModelSpec(reader.text("the model's name", model.get("name")), arguments),
        init=init,
        scale=reader.one_of("scale", values["scale"], (*SCALES, STORED)),
        seeds=Seeds(
            reader.integer("the seed for weights", seeds["weights"], SEED_LIMIT - 1),
            reader.integer("the seed for freezing", seeds["freezing"], SEED_LIMIT - 1),
        ),
        ratios=Ratios(
            reader.text("the ratios' method", ratios["method"]),
            reader.share("the pruning ratio", ratios["prune"]),
            reader.share("the locking ratio", ratios["lock"]),
        ),
        layers=reader.layers(values["layers"], planes, max_weights),
        planes=planes,
    )
    if init == NO_INIT and source.locked:
        raise reader.wrong("the layer table", f"no locked weights with init {init}", f"{source.locked}")
    return source


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


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
                remedy="read the file with a newer sltpack, or get it again",
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
        # Checkpoints hold values that JSON could not write.
        finite = not isinstance(value, float) or math.isfinite(value)
        plain = value is None or (isinstance(value, bool | int | float | str) and finite)
        if not plain and not (isinstance(value, list) and all(map(_is_finite, value))):
            raise self.wrong(what, "a finite number, a text, true, false, null or a list of numbers", shown(value))

    def free_text(self, what: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.wrong(what, "a text", shown(value))
        return value

    def some(self, what: str, values: Mapping[str, Any], most: int) -> list[Any]:
        """A list that has entries if it is there at all."""
        value = values.get(what)
        if what in values and (not isinstance(value, list) or not 1 <= len(value) <= most):
            raise self.wrong(what, f"a list of 1 to {most} entries", shown(value))
        return value or []

    def numbers(self, what: str, value: object, least: float | None = None) -> tuple[float, ...]:
        """Numbers that float32 holds, all of them from the least on."""
        if not isinstance(value, list) or not 1 <= len(value) <= _MAX_CHANNELS:
            raise self.wrong(what, f"a list of 1 to {_MAX_CHANNELS} numbers", shown(value))
        found = []
        for number in value:
            plain = isinstance(number, int | float) and not isinstance(number, bool)
            if not plain or abs(number) > _LARGEST or (least is not None and number < least):
                above = "" if least is None else f" from {least:g} on"
                raise self.wrong(what, f"numbers{above} that float32 holds", shown(number))
            found.append(float(number))
        return tuple(found)

    def planes(self, value: object) -> tuple[str, ...]:
        known = [tuple(COATS[:coats]) + tail for coats in range(len(COATS) + 1) for tail in ((), (SIGN,))]
        if not isinstance(value, list) or not value or tuple(map(str, value)) not in known:
            remedy = "read the file with a newer sltpack, or get it again"
            expected = f"coat 2, coat 3, ... up to {COATS[-1]}, then sign, each if there"
            raise FormatError(f"{self.where}: planes", expected=expected, found=shown(value), remedy=remedy)
        return tuple(map(str, value))

    def buffers(self, value: object, source: Source) -> tuple[BufferRow, ...]:
        if not isinstance(value, list) or not value:
            raise self.wrong("buffers", "a list of rows [names, shape, kind]", shown(value))
        rows, taken = [], {parameter for layer in source.layers for parameter in layer.parameters}
        for number, row in enumerate(value):
            what = f"buffer {number}"
            if not isinstance(row, list) or len(row) != 3:
                raise self.wrong(what, "[names, shape, kind]", shown(row))
            names = self.row_names(f"{what}: the name", row[0])
            kind = self.one_of(f"{what}: the kind", row[2], BUFFER_KINDS)
            found = BufferRow(names, self.shape(what, row[1], 0), kind)
            for name in found.all_names:
                if name in taken:
                    raise self.wrong(what, "a name that no layer and no other buffer has", shown(name))
                taken.add(name)
            rows.append(found)
        return tuple(rows)

    def input(self, value: object) -> ImageInput | GraphInput:
        kind = self.one_of("the kind of input", self.mapping("input", value).get("kind"), tuple(INPUTS))
        if INPUTS[kind] is GraphInput:
            values = self.mapping("input", value, ("kind", "features", "edges"))
            return GraphInput(*(self.text(f"input {key}", values[key]) for key in ("features", "edges")))
        values = self.mapping("input", value, ("kind", "range", "mean", "deviation", "fit"))
        ends, mean = self.numbers("input range", values["range"]), self.numbers("input mean", values["mean"])
        deviation = self.numbers("input deviation", values["deviation"], _SMALLEST)
        if len(ends) != 2 or ends[0] >= ends[1]:
            raise self.wrong("input range", "two numbers, the smaller first", shown(values["range"]))
        if len(mean) != len(deviation):
            raise self.wrong("input", "as many deviations as means", f"{len(mean)} and {len(deviation)}")
        return ImageInput((ends[0], ends[1]), mean, deviation, self.text("input fit", values["fit"]))

    def result(self, value: object) -> Result:
        values = self.mapping("a result", value)
        known = tuple(Result.__dataclass_fields__)
        told = tuple(key for key in known if key in values)
        if not told or tuple(values)[: len(told)] != told:
            raise self.wrong("a result", f"some of the keys {', '.join(known)}, in this order", shown(value))
        checks: dict[str, Callable[[str, object], Any]] = {
            "part": self.text,
            "accuracy": self.share,
            "count": lambda what, found: self.integer(what, found, 2**63 - 1, 1),
            "epochs": lambda what, found: self.integer(what, found, 2**63 - 1),
            "date": self.date,
        }
        return Result(**{key: checks.get(key, self.free_text)(f"a result's {key}", values[key]) for key in told})

    def date(self, what: str, value: object) -> str:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise self.wrong(what, "a date as YYYY-MM-DD", shown(value))
        return value

    def shape(self, what: str, value: object, least: int) -> tuple[int, ...]:
        if not isinstance(value, list) or not least <= len(value) <= MAX_DIMENSIONS:
            raise self.wrong(what, f"a shape of {least} to {MAX_DIMENSIONS} dimensions", shown(value))
        return tuple(self.integer(f"{what}: a dimension", size, 2**63 - 1, 1) for size in value)

    def layers(self, value: object, planes: tuple[str, ...], max_weights: int) -> tuple[Layer, ...]:
        if not isinstance(value, list) or not value:
            raise self.wrong("the layer table", "a list with a row for each layer", shown(value))
        if len(value) > MAX_LAYERS:
            raise self.wrong("the layer table", f"at most {MAX_LAYERS} layers", f"{len(value)}")
        layers = tuple(self.layer(f"layer {number}", row, planes) for number, row in enumerate(value))
        parameters = [parameter for layer in layers for parameter in layer.parameters]
        if len(set(parameters)) != len(parameters):
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

    def layer(self, what: str, row: object, planes: tuple[str, ...]) -> Layer:
        if not isinstance(row, list) or len(row) != 7 + len(planes):
            columns = ", ".join(("name, shape, T_p, T_f, pruned, locked, kept", *planes))
            raise self.wrong(what, f"[{columns}]", shown(row))
        name, shape, *numbers = row
        names = self.row_names(f"{what}: the name", name)
        if ITSELF in names:
            raise self.wrong(f"{what}: the name", "the name of a parameter behind =", shown(ITSELF))
        dimensions = self.shape(what, shape, 2)
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
        further, before = [], kept - locked
        for plane, ones in zip(planes, numbers[5:], strict=True):
            most = kept - locked if plane == SIGN else before
            before = self.integer(f"{what}: the ones of plane {plane}", ones, most)
            further.append(before)
        return Layer(names, dimensions, prune_threshold, freeze_threshold, pruned, locked, kept, tuple(further))

    def row_names(self, what: str, value: object) -> tuple[str, ...]:
        """The text of a row with one name, or the list of a row with several."""
        names = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not 2 <= len(value) <= MAX_NAMES:
            raise self.wrong(what, f"a name, or a list of 2 to {MAX_NAMES} names", shown(value))
        return tuple(self.text(what, name) for name in names)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number that no float64 holds")
    return number


def _short_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
