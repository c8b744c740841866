"""Which layers of a model are searched, and what a ticket has to hold beside their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sltpack.errors import RequestError
from sltpack.models.layers import assign, buffers, channels_last, searchable


def test_layers_come_in_the_order_of_definition() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2, affine=False), nn.Linear(2, 3, bias=False))
    assert list(searchable(model)) == ["0", "2"]
    assert list(buffers(model)) == ["1.running_mean", "1.running_var"]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (nn.Linear(2, 2), "bias"),
        (nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2)), "1.weight, 1.bias"),
    ],
)
def test_learned_parameters_are_refused(model: nn.Module, found: str) -> None:
    with pytest.raises(RequestError) as caught:
        searchable(model)
    assert str(caught.value) == (
        f"model {type(model).__name__}: expected no parameters but the weights of its Conv2d and Linear layers, each its "
        f"own, found {found}; build the layers with bias=False and BatchNorm with affine=False"
    )


def test_shared_weights_are_refused() -> None:
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    with pytest.raises(RequestError) as caught:
        searchable(nn.Sequential(first, second))
    assert str(caught.value) == (
        "model Sequential: expected no parameters but the weights of its Conv2d and Linear layers, each its own, found a "
        "weight that layers share; build the layers with bias=False and BatchNorm with affine=False"
    )


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
