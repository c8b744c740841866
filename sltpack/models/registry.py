"""Models by name, and the meeting of a model with the layer table of a ticket."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import FormatError, RequestError, closest
from ..format.records import MAX_WEIGHTS, ModelSpec
from .conv import STAGES, conv
from .gin import HIDDEN, Gin
from .graph_batch import Neighbours, Nodes
from .layers import row_names, searchable
from .resnet import BLOCKS, ResNet

Builder = Callable[..., nn.Module]
MODELS: dict[str, Builder] = {
    **{f"conv{depth}": partial(conv, depth) for depth in (2, 4, 6, 8)},
    **{f"resnet{depth}": partial(ResNet, depth, large=False) for depth in BLOCKS},
    **{f"imagenet-resnet{depth}": partial(ResNet, depth, large=True) for depth in BLOCKS},
    "gin": Gin,
}
"""Builders by name; each takes `width`, `classes` and `input_shape`. `resnet18` is the CIFAR form, `imagenet-resnet18`
the ImageNet form of the same blocks."""
AnyBuilder = str | Builder | nn.Module
"""What makes a model of the user's own: "package.module:function"; a function or class, called with those of `width`,
`classes` and `input_shape` that it takes; or a module, which is copied."""
FOR_GRAPHS = ("gin",)
"""Those that are given a graph (`sltpack.models.graph_batch.Nodes`); their input shape is the features of one node."""
_IMAGE = ("channels", "height", "width")
_NODE = ("features",)
MAX_WIDTH = 1024
"""The largest factor of a model's channels."""
_NARROWEST = {name: HIDDEN if name in FOR_GRAPHS else STAGES[0] for name in MODELS}
"""Channels of the narrowest layer of each model at width 1; ResNets have as many as the others."""


def spec(name: str, width: float, classes: int, input_shape: tuple[int, ...]) -> ModelSpec:
    """Name a model with the arguments that every builder takes.

    Args:
        name: a name of `MODELS`, or "package.module:function"; whether there is such a model is not looked at.
        width: factor of all channels, above 0 and up to `MAX_WIDTH`; of sltpack's own models not so small that a layer
            would have no channel.
        classes: how many outputs.
        input_shape: channels, height and width of the images, or the number of features of a graph's nodes.

    Returns:
        The name and arguments, as a file holds them.

    Raises:
        RequestError: they are not what builders take.
    """
    if not 0 < width <= MAX_WIDTH:  # as nan is not
        raise RequestError(
            "--width",
            expected=f"a number above 0 and up to {MAX_WIDTH}",
            found=f"{width:g}",
            remedy="choose another",
        )
    least = 0.5 / _NARROWEST[name] if name in MODELS else 0.0
    if width < least:
        raise RequestError(
            "--width",
            expected=f"at least {least:.2g}, at which the narrowest layer of {name} has half a channel, rounded to one",
            found=f"{width:g}",
            remedy="choose a larger one",
        )
    if len(input_shape) not in (len(sizes) for sizes in _sizes(name)):
        wanted, found = ("a graph", "images") if name in FOR_GRAPHS else ("images", "a graph")
        raise RequestError(
            f"model {name}", expected=f"{wanted} as data", found=found, remedy="choose another --model or other --data"
        )
    made = ModelSpec(name, {"width": float(width), "classes": classes, "input_shape": list(input_shape)})
    try:
        describe(made)
    except FormatError as error:  # which it would be in a file
        raise RequestError(error.where, expected=error.expected, found=error.found, remedy=error.remedy) from None
    return made


def describe(model: ModelSpec, where: object = "model") -> tuple[float, int, tuple[int, ...]]:
    """Read the arguments of a model.

    Args:
        model: its name and arguments, which may come from a stranger's file.
        where: what to name in an error.

    Returns:
        Width, number of classes, input shape: three sizes of images, or one of a graph.

    Raises:
        FormatError: they are not what builders take.
    """
    arguments: Any = dict(model.arguments)
    width, classes, shape = (arguments.get(name) for name in ("width", "classes", "input_shape"))
    proper = (
        set(arguments) == {"width", "classes", "input_shape"}
        and type(width) in (float, int)
        and 0 < width <= MAX_WIDTH  # which nan and inf are not
        and type(classes) is int
        and 1 <= classes <= MAX_WEIGHTS
        and isinstance(shape, list)
        and len(shape) in (len(sizes) for sizes in _sizes(model.name))
        and all(type(size) is int and 1 <= size <= 2**16 for size in shape)
    )
    if not proper:
        raise FormatError(
            _place(where, model),
            expected=f"a width of up to {MAX_WIDTH}, classes, and an input_shape up to 65536: "
            + " or ".join(", ".join(sizes) for sizes in _sizes(model.name)),
            found=str(arguments),
            remedy="choose other arguments",
        )
    return float(width), classes, tuple(shape)


