"""The searchable layers of a model: every Conv2d and Linear, in the order in which the model defines them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..errors import RequestError
from ..format.records import ITSELF

SEARCHABLE = (nn.Conv2d, nn.Linear)
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
_REMEDIES = (
    "build Conv2d and Linear with bias=False",
    "build normalisation layers without learned parameters (affine=False, of LayerNorm elementwise_affine=False)",
    "replace what is neither Conv2d nor Linear, or keep its numbers as a buffer",
)
_LISTED = 3
"""Layers that an error names."""


def searchable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Find the weights that a search may keep or prune.

    Args:
        model: any torch module, also on the meta device.

    Returns:
        Weights by module name, in the order of definition.

    Raises:
        RequestError: the model has a parameter that is no weight of a Conv2d or Linear (a bias, a learned BatchNorm),
            or a weight that two layers share: a ticket has no trained parameter. Or a weight or buffer has another
            floating type than float32.
    """
    found = {name: module.weight for name, module in model.named_modules() if isinstance(module, SEARCHABLE)}
    _require_nothing_else(model, found)
    if not found:
        raise RequestError(
            f"model {type(model).__name__}",
            expected="Conv2d or Linear layers to search",
            found="none",
            remedy="choose another model",
        )
    for name, tensor in {**found, **buffers(model)}.items():
        if tensor.dtype != torch.float32:
            raise RequestError(
                f"model {type(model).__name__}: {name}",
                expected="float32, as all floating-point weights and buffers of a ticket",
                found=str(tensor.dtype).removeprefix("torch."),
                remedy="make it float32, or register a constant with persistent=False",
            )
    return found


def _require_nothing_else(model: nn.Module, found: Mapping[str, torch.Tensor]) -> None:
    """Make sure that a model has no parameters but the weights of its searchable layers, each its own."""
    sharing: dict[int, list[str]] = {}
    for name, weight in found.items():
        sharing.setdefault(id(weight), []).append(name)
    tied = next((names for names in sharing.values() if len(names) > 1), None)
    others = [name for name, parameter in model.named_parameters() if id(parameter) not in sharing]
    if tied is None and not others:
        return
    raise RequestError(
        f"model {type(model).__name__}",
        expected="no parameters but the weights of its Conv2d and Linear layers, each its own",
        found=f"one weight of the layers {' and '.join(map(_shown, tied))}" if tied else _listed(model, others),
        remedy="give each layer a weight of its own" if tied else _remedy(model, others),
    )


def _listed(model: nn.Module, parameters: list[str]) -> str:
    """Return the names of parameters, each with the layer that it belongs to and the type of that."""
    layers: dict[str, list[str]] = {}
    for parameter in parameters:
        layer, _, own = parameter.rpartition(".")
        layers.setdefault(layer, []).append(own)
    words = [
        f"{' and '.join(own)} of {_shown(layer)} ({type(model.get_submodule(layer)).__name__})"
        for layer, own in list(layers.items())[:_LISTED]
    ]
    return ", ".join(words) + (f" and {len(layers) - _LISTED} more layers" if len(layers) > _LISTED else "")


def _remedy(model: nn.Module, parameters: list[str]) -> str:
    """Return what can be done about parameters that are not searched: each kind of layer has its own way."""
    remedies = dict.fromkeys(
        _REMEDIES[0] if isinstance(layer, SEARCHABLE) else _REMEDIES[1] if isinstance(layer, _NORMS) else _REMEDIES[2]
        for layer in (model.get_submodule(name.rpartition(".")[0]) for name in parameters)
    )
    return ", ".join(remedies)


def _shown(layer: str) -> str:
    return layer or "the model itself"


