"""A ticket's model as it runs: built from its name, given the ticket's weights, and checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from ..errors import MismatchError, RequestError
from ..format.records import UNNAMED, ModelSpec, Source
from ..tickets.ticket import Ticket, weights_digest
from .layers import assign, buffers, channels_last
from .registry import MODELS, AnyBuilder, layer_table, try_out
from .registry import build as build_model

_REMEDY = "use the model that the ticket was searched with"


def build_ticket(ticket: Ticket, builder: AnyBuilder | None = None, where: object = "ticket") -> nn.Module:
    """Build the running model of a ticket; its regenerated weights are checked against the ticket's digest.

    Args:
        ticket: the ticket.
        builder: "package.module:function" where the model is not one of sltpack's; it has to be the one that the
            ticket names.
        where: what to name in an error.

    Returns:
        A plain torch module on the CPU, in evaluation mode and channels-last memory, that needs no gradients.

    Raises:
        RequestError: the model is unknown, or is code that the caller did not name or that fails.
        MismatchError: the model has other layers or buffers than the ticket.
        FormatError: the regenerated weights are not the ones that the ticket was made with.
    """
    source = ticket.source
    require_layers(source, builder, where)
    state = ticket.state()
    ticket.check(weights_digest(state[layer.parameter] for layer in source.layers), where)
    tensors = {name: torch.from_numpy(values) for name, values in state.items()}
    weights = {parameter for layer in source.layers for parameter in layer.parameters}
    return filled(source.model, tensors, [name for name in state if name not in weights], builder, where)


def filled(
    spec: ModelSpec, state: Mapping[str, torch.Tensor], packed: Any, builder: AnyBuilder | None, where: object
) -> nn.Module:
    """Build a model and put a state into it.

    Args:
        spec: the model's name and arguments.
        state: all of its weights and floating-point buffers, float32, by their names in its state dict.
        packed: the names of those that are buffers, which have to be the model's own.
        builder: of the user's own model.
        where: what to name in an error.

    Returns:
        The model, as `build` returns it.

    Raises:
        SltpackError: as `build`.
    """
    users = spec.name not in MODELS or not isinstance(builder, str | None)
    # A model of the user's own may hold constants that no ticket has: only its builder can make them, in real memory.
    with nullcontext() if users else torch.device("meta"):
        model = build_model(spec, builder, where)
    own = {name: tuple(buffer.shape) for name, buffer in buffers(model).items()}
    if own != {name: tuple(state[name].shape) for name in packed}:
        raise MismatchError(
            where,
            expected=f"the buffers of model {spec.name}: {', '.join(own) or 'none'}",
            found=", ".join(packed) or "none",
            remedy=_REMEDY,
        )
    assign(model, state)
    model = channels_last(model).eval()
    if users:
        try_out(model, spec, where)
    return model


def require_layers(source: Source, builder: AnyBuilder | None, where: object) -> None:
    """Require the layers of a file to be those of its model.

    Args:
        source: the source network.
        builder: of the user's own model.
        where: what to name in an error.

    Raises:
        RequestError: the model is unknown, cannot be built, or is named nowhere.
        MismatchError: it has other layers.
    """
    if source.model.name == UNNAMED:
        raise RequestError(
            where,
            expected="a ticket that names its network",
            found="one from another code's checkpoint, which names none that sltpack builds",
            remedy="unpack its weights (sltpack unpack), and load them into that code's network",
        )
    table = layer_table(source.model, builder, where)
    rows = {layer.names: layer.shape for layer in source.layers}
    # The further names of a row may stand in any order.
    if [(n[0], set(n), s) for n, s in table.items()] == [(n[0], set(n), s) for n, s in rows.items()]:
        return
    own, packed = ({name: shape for names, shape in each.items() for name in names} for each in (table, rows))
    other = next(iter(dict(set(own.items()) ^ set(packed.items()))), "the order of the layers")
    raise MismatchError(
        f"{where}: layer {other}",
        expected=f"as model {source.model.name} has it, {own.get(other, 'no such layer')}",
        found=f"{packed.get(other, 'no such layer')}",
        remedy="the file does not fit this version's model, or was not written by sltpack",
    )
