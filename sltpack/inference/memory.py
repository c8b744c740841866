"""How much memory a network's activations take, worked out from their shapes before they are computed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ..errors import RequestError

_BLOCK = 16
"""Channels that the CPU's convolutions work on together: fewer take the memory of as many (oneDNN)."""
_BYTES = 4


def activation_bytes(model: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Estimate the memory that the activations of one image take.

    Args:
        model: the network, on any device; its weights are neither read nor copied.
        shape: channels, height and width of the image.

    Returns:
        The bytes of the largest input and output of one of its layers together; None for a model that does more than
        shapes can tell.
    """
    largest = 0

    def measure(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal largest
        tensors = [value for value in (*inputs, output) if isinstance(value, torch.Tensor)]
        largest = max(largest, sum(map(_padded, tensors)))

    layers = [module for module in model.modules() if not any(True for _ in module.children())]
    hooks = [layer.register_forward_hook(measure) for layer in layers]
    state = {name: value.to("meta") for name, value in (*model.named_parameters(), *model.named_buffers())}
    try:
        with torch.no_grad():
            torch.func.functional_call(model, state, torch.empty(1, *shape, device="meta"))
    except Exception:  # a model of the user's own may raise anything on tensors without values
        return None
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def fitting_batch(model: nn.Module, shape: tuple[int, ...], batch_size: int, limit: int, where: object) -> int:
    """Return how many images fit in memory at a time.

    Args:
        model: the network.
        shape: channels, height and width of an image.
        batch_size: the most images.
        limit: bytes that activations may take.
        where: what to name in an error.

    Returns:
        At most `batch_size`.

    Raises:
        RequestError: not even one fits.
    """
    if batch_size * _most(model, shape) <= limit:
        return batch_size
    needed = activation_bytes(model, shape)
    if not needed:
        return batch_size
    if needed > limit:
        raise RequestError(
            where,
            expected=f"a network that takes at most {limit} bytes of memory for one image of shape {list(shape)}",
            found=f"about {needed}",
            remedy=f"allow as much (--max-memory {needed})",
        )
    return min(batch_size, limit // needed)


def _most(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Return at least `activation_bytes` of a network that enlarges no image, without the time that it takes.

    To work with shapes alone, torch imports half a second of its own modules.
    """
    channels, height, width = shape
    widths = [max(value.shape[:2]) for value in model.parameters() if value.dim() == 4]
    most = math.ceil(max([channels, *widths]) / _BLOCK) * _BLOCK
    return 2 * most * height * width * _BYTES


def _padded(tensor: torch.Tensor) -> int:
    if tensor.dim() != 4:
        return tensor.numel() * _BYTES
    batch, channels, height, width = tensor.shape
    return batch * math.ceil(channels / _BLOCK) * _BLOCK * height * width * _BYTES
