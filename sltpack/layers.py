"""The searchable layers of a model: every Conv2d and Linear, in the order in which the model defines them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from .errors import RequestError

SEARCHABLE = (nn.Conv2d, nn.Linear)


def searchable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Finds the weights that a search may keep or prune.

    Args:
        model: any torch module, also on the meta device.

    Returns:
        Weights by module name, in the order of definition.

    Raises:
        RequestError: the model has a parameter that is no weight of a Conv2d or Linear (a bias, a learned BatchNorm),
            or a weight that two layers share: a ticket has no trained parameter.
    """
    found = {name: module.weight for name, module in model.named_modules() if isinstance(module, SEARCHABLE)}
    weights = {id(weight) for weight in found.values()}
    others = [name for name, parameter in model.named_parameters() if id(parameter) not in weights]
    if others or len(weights) != len(found):
        raise RequestError(
            f"model {type(model).__name__}",
            expected="no parameters but the weights of its Conv2d and Linear layers, each its own",
            found=", ".join(others[:3]) + (", ..." if others[3:] else "") if others else "a weight that layers share",
            remedy="build the layers with bias=False and BatchNorm with affine=False",
        )
    if not found:
        raise RequestError(
            f"model {type(model).__name__}",
            expected="Conv2d or Linear layers to search",
            found="none",
            remedy="choose another model",
        )
    return found


def buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """Gives what cannot come from a seed: the floating-point buffers of a model, as BatchNorm's statistics.

    BatchNorm's count of batches is left out: it plays no part when the model runs.

    Args:
        model: any torch module.

    Returns:
        The buffers by their names in the state dict.
    """
    persistent = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in model.named_buffers() if name in persistent and buffer.is_floating_point()}


def assign(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Puts weights and buffers into a model that was built on the meta device.

    Args:
        model: the model, whose names and shapes fit the state.
        state: tensors by their names in the model's state dict; BatchNorm's count of batches may be missing.
    """
    model.load_state_dict(dict(state), assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
