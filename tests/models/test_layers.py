"""Which layers of a model are searched, and what a ticket has to hold beside their weights."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sltpack.errors import RequestError
from sltpack.models.layers import assign, buffer_names, buffers, channels_last, parameter_names, row_names, searchable


def test_layers_come_in_the_order_of_definition() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2, affine=False), nn.Linear(2, 3, bias=False))
    assert list(searchable(model)) == ["0", "2"]
    assert list(buffers(model)) == ["1.running_mean", "1.running_var"]


BIAS = "build Conv2d and Linear with bias=False"
NORM = "build normalisation layers without learned parameters (affine=False, of LayerNorm elementwise_affine=False)"
OTHER = "replace what is neither Conv2d nor Linear, or keep its numbers as a buffer"
linear = partial(nn.Linear, 2, 2, bias=False)


class Scaled(nn.Module):
    """A model with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.linear = linear()


@pytest.mark.parametrize(
    ("model", "found", "remedy"),
    [
        (nn.Linear(2, 2), "bias of the model itself (Linear)", BIAS),
        (nn.Sequential(linear(), nn.BatchNorm1d(2)), "weight and bias of 1 (BatchNorm1d)", NORM),
        (nn.Sequential(linear(), nn.LayerNorm(2)), "weight and bias of 1 (LayerNorm)", NORM),
        (nn.Sequential(nn.Conv1d(2, 2, 1, bias=False)), "weight of 0 (Conv1d)", OTHER),
        (nn.Sequential(nn.Embedding(2, 2), linear()), "weight of 0 (Embedding)", OTHER),
        (
            nn.Sequential(nn.MultiheadAttention(2, 1, bias=False)),
            "in_proj_weight of 0 (MultiheadAttention)",
            OTHER,
        ),
        (Scaled(), "scale of the model itself (Scaled)", OTHER),
        (
            nn.Sequential(nn.Linear(2, 2), nn.Conv1d(2, 2, 1), nn.PReLU(), nn.BatchNorm1d(2), nn.Linear(2, 2)),
            "bias of 0 (Linear), weight and bias of 1 (Conv1d), weight of 2 (PReLU) and 2 more layers",
            f"{BIAS}, {OTHER}, {NORM}",
        ),
    ],
)
def test_learned_parameters_are_refused_by_layer_and_type(model: nn.Module, found: str, remedy: str) -> None:
    with pytest.raises(RequestError) as caught:
        searchable(model)
    assert str(caught.value) == (
        f"model {type(model).__name__}: expected no parameters but the weights of its Conv2d and Linear layers, each its "
        f"own, found {found}; {remedy}"
    )


def test_shared_weights_are_refused() -> None:
    first, second = linear(), linear()
    second.weight = first.weight
    with pytest.raises(RequestError) as caught:
        searchable(nn.Sequential(first, second, linear()))
    assert str(caught.value) == (
        "model Sequential: expected no parameters but the weights of its Conv2d and Linear layers, each its own, found one "
        "weight of the layers 0 and 1; give each layer a weight of its own"
    )


def test_every_name_of_the_state_dict_is_found() -> None:
    """A module that is used under several names is one layer, and its weight has as many names."""
    model = nn.Module()
    model.a = nn.Sequential(linear(), nn.BatchNorm1d(2, affine=False))
    model.c = linear()
    model.b = model.a
    model.a[0].register_parameter("also", model.a[0].weight)
    assert parameter_names(model) == {
        "a.0": ("a.0.weight", "a.0.also", "b.0.weight", "b.0.also"),
        "c": ("c.weight",),
    }
    assert row_names(model) == {"a.0": ("a.0", "=a.0.also", "b.0", "=b.0.also"), "c": ("c",)}
    assert buffer_names(model) == (
        ("a.1.running_mean", "b.1.running_mean"),
        ("a.1.running_var", "b.1.running_var"),
    )
    names = [name for all_ in (*parameter_names(model).values(), *buffer_names(model)) for name in all_]
    counts = {name for name in model.state_dict() if name.endswith("num_batches_tracked")}
    assert set(names) | counts == set(model.state_dict())
    assert parameter_names(nn.Linear(2, 2, bias=False)) == {"": ("weight",)}


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        searchable(nn.ReLU())
    assert str(caught.value) == (
        "model ReLU: expected Conv2d or Linear layers to search, found none; choose another model"
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floating_types_are_refused(dtype: torch.dtype) -> None:
    """A ticket holds float32 alone; integers come from the builder."""
    model = nn.Linear(2, 2, bias=False)
    model.register_buffer("index", torch.arange(2))
    model.register_buffer("constant", torch.ones(2, dtype=dtype), persistent=False)
    assert list(searchable(model)) == [""]
    model.register_buffer("mean", torch.ones(2, dtype=dtype))
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(RequestError) as caught:
        searchable(model)
    assert str(caught.value) == (
        "model Linear: mean: expected float32, as all floating-point weights and buffers of a ticket, found "
        f"{name}; make it float32, or register a constant with persistent=False"
    )
    with pytest.raises(RequestError) as caught:
        searchable(nn.Sequential(nn.Linear(2, 2, bias=False).to(dtype)))
    assert str(caught.value) == (
        "model Sequential: 0: expected float32, as all floating-point weights and buffers of a ticket, found "
        f"{name}; make it float32, or register a constant with persistent=False"
    )


def test_channels_last_changes_the_order_in_memory_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Flatten(), nn.Linear(4, 2, bias=False))
    weight = model[0].weight.detach().clone()
    assert channels_last(model) is model
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model[0].weight, weight)


def test_assign_fills_a_model_without_memory() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2, affine=False))
    state = {"0.weight": torch.eye(2), "1.running_mean": torch.zeros(2), "1.running_var": torch.ones(2)}
    assign(model, state)
    assert torch.equal(model.eval()(torch.eye(2)), torch.eye(2) / (1 + 1e-5) ** 0.5)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_assign_fills_a_model_with_memory_and_keeps_what_the_state_has_not() -> None:
    model = nn.Linear(2, 2, bias=False)
    model.register_buffer("index", torch.tensor([1, 0]))
    weight = model.weight
    assign(model, {"weight": torch.eye(2)})
    assert model.weight is weight
    assert torch.equal(weight, torch.eye(2))
    assert model.get_buffer("index").tolist() == [1, 0]
    assert not weight.requires_grad


def test_narrow_strided_convolutions_are_not_computed_channels_last() -> None:
    model = channels_last(nn.Sequential(nn.Conv2d(3, 5, 1, stride=2, bias=False), nn.Conv2d(8, 5, 1, stride=2)))
    seen: list[bool] = []
    for layer in model:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    model[0](torch.zeros(2, 3, 8, 8).contiguous(memory_format=torch.channels_last))
    model[1](torch.zeros(2, 8, 8, 8).contiguous(memory_format=torch.channels_last))
    assert seen == [True, False]
    assert model[0].weight.is_contiguous()
