"""Models by name, and the meeting of a model with the layer table of a ticket."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import FormatError, RequestError
from ..header import MAX_WEIGHTS, ModelSpec
from ..layers import searchable
from .conv import conv
from .resnet import ResNet

Builder = Callable[..., nn.Module]
MODELS: dict[str, Builder] = {
    **{f"conv{depth}": partial(conv, depth) for depth in (2, 4, 6, 8)},
    **{f"resnet{depth}": partial(ResNet, depth) for depth in (18, 34)},
}
"""Builders by name; each takes `width`, `classes` and `input_shape`."""


def spec(name: str, width: float, classes: int, input_shape: tuple[int, int, int]) -> ModelSpec:
    """Names a model with the arguments that every builder takes."""
    return ModelSpec(name, {"width": float(width), "classes": classes, "input_shape": list(input_shape)})


def describe(model: ModelSpec, where: object = "model") -> tuple[float, int, tuple[int, int, int]]:
    """Reads the arguments of a model.

    Returns:
        Width, number of classes, input shape.

    Raises:
        FormatError: they are not what builders take.
    """
    arguments: dict[str, Any] = dict(model.arguments)
    width, classes, shape = arguments.get("width"), arguments.get("classes"), arguments.get("input_shape")
    proper = (
        set(arguments) == {"width", "classes", "input_shape"}
        and isinstance(width, float | int)
        and not isinstance(width, bool)
        and math.isfinite(width)
        and 0 < width <= 1024
        and type(classes) is int
        and 1 <= classes <= MAX_WEIGHTS
        and isinstance(shape, list)
        and len(shape) == 3
        and all(type(size) is int and 1 <= size <= 2**16 for size in shape)
    )
    if not proper:
        raise FormatError(
            f"{where}: model {model.name}",
            expected="a width of up to 1024, classes, and an input_shape of three sizes up to 65536",
            found=str(arguments),
            remedy="choose other arguments",
        )
    return float(width), int(classes), tuple(shape)  # type: ignore[arg-type]


def build(model: ModelSpec, builder: str | None = None, where: object = "model") -> nn.Module:
    """Builds a model with whatever weights torch gives it (on the meta device, under `torch.device("meta")`).

    Args:
        model: its name and arguments. Code is imported only for a name that the caller gives too.
        builder: "package.module:function" for a model that is not one of sltpack's.
        where: what to name in an error.

    Returns:
        The module.

    Raises:
        RequestError: the model is unknown, or names code that the caller did not name, or its builder fails.
    """
    width, classes, input_shape = describe(model, where)
    if model.name in MODELS and builder in (None, model.name):
        make = MODELS[model.name]
    elif builder is not None and builder == model.name and ":" in builder:
        make = _import(builder)
    elif ":" in model.name:
        raise RequestError(
            f"{where}: model {model.name}",
            expected="--model with the same name, since a file never runs code by itself",
            found="no --model" if builder is None else f"--model {builder}",
            remedy=f"if you trust that code, pass --model {model.name}",
        )
    else:
        raise RequestError(
            f"{where}: model {model.name}",
            expected=", ".join(MODELS) + " or package.module:builder",
            found=repr(model.name) if builder is None else f"--model {builder}",
            remedy="choose one of these",
        )
    try:
        return make(width=width, classes=classes, input_shape=input_shape)
    except Exception as error:  # a user's builder may raise anything
        raise RequestError(
            f"{where}: model {model.name}",
            expected="a builder that takes width, classes and input_shape",
            found=f"{type(error).__name__}: {error}",
            remedy="mend the builder or choose another input shape or width",
        ) from error


def shapes(model: ModelSpec, builder: str | None = None, where: object = "model") -> dict[str, tuple[int, ...]]:
    """Gives the searchable layers of a model without taking memory for their weights.

    Returns:
        Weight shapes by module name, in order.

    Raises:
        RequestError: as `build` and `searchable`.
    """
    with torch.device("meta"):
        module = build(model, builder, where)
    return {name: tuple(weight.shape) for name, weight in searchable(module).items()}


def _import(name: str) -> Builder:
    module_name, _, function_name = name.partition(":")
    # An installed command, unlike python -m, does not look for modules in the working folder.
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RequestError(
            f"--model {name}",
            expected="package.module:function that can be imported",
            found=str(error),
            remedy="install the package or run from its folder",
        ) from error
    if not callable(function):
        raise RequestError(
            f"--model {name}", expected="a function", found=type(function).__name__, remedy="name a builder"
        )
    return function  # type: ignore[no-any-return]
