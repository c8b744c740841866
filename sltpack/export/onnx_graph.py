"""The target `onnx`: a network as an ONNX model, traced from the module that the ticket builds.

Needs the package onnx (the extra `onnx`) and torch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn
from torch.nn import functional

from ..errors import RequestError
from ..format.records import ImageInput
from ..models.building import build_ticket
from ..tickets.ticket import Ticket

if TYPE_CHECKING:
    from .targets import TicketFile

OPSET = 17
"""Of 2022, which every runtime in use reads; DequantizeLinear with one scale for a tensor is older still."""
IR_VERSION = 8
Weights = Literal["float32", "int8"]


@dataclass
class _Graph:
    """An ONNX graph in the making."""

    where: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node; its only output has the node's name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def refuse(self, what: str) -> RequestError:
        """Make the error for a part that has no form here."""
        return RequestError(
            self.where,
            expected="a network of convolutions, linear layers, BatchNorm, ReLU, pooling, sums and means",
            found=what,
            remedy="export its weights (sltpack unpack) and build it in the other tool",
        )


def make(file: TicketFile) -> bytes:
    """Make the model.

    Args:
        file: a ticket of a network for images.

    Returns:
        An ONNX model as protocol buffers.

    Raises:
        RequestError: the network has a part without a form here, or the options do not fit the ticket.
        MismatchError: the builder's network has other layers than the ticket.
    """
    options = file.options
    module = build_ticket(file.ticket, options.builder, file.name)
    return onnx_model(
        file.ticket, module, file.name, weights=options.weights, with_preprocessing=options.with_preprocessing
    )


def onnx_model(
    ticket: Ticket,
    module: nn.Module,
    where: str,
    *,
    weights: Weights = "float32",
    with_preprocessing: bool = False,
) -> bytes:
    """Write a network as an ONNX model.

    Args:
        ticket: the ticket.
        module: the network that it builds, in evaluation mode, with the ticket's weights.
        where: what to name in an error.
        weights: "float32", or "int8" for units of -1, 0 and +1 with DequantizeLinear, which gives the same float32
            weights bit for bit; only for tickets of SKC or stored signs without coats.
        with_preprocessing: whether the model takes the bytes of pixels, uint8 [n, height, width, channels], instead of
            normalised numbers, float32 [n, channels, height, width].

    Returns:
        The model, checked by onnx; its input is `image`, its output `scores`, float32 [n, classes].

    Raises:
        RequestError: a part of the network has no form in ONNX here, or the ticket no integer weights.
    """
    graph = _Graph(where)
    shape = tuple(ticket.source.model.arguments.get("input_shape", ()))
    if len(shape) != 3:
        raise graph.refuse("a network for graphs" if shape else "a network of unknown input")
    units = _Units(ticket) if weights == "int8" else None
    if units is not None and not units.exact:
        raise RequestError(
            where,
            expected="weights of one size a layer (SKC or stored signs, one coat) for integers",
            found=f"init {ticket.source.init}",
            remedy="export with --weights float32",
        )
    traced = fx.symbolic_trace(module)
    modules = dict(traced.named_modules())
    names: dict[fx.Node, str] = {}
    first = _preprocessing(graph, ticket, where) if with_preprocessing else "image"
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            names[node] = first
        elif node.op == "call_module":
            (source,) = (names[each] for each in node.args)
            names[node] = _module(graph, node.name, str(node.target), modules[str(node.target)], source, units)
        elif node.op in ("call_function", "call_method"):
            names[node] = _function(graph, node, names)
        elif node.op == "output":
            graph.node("Identity", [names[node.args[0]]], "scores")
        else:
            raise graph.refuse(f"{node.op} {node.target}")
    channels, height, width = shape
    given = (
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", height, width, channels])
        if with_preprocessing
        else helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *shape])
    )
    classes = ticket.source.model.arguments.get("classes", "classes")
    result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])
    made = helper.make_graph(graph.nodes, ticket.source.model.name, [given], [result], graph.constants)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="sltpack"
    )
    helper.set_model_props(model, {"weights_sha256": ticket.weights_sha256, "classes": "\n".join(ticket.classes)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Units:
    """The units -1, 0 and +1 of a ticket's weights by parameter, and their steps."""

    def __init__(self, ticket: Ticket) -> None:
        self.by_parameter: dict[str, tuple[NDArray[np.int8], np.float32]] = {}
        self.exact = ticket.source.init != "ku" and ticket.values is None and ticket.source.coats == 1
        if not self.exact:
            return
        for index, layer in enumerate(ticket.source.layers):
            values = ticket.weights(index)
            step = np.float32(np.abs(values).max(initial=0))
            pair = np.sign(values).astype(np.int8), step
            self.exact &= bool((pair[0].astype(np.float32) * step == values).all())
            self.by_parameter |= dict.fromkeys(layer.parameters, pair)