def takes_graph(model: ModelSpec) -> bool:
    """Tell whether a model is given a graph, and not images.

    Args:
        model: its name and arguments.
    """
    _, _, shape = describe(model)
    return len(shape) == len(_NODE)


def example(shape: tuple[int, ...], device: torch.device) -> torch.Tensor | Nodes:
    """Make the smallest input that a model can be tried with.

    Args:
        shape: the input shape, as `describe` gives it.
        device: where it is put.

    Returns:
        Two images of zeros, or two nodes that are neighbours, with features of zeros.
    """
    zeros = torch.zeros(2, *shape, device=device)
    if len(shape) == len(_NODE):
        neighbours = Neighbours.of(torch.tensor([0, 1, 2]), torch.tensor([1, 0])).to(device)
        return Nodes(zeros, neighbours, torch.arange(2, device=device))
    return zeros.contiguous(memory_format=torch.channels_last)  # (2, C, H, W)


def _sizes(name: str) -> tuple[tuple[str, ...], ...]:
    """Return what the sizes of a model's input shape can be."""
    if name in MODELS:
        return (_NODE if name in FOR_GRAPHS else _IMAGE,)
    return _IMAGE, _NODE


def list_models() -> list[str]:
    """Return the names of the models that sltpack has.

    >>> "conv6" in list_models()
    True
    """
    return list(MODELS)


def name_of(builder: AnyBuilder) -> str:
    """Return the name by which a ticket knows a model: that of the builder, or of the module's class.

    Args:
        builder: what makes it.

    Returns:
        The name of one of sltpack's models, or "package.module:name".
    """
    if isinstance(builder, str):
        return builder
    named = type(builder) if isinstance(builder, nn.Module | partial) else builder
    return f"{named.__module__}:{getattr(named, '__qualname__', type(named).__qualname__)}"


def build(model: ModelSpec, builder: AnyBuilder | None = None, where: object = "model") -> nn.Module:
    """Build a model with whatever weights torch gives it (on the meta device, under `torch.device("meta")`).

    Args:
        model: its name and arguments. Code is imported only for a name that the caller gives too.
        builder: for a model that is not one of sltpack's.
        where: what to name in an error.

    Returns:
        The module.

    Raises:
        RequestError: the model is unknown, or names code that the caller did not name, or its builder fails or gives
            something else.
    """
    width, classes, input_shape = describe(model, where)
    if isinstance(builder, nn.Module):
        return deepcopy(builder).cpu().requires_grad_()
    if builder is not None and not isinstance(builder, str):
        make = _with_what_it_takes(builder)
    elif model.name in MODELS and builder in (None, model.name):
        make = MODELS[model.name]
    elif builder is not None and builder == model.name and ":" in builder:
        make = _import(builder)
    elif ":" in model.name:
        raise RequestError(
            _place(where, model),
            expected="--model with the same name, since a file never runs code by itself",
            found="no --model" if builder is None else f"--model {builder}",
            remedy=f"if you trust that code, pass --model {model.name}",
        )
    else:
        raise RequestError(
            _place(where, model),
            expected=", ".join(MODELS) + " or package.module:builder",
            found=repr(model.name) if builder is None else f"--model {builder}",
            remedy="leave --model out" if builder is not None else closest(model.name, MODELS) or "choose one of these",
        )
    try:
        made = make(width=width, classes=classes, input_shape=input_shape)
    except (Exception, SystemExit) as error:  # a user's builder may raise anything
        if model.name in MODELS:
            raise RequestError(
                _place(where, model),
                expected="images large enough to be halved so often",
                found=f"{error}",
                remedy="choose a shallower model or larger images",
            ) from error
        raise RequestError(
            _place(where, model),
            expected="a builder that takes width, classes and input_shape",
            found=f"{type(error).__name__}: {error}",
            remedy="fix the builder or choose another input shape or width",
        ) from error
    if not isinstance(made, nn.Module):
        raise RequestError(
            _place(where, model),
            expected="a builder that returns a torch.nn.Module",
            found=type(made).__name__,
            remedy="fix the builder",
        )
    return made


