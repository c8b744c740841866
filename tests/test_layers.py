"""Which layers of a model are searched, and what a ticket has to hold beside their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sltpack.errors import RequestError
from sltpack.layers import assign, buffers, searchable


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
    with pytest.raises(RequestError, match="found a weight that layers share"):
        searchable(nn.Sequential(first, second))


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(RequestError, match=r"expected Conv2d or Linear layers to search, found none"):
        searchable(nn.ReLU())


def test_assign_fills_a_model_without_memory() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2, affine=False))
    state = {"0.weight": torch.eye(2), "1.running_mean": torch.zeros(2), "1.running_var": torch.ones(2)}
    assign(model, state)
    assert torch.equal(model.eval()(torch.eye(2)), torch.eye(2) / (1 + 1e-5) ** 0.5)
    assert not any(parameter.requires_grad for parameter in model.parameters())