def parameter_names(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Find the names under which the state dict of a model has the weight of each searchable layer.

    Args:
        model: any torch module that `searchable` admits, also on the meta device.

    Returns:
        For each searchable layer, in the order of definition, by module name: all names of its weight, of which the
        first one is "weight" behind the module's name. There are several where a module is used under several names.
    """
    groups: dict[int, list[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), []).append(name)
    found = {}
    for layer, weight in searchable(model).items():
        first = f"{layer}.weight" if layer else "weight"
        found[layer] = (first, *(name for name in groups[id(weight)] if name != first))
    return found


def buffer_names(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Find the names under which the state dict of a model has each buffer, as `parameter_names` does for weights.

    Args:
        model: any torch module, also on the meta device.

    Returns:
        For each of `buffers`, in the order of definition, all its names.
    """
    groups: dict[int, list[str]] = {}
    for name, buffer in buffers(model).items():
        groups.setdefault(id(buffer), []).append(name)
    return tuple(map(tuple, groups.values()))


def row_names(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return for each searchable layer, by module name, all names as a ticket's row of layers has them.

    Args:
        model: as for `parameter_names`.
    """
    return {layer: (layer, *(_row_name(name) for name in names[1:])) for layer, names in parameter_names(model).items()}


def _row_name(parameter: str) -> str:
    module = parameter.removesuffix(".weight")
    return module if module != parameter and module else ITSELF + parameter


def buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return what cannot come from a seed: the floating-point buffers of a model, as BatchNorm's statistics.

    Buffers of integers and bools are left out: the builder makes them again, and BatchNorm's count of batches plays no
    part when the model runs.

    Args:
        model: any torch module.

    Returns:
        The buffers, of any floating type, by their names in the state dict: one that is used under several names
        stands under each.
    """
    own = {id(buffer) for buffer in model.buffers()}
    state = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in state.items() if id(buffer) in own and buffer.is_floating_point()}


def copied_buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copy what cannot come from a seed to the CPU, as `buffers` gives it.

    Args:
        model: any torch module.
    """
    # One copy of each, so that a ticket knows which names share it.
    own = buffers(model)
    copies = {id(buffer): buffer.detach().cpu().clone() for buffer in own.values()}
    return {name: copies[id(buffer)] for name, buffer in own.items()}


def restore_buffers(model: nn.Module, kept: Mapping[str, torch.Tensor]) -> None:
    """Put copied buffers back.

    Args:
        model: the module that they were copied from, or one like it; it is changed in place.
        kept: by their names.
    """
    own = buffers(model)
    for name, values in kept.items():
        own[name].copy_(values)


def count_batches(model: nn.Module, steps: int) -> None:
    """Have BatchNorm layers go on counting, which matters where one takes the mean over all batches so far.

    Args:
        model: any torch module; it is changed in place.
        steps: how many batches it has seen.
    """
    for module in model.modules():
        count = getattr(module, "num_batches_tracked", None)
        if steps and isinstance(count, torch.Tensor):
            count.fill_(steps)


def forget_statistics(model: nn.Module) -> None:
    """Have BatchNorm layers begin their statistics again, as the mean over all batches that follow.

    Args:
        model: any torch module; it is changed in place.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.momentum = None
            module.reset_running_stats()


def channels_last(model: nn.Module) -> nn.Module:
    """Put a model's convolutions into the memory order in which they are fastest.

    Args:
        model: any torch module, with real memory; it is changed in place.

    Returns:
        The same model.
    """
    moved: nn.Module = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in moved.modules():
        if isinstance(layer, nn.Conv2d) and _corrupts_memory(layer):
            layer.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            layer.register_forward_pre_hook(_in_plain_order)
    return moved


def _corrupts_memory(layer: nn.Conv2d) -> bool:
    """Tell whether oneDNN's kernel for AVX2 writes beyond its memory in this layer's backward pass, channels last.

    Seen in torch 2.13 with MALLOC_CHECK_=3 for 1 to 6 input channels and not for more; a vector there holds 8.
    """
    return max(layer.kernel_size) == 1 and max(layer.stride) > 1 and layer.in_channels < 8


def _in_plain_order(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(values.contiguous() for values in inputs)


def assign(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put weights and buffers into a model, which needs no gradients from then on.

    Args:
        model: the model, whose names and shapes fit the state. Where it was built on the meta device it takes the
            tensors themselves, otherwise their values.
        state: all of its weights and floating-point buffers, float32, by their names in its state dict.
    """
    on_meta = any(parameter.is_meta for parameter in model.parameters())
    # Not strict: what the state leaves out, such as a buffer of integers, stays as the builder made it.
    model.load_state_dict(dict(state), strict=False, assign=on_meta)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
