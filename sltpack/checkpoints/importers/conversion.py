"""From the masked layers of a foreign checkpoint to a ticket: signs and one step a layer, or values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError
from ...format.records import COATS, NO_INIT, SIGN, STORED, UNNAMED, Layer, ModelSpec, Ratios, Seeds, Source
from ...tickets.ticket import Ticket
from .foreign import Array, Choices, Foreign, Importer, Masked, damaged

Values = Literal["f32", "f16"]
_TASK = re.compile(r"\.(?P<part>scores|bns)\.(?P<task>\d{1,6})(\.|$)")
"""Parts of a file of several tasks that belong to one of them: scores, and each task's own normalisation."""
_DTYPES = {"f32": np.float32, "f16": np.float16}


@dataclass(frozen=True)
class Imported:
    """A ticket made from a foreign checkpoint, and what was found.

    Attributes:
        ticket: the ticket, under the checkpoint's own names.
        kind: the row of the table of kinds.
        left_out: tensors that a ticket does not hold, such as counters of batches.
    """

    ticket: Ticket
    kind: str
    left_out: tuple[str, ...]

    @property
    def described(self) -> str:
        """What was found, in a sentence: how much is kept and removed, and what the file holds."""
        kept = self.ticket.source.kept / self.ticket.source.size
        held = {"signs stored": "signs and one step a layer are stored", "values stored": "kept values are stored"}
        left = len(self.left_out)
        counters = f"; left out: {left} tensor{'s' * (left > 1)}, such as {self.left_out[0]}" if left else ""
        stored = held.get(self.ticket.origin, self.ticket.origin)
        count = len(self.ticket.buffers)
        buffers = f"; {count} buffer{'s' * (count > 1)}" if count else ""
        return f"{self.kind}: {100 * kept:.1f} % kept, {100 * (1 - kept):.1f} % removed; {stored}{buffers}{counters}"


def convert(
    foreign: Foreign,
    kind: str,
    importer: Importer,
    choices: Choices,
    *,
    values: Values | None = None,
) -> Imported:
    """Make a ticket from a foreign checkpoint.

    Args:
        foreign: the checkpoint.
        kind: its name in the table of kinds.
        importer: that reads it.
        choices: what the file does not hold.
        values: how kept weights are stored that are more than signs; None refuses them.

    Returns:
        The ticket; its effective weights are those of the code bit for bit, unless values were rounded to f16.

    Raises:
        RequestError: something has to be told, or the kept weights are no signs and `values` is None.
        FormatError: the file is not as such files are.
    """
    layers = importer.read(foreign, choices)
    if not layers:
        raise damaged(foreign, f"masked layers, as {importer.summary} has them", "none")
    buffers, left_out = _rest(foreign, importer, layers, choices.task)
    source = Source(
        ModelSpec(UNNAMED, {}), NO_INIT, STORED, Seeds(0, 0), Ratios("none", 0.0, 0.0), tuple(map(_row, layers))
    )
    kept = [layer.kept & (layer.weights != 0) for layer in layers]  # a kept zero is as good as none
    masks = [mask.ravel() for mask in kept]
    numbers = [layer.weights[mask] for layer, mask in zip(layers, kept, strict=True)]
    told = {"from": importer.summary}
    steps = [_step(each) for each in numbers]
    if None in steps:
        if values is None:
            worst = layers[steps.index(None)].parameter
            raise RequestError(
                f"{foreign.where}: {worst}",
                expected="kept weights that are plus or minus one number a layer, which signs can hold",
                found="weights of many sizes, from a generator that no reader has",
                remedy="store the kept weights themselves with --values f32 or f16; the ticket is then not seeded",
            )
        effective = [layer.effective[mask] for layer, mask in zip(layers, kept, strict=True)]
        stored = np.concatenate([each.ravel() for each in effective]).astype(_DTYPES[values])
        if not np.isfinite(stored).all():
            raise RequestError(
                foreign.where, expected="weights that fit float16", found="larger ones", remedy="use f32"
            )
        ticket = Ticket.create(replace(source, scale="none"), masks, buffers, told, values=stored)
        return Imported(ticket, kind, left_out)
    further = _coats(layers, kept) | {SIGN: [each < 0 for each in numbers]}
    ticket = Ticket.create(source, masks, buffers, told, further=further, steps=np.array(steps, np.float32))
    return Imported(ticket, kind, left_out)


def _row(layer: Masked) -> Layer:
    stem = layer.parameter.removesuffix(".weight")
    name = stem if stem != layer.parameter else f"={layer.parameter}"
    return Layer((name,), layer.kept.shape, 0, 0, 0, 0, 0)


def _step(kept: NDArray[np.float32]) -> np.float32 | None:
    """Return the only size of a layer's kept weights; None where there are several."""
    if kept.size == 0:
        return np.float32(0)
    first = np.abs(kept[0])
    return first if bool((np.abs(kept) == first).all()) else None


def _coats(layers: tuple[Masked, ...], kept: list[NDArray[np.bool_]]) -> dict[str, Any]:
    """Return the planes beyond the first coat, each over what the coat before keeps."""
    most = max((int(layer.times.max(initial=1)) for layer in layers if layer.times is not None), default=1)
    planes: dict[str, Any] = {}
    for number, plane in enumerate(COATS, 2):
        if number > most:
            break
        planes[plane] = [_coat(layer, mask, number) for layer, mask in zip(layers, kept, strict=True)]
    if most > len(COATS) + 1:
        raise RequestError(
            "coats",
            expected=f"at most {len(COATS) + 1} coats, which the format holds",
            found=f"{most}",
            remedy="use fewer",
        )
    return planes


def _coat(layer: Masked, kept: NDArray[np.bool_], number: int) -> NDArray[np.bool_]:
    if layer.times is None:
        return np.zeros(0, np.bool_) if number > 2 else np.zeros(int(kept.sum()), np.bool_)
    times = layer.times[kept]
    return times[times >= number - 1] >= number


def _rest(
    foreign: Foreign, importer: Importer, layers: tuple[Masked, ...], task: int | None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the tensors that belong to no mask: those of floats as buffers, and the names of all others."""
    masked = {layer.parameter.removesuffix(".weight") for layer in layers} | {layer.parameter for layer in layers}
    buffers: dict[str, Array] = {}
    left_out = []
    for name, values in foreign.tensors.items():
        if any(name == f"{stem}{suffix}" for suffix in importer.own for stem in _stems(name, suffix, masked)):
            continue
        of_task = _TASK.search(name)
        if of_task and (of_task["part"] == "scores" or (task is not None and int(of_task["task"]) != task)):
            continue
        if values.dtype in (np.float32, np.float16) and values.size and np.isfinite(values).all():
            buffers[name] = values
        elif values.dtype.kind == "f" and values.size:
            raise damaged(foreign, f"finite float32 or float16 numbers in {name}", f"{values.dtype}, or others")
        else:
            left_out.append(name)
    return buffers, tuple(left_out)


def _stems(name: str, suffix: str, masked: set[str]) -> tuple[str, ...]:
    stem = name.removesuffix(suffix)
    return (stem,) if stem != name and stem in masked else ()