def try_out(model: nn.Module, spec: ModelSpec, where: object = "model") -> None:
    """Run a model on the smallest input, so that its faults are seen before any long work.

    Args:
        model: the model, on any device; it is put into evaluation mode.
        spec: its name and arguments.
        where: what to name in an error.

    Raises:
        RequestError: it fails, or gives something else than scores of shape (2, classes).
    """
    _, classes, shape = describe(spec, where)
    zeros = example(shape, next(model.parameters()).device)
    model.eval()
    try:
        with torch.no_grad():  # a tensor that the model keeps for later may still be trained with
            scores = model(zeros)  # (2, classes)
    except (Exception, SystemExit) as error:  # a user's model may raise anything
        raise _unfit(spec, where, f"{type(error).__name__}: {error}") from error
    if not isinstance(scores, torch.Tensor):
        raise _unfit(spec, where, f"a result of type {type(scores).__name__}")
    if scores.shape != (2, classes) or not scores.is_floating_point():
        kind = str(scores.dtype).removeprefix("torch.")
        raise _unfit(spec, where, f"{kind} of shape {list(scores.shape)} from {[2, *shape]}")


def layer_table(
    model: ModelSpec, builder: AnyBuilder | None = None, where: object = "model"
) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the searchable layers of a model by all their names, without taking memory for their weights.

    Args:
        model: its name and arguments.
        builder: for a model that is not one of sltpack's.
        where: what to name in an error.

    Returns:
        Weight shapes, in order, by the names that a ticket's row has: several where a layer is used under several.

    Raises:
        RequestError: as `build` and `searchable`.
    """
    with torch.device("meta"):
        module = build(model, builder, where)
    try:
        found, names = searchable(module), row_names(module)
        return {names[name]: tuple(weight.shape) for name, weight in found.items()}
    except RuntimeError as error:  # so torch tells of a lazy layer, whose shape is not yet known
        raise RequestError(
            _place(where, model),
            expected="layers whose shapes are known when they are built",
            found=f"{error}",
            remedy="give lazy layers their sizes",
        ) from error


def shapes(model: ModelSpec, builder: AnyBuilder | None = None, where: object = "model") -> dict[str, tuple[int, ...]]:
    """Return the searchable layers of a model without taking memory for their weights.

    Args:
        model: its name and arguments.
        builder: for a model that is not one of sltpack's.
        where: what to name in an error.

    Returns:
        Weight shapes by module name, the first where a layer has several, in order.

    Raises:
        RequestError: as `build` and `searchable`.
    """
    return {names[0]: shape for names, shape in layer_table(model, builder, where).items()}


def _place(where: object, model: ModelSpec) -> str:
    """Tell which model is at fault, and of which file where it is one's."""
    return f"model {model.name}" if where == "model" else f"{where}: model {model.name}"


def _with_what_it_takes(builder: Builder) -> Builder:
    """Make a builder that is called with all arguments of one that may take only some of them, or none."""
    try:
        taken = inspect.signature(builder).parameters
    except (TypeError, ValueError):  # of what is written in C
        return builder
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        return builder
    return lambda **arguments: builder(**{name: value for name, value in arguments.items() if name in taken})


def _import(name: str) -> Builder:
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise RequestError(
            "--model",
            expected="package.module:function",
            found=repr(name),
            remedy="name a module and a function in it",
        )
    try:
        # An installed command, unlike python -m, does not look for modules in the working folder. It comes last, so
        # that no file there is taken for a library that is imported later.
        if (here := os.getcwd()) not in sys.path:
            sys.path.append(here)
        function: Any = getattr(importlib.import_module(module_name), function_name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise RequestError(
            f"--model {name}",
            expected="package.module:function that can be imported",
            found=f"{type(error).__name__}: {error}",
            remedy="install the package, run from its folder or fix it",
        ) from error
    if not callable(function):
        raise RequestError(
            f"--model {name}", expected="a function", found=type(function).__name__, remedy="name a builder"
        )
    made: Builder = function
    return made


def _unfit(spec: ModelSpec, where: object, found: str) -> RequestError:
    _, classes, shape = describe(spec, where)
    what = "images" if len(shape) == len(_IMAGE) else "nodes"
    return RequestError(
        _place(where, spec),
        expected=f"scores of shape (B, {classes}) from {what} of shape (B, {', '.join(map(str, shape))})",
        found=found,
        remedy="fix the model",
    )