def _preprocessing(graph: _Graph, ticket: Ticket, where: str) -> str:
    given = ticket.input
    if not isinstance(given, ImageInput):
        raise RequestError(
            where,
            expected="a ticket that says how pictures are normalised",
            found="none",
            remedy="leave --with-preprocessing out",
        )
    cast = graph.node("Cast", ["image"], "bytes", to=TensorProto.FLOAT)
    moved = graph.node("Transpose", [cast], "channels_first", perm=[0, 3, 1, 2])  # (n, C, H, W)
    scaled = graph.node("Div", [moved, graph.constant("input.full_range", np.array(255, np.float32))], "scaled")
    low, high = given.range
    if (low, high) != (0, 1):
        spread = graph.constant("input.spread", np.array(high - low, np.float32))
        wide = graph.node("Mul", [scaled, spread], "spread")
        scaled = graph.node("Add", [wide, graph.constant("input.low", np.array(low, np.float32))], "ranged")
    statistics = {
        name: graph.constant(f"input.{name}", np.array(values, np.float32).reshape(1, -1, 1, 1))
        for name, values in (("mean", given.mean), ("deviation", given.deviation))
    }
    centred = graph.node("Sub", [scaled, statistics["mean"]], "centred")
    return graph.node("Div", [centred, statistics["deviation"]], "normalised")


def _weight(graph: _Graph, name: str, parameter: torch.Tensor, units: _Units | None) -> str:
    if units is None or name not in units.by_parameter:
        return graph.constant(name, parameter.detach().contiguous().numpy())
    values, step = units.by_parameter[name]
    quantised = graph.constant(f"{name}.units", values)
    return graph.node("DequantizeLinear", [quantised, graph.constant(f"{name}.step", np.asarray(step))], name)


def _module(graph: _Graph, name: str, path: str, layer: nn.Module, source: str, units: _Units | None) -> str:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        inputs = [source, _weight(graph, f"{path}.weight", layer.weight, units)]
        if layer.bias is not None:
            inputs.append(graph.constant(f"{path}.bias", layer.bias.detach().numpy()))
        if isinstance(layer, nn.Linear):
            return graph.node("Gemm", inputs, name, transB=1)
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise graph.refuse(f"the padding of {path}")
        return graph.node(
            "Conv",
            inputs,
            name,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[*layer.padding, *layer.padding],
            dilations=list(layer.dilation),
            group=layer.groups,
        )
    if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None:
        ones = np.ones(layer.num_features, np.float32)
        scale = ones if layer.weight is None else layer.weight.detach().numpy()
        shift = 0 * ones if layer.bias is None else layer.bias.detach().numpy()
        parts = {
            "scale": scale,
            "shift": shift,
            "mean": layer.running_mean.numpy(),
            "variance": layer.running_var.numpy(),
        }
        inputs = [source, *(graph.constant(f"{path}.{part}", values) for part, values in parts.items())]
        return graph.node("BatchNormalization", inputs, name, epsilon=layer.eps)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        kernel, stride, padding = (_pair(each) for each in (layer.kernel_size, layer.stride, layer.padding))
        if layer.ceil_mode or _pair(getattr(layer, "dilation", 1)) != [1, 1]:
            raise graph.refuse(f"the pooling of {path}")
        attributes = {} if isinstance(layer, nn.MaxPool2d) else {"count_include_pad": int(layer.count_include_pad)}
        kind = "MaxPool" if isinstance(layer, nn.MaxPool2d) else "AveragePool"
        return graph.node(
            kind, [source], name, kernel_shape=kernel, strides=stride, pads=[*padding, *padding], **attributes
        )
    if isinstance(layer, nn.AdaptiveAvgPool2d) and _pair(layer.output_size) == [1, 1]:
        return graph.node("GlobalAveragePool", [source], name)
    if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
        return graph.node("Flatten", [source], name, axis=1)
    if isinstance(layer, nn.ReLU):
        return graph.node("Relu", [source], name)
    if isinstance(layer, nn.Identity | nn.Dropout):
        return graph.node("Identity", [source], name)
    raise graph.refuse(f"{path}, {type(layer).__name__}")


_BINARY: Mapping[Callable[..., Any] | str, str] = {
    operator.add: "Add",
    torch.add: "Add",
    "add": "Add",
    operator.mul: "Mul",
}


def _function(graph: _Graph, node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    target, arguments = node.target, node.args
    inputs = [names[each] for each in arguments if isinstance(each, fx.Node)]
    if target in _BINARY and len(inputs) == 2:
        return graph.node(_BINARY[target], inputs, node.name)
    if target in (functional.relu, torch.relu, "relu"):
        return graph.node("Relu", inputs, node.name)
    if target in (torch.flatten, "flatten") and (arguments[1:] or (node.kwargs.get("start_dim"),)) == (1,):
        return graph.node("Flatten", inputs, node.name, axis=1)
    if target in (torch.mean, "mean"):
        axes = arguments[1] if len(arguments) > 1 else node.kwargs.get("dim")
        if isinstance(axes, tuple | list) and all(isinstance(axis, int) for axis in axes):
            kept = int(bool(arguments[2] if len(arguments) > 2 else node.kwargs.get("keepdim", False)))
            return graph.node("ReduceMean", inputs, node.name, axes=list(axes), keepdims=kept)
    raise graph.refuse(f"the operation {getattr(target, '__name__', target)}")


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
