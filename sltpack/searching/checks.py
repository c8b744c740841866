"""What has to be so before a run begins and while it goes on, or it is stopped with a reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ..data import dataset as labelled
from ..data.dataset import DataSet
from ..errors import RequestError, SltpackError
from ..format.records import Source
from ..models import describe
from ..models.layers import buffers, row_names, searchable


def require_fitting(source: Source, data: DataSet) -> None:
    """Make sure that a data set fits a model, and is large enough.

    Args:
        source: the source network.
        data: the data set.

    Raises:
        MismatchError: it does not fit.
        DataError: there are too few.
    """
    _, classes, shape = describe(source.model)
    for part in data.parts.values():
        labelled.require_fitting(part, shape, classes, f"model {source.model.name}")
    labelled.require_enough(data)


def require_real(model: nn.Module, source: Source) -> None:
    """Make sure that a model can be searched.

    Args:
        model: as its builder made it.
        source: the source network, whose layers come from an earlier call of the builder.

    Raises:
        RequestError: it has other layers, lacks memory, or begins with numbers that are none.
    """
    fault = _fault(model, source)
    if fault is not None:
        raise RequestError(
            f"model {source.model.name}",
            expected="a builder that makes the same finite model each time",
            found=fault,
            remedy="fix the builder",
        )


def _fault(model: nn.Module, source: Source) -> str | None:
    """Tell why a model, as its builder made it this time, cannot be searched; the layers come from the time before."""
    names = row_names(model)
    made = {names[name]: tuple(weight.shape) for name, weight in searchable(model).items()}
    if made != {layer.names: layer.shape for layer in source.layers}:
        return "other layers than the time before"
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        return "a weight or buffer without memory"
    return None if _finite(buffers(model)) else "a buffer with NaN or infinity"


def _finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def require_gradients(model: nn.Module) -> None:
    """Make sure that the backward pass of a step has reached every searchable layer.

    A layer that gets no gradient would never be searched or trained, and would be part of the result as it was drawn:
    one that the forward pass does not use, or uses under `torch.no_grad()` or behind `detach()`.

    Args:
        model: after the backward pass, its gradients in place.

    Raises:
        RequestError: a layer has no gradient.
    """
    missing = [name for name, weight in searchable(model).items() if weight.grad is None]
    if missing:
        shown = [f"{name or 'the model itself'} ({type(model.get_submodule(name)).__name__})" for name in missing[:3]]
        raise RequestError(
            f"model {type(model).__name__}",
            expected="a loss whose gradient reaches every Conv2d and Linear layer in the first step",
            found=f"none at {', '.join(shown)}" + (f" and {len(missing) - 3} more" if missing[3:] else ""),
            remedy="use each layer in the forward pass, without torch.no_grad() or detach(), or leave it out",
        )


def require_finite(epoch: int, loss: float, parameters: Iterable[torch.Tensor]) -> None:
    """Make sure that a run goes somewhere.

    Args:
        epoch: which it is in, from 0.
        loss: of the last steps.
        parameters: what the steps move.

    Raises:
        SltpackError: the loss or a parameter is NaN or infinite.
    """
    ranges = [torch.stack(parameter.detach().aminmax()).abs().max() for parameter in parameters if parameter.numel()]
    largest = float(torch.stack(ranges).max()) if ranges else 0.0  # NaN where there is any
    if not math.isfinite(loss) or not math.isfinite(largest):
        raise _not_finite(epoch, f"a loss of {loss:g} and numbers of up to {largest:g}")


def require_finite_buffers(epoch: int, model: nn.Module) -> None:
    """Make sure that what a model keeps can be run.

    Args:
        epoch: which it is in, from 0.
        model: the model.

    Raises:
        SltpackError: a buffer has NaN or infinity.
    """
    if not _finite(buffers(model)):
        raise _not_finite(epoch, "a buffer, as BatchNorm's, with NaN or infinity")


def _not_finite(epoch: int, found: str) -> SltpackError:
    # Before the first whole epoch nothing is kept, and the same folder can be used again.
    elsewhere = " in another folder; ckpt.pt in this one holds the best of the epochs before" if epoch else ""
    return SltpackError(
        f"epoch {epoch + 1}",
        expected="a finite loss and finite numbers in all that is trained",
        found=found,
        remedy=f"try a lower --learning-rate or --precision float32{elsewhere}",
    )
