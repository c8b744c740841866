"""Which tensors a `.slt` file has: their names, order, types and, where the header tells them, their lengths.

Nothing is imported here but the standard library, so that a file can be checked before NumPy is started.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import damaged
from .records import KEPT, NO_INIT, NORM, SCALES, SIGN, STORED, BufferRow, Header, Source

ITEM_SIZES = {"F32": 4, "F16": 2, "U8": 1}
VALUES = ("values.f32", "values.f16")
"""The kept searched weights themselves, where neither a stream nor signs give them; a file has one of these or none."""
STEPS = "steps"


@dataclass(frozen=True)
class Tensor:
    """A tensor of one dimension.

    Attributes:
        name: in the file.
        dtype: one of `ITEM_SIZES`.
        length: how many items it has; None where only the codec knows.
    """

    name: str
    dtype: str
    length: int | None


def tensors_of(header: Header, values: str = "") -> tuple[Tensor, ...]:
    """Return the tensors that a file must have, in their order.

    Args:
        header: the `slt` entry.
        values: one of `VALUES` where the file has it.
    """
    source = header.source
    lengths = {STEPS: len(source.layers) if source.scale == STORED else 0}
    for kind in ("f32", "f16", "u8"):
        lengths[f"buffers.{kind}"] = sum(items_of(row).get(kind, 0) for row in header.buffers)
    found = [
        *(Tensor(name, "F32", lengths[name]) for name in ("buffers.f32", STEPS) if lengths[name]),
        *(Tensor(name, "F32", _kept(header)) for name in VALUES[:1] if values == name),
        *(Tensor(name, "F16", lengths[name]) for name in ("buffers.f16",) if lengths[name]),
        *(Tensor(name, "F16", _kept(header)) for name in VALUES[1:] if values == name),
        *(Tensor(name, "U8", lengths[name]) for name in ("buffers.u8",) if lengths[name]),
        *(Tensor(name, "U8", None) for name in (KEPT, *source.planes)),
    ]
    return tuple(found)


def items_of(row: BufferRow) -> dict[str, int]:
    """Return how many items a row has in each tensor of buffers, by the end of the tensor's name.

    Args:
        row: of the header.
    """
    if row.kind == "norm-q8":
        return {"u8": 2 * row.size, "f32": 2}
    return {row.kind.removeprefix(NORM): len(row.buffers) * row.size}


def require_consistent(source: Source, values: str, where: object) -> None:
    """Require that the weights come from somewhere, and from one place only.

    Args:
        source: the source network.
        values: one of `VALUES` where the file has it.
        where: what to name in an error.

    Raises:
        FormatError: signs or coats stand beside values, or nothing gives the kept weights.
    """
    if values and source.planes:
        raise damaged(where, f"no plane beyond {KEPT} beside {values}", ", ".join(source.planes))
    if source.init == NO_INIT and not values and SIGN not in source.planes:
        raise damaged(where, f"a plane {SIGN} or values, as no stream gives the weights", "neither")
    if source.init == NO_INIT and values and source.scale != SCALES[0]:
        raise damaged(where, f"the scale {SCALES[0]}, as no weight has a step", source.scale)


def origin_of(source: Source, values: str) -> str:
    """Return in two words where the kept weights come from.

    Args:
        source: the source network.
        values: one of `VALUES` where the file has it.

    Returns:
        "seeded", "signs stored" or "values stored".
    """
    if values:
        return "values stored"
    return "signs stored" if SIGN in source.planes else "seeded"


def _kept(header: Header) -> int:
    return sum(layer.searched_kept for layer in header.source.layers)
