"""A ticket's regenerated weights as a file that other tools read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..files import write_atomically
from ..format.records import NO_INIT
from ..source.freezing import SEARCHED
from ..tickets.ticket import Ticket, weights_digest

Arrays = Mapping[str, NDArray[Any]]

FORMATS = ("safetensors", "torch")
"""What `write_weights` writes."""
_RESERVED = "__metadata__"
"""The entry of a safetensors header that is no tensor."""
_METADATA = {"format": "pt"}
"""Some readers refuse a safetensors file that does not name the library it is for."""


def write_weights(
    ticket: Ticket,
    path: Path,
    *,
    file_format: str = "safetensors",
    parts: bool = False,
    force: bool = False,
    where: object = "ticket",
) -> int:
    """Regenerate a ticket's weights and write them under all of the model's parameter names.

    Args:
        ticket: the ticket.
        path: the file's name.
        file_format: "safetensors", or "torch" for a state dict by `torch.save`.
        parts: whether to add, for each layer, `.source.NAME` (random weights, none removed, float32),
            `.freezing.NAME` (-1 pruned, +1 locked, 0 searched, int8) and `.supermask.NAME` (how many coats keep a
            searched weight, without coats 0 or 1, uint8), all of the weight's shape. No name in a torch module begins
            with a dot. Layers that share weights share these, under the first name; without random weights there is
            no `.source.NAME`.
        force: whether an existing file is replaced.
        where: what to name in an error.

    Returns:
        The number of tensors in the file.

    Raises:
        FormatError: the regenerated weights are not the ones that the ticket was made with.
        RequestError: the file exists, there is no such format, or it cannot hold the ticket's names.
        OutputError: the file cannot be written; nothing is left behind.
    """
    if file_format not in FORMATS:
        raise RequestError(
            "--format", expected=" or ".join(FORMATS), found=str(file_format), remedy="choose one of these"
        )
    named: list[tuple[str, NDArray[Any]]] = list(ticket.state().items())
    weights = dict(named)
    ticket.check(weights_digest(weights[layer.parameter] for layer in ticket.source.layers), where)
    if parts:
        for index, layer in enumerate(ticket.source.layers):
            frozen = ticket.freezing_mask(index)
            supermask = np.zeros(frozen.shape, np.uint8)
            supermask[frozen == SEARCHED] = ticket.multiplicities(index)
            added: dict[str, NDArray[Any]] = {"freezing": frozen, "supermask": supermask}
            if ticket.source.init != NO_INIT:
                added = {"source": ticket.source_weights(index), **added}
            named += [(f".{part}.{layer.parameter}", values) for part, values in added.items()]
    tensors = dict(named)
    if len(tensors) != len(named):  # a ticket from a stranger may name its tensors as it likes
        raise RequestError(
            where, expected="tensors of different names", found="two of one name", remedy="leave --parts out"
        )
    if file_format == "safetensors" and _RESERVED in tensors:
        raise RequestError(
            where,
            expected="names that safetensors can hold",
            found=f"a tensor called {_RESERVED}, which is that format's own",
            remedy="write a state dict (--format torch)",
        )
    write_atomically(
        path, _torch_bytes(tensors) if file_format == "torch" else _safetensors_bytes(tensors), force=force
    )
    return len(tensors)


def _safetensors_bytes(tensors: Arrays) -> bytes:
    from safetensors.numpy import save

    return save(dict(tensors), _METADATA)


def _torch_bytes(tensors: Arrays) -> bytes:
    import torch

    out = io.BytesIO()
    torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, out)
    return out.getvalue()
