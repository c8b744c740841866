"""Edge-popup over the searched positions, against autograd over all positions, and against the packed ticket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from sltpack import models
from sltpack.checkpoints import Checkpoint
from sltpack.freezing import LOCKED, SEARCHED, mask
from sltpack.header import Source
from sltpack.layers import searchable
from sltpack.search.edge_popup import EdgePopup, first_scores
from sltpack.selection import select
from sltpack.sources import searched_kept
from sltpack.tickets import Ticket

SourceMaker = Callable[..., Source]
VARIANTS = [("skc", "layer"), ("skc", "none"), ("ku", "none"), ("ku", "global"), ("ku", "layer")]
FREEZINGS = [(0.25, 0.25), (0.0, 0.0), (0.5, 0.0), (0.4, 0.4), (0.0, 0.5)]


class Keep(torch.autograd.Function):
    """The published form of the selection: a step forward, the identity backward."""

    @staticmethod
    def forward(ctx: Any, sizes: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        return kept.to(sizes.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


def popup_of(source: Source, sparsity: float) -> tuple[torch.nn.Module, EdgePopup]:
    model = models.build(source.model)
    return model, EdgePopup(model, source, searched_kept(source, sparsity), first_scores(source, 0))


def ticket_of(popup: EdgePopup) -> Ticket:
    scores = popup.scores.detach()
    return Checkpoint(popup.source, popup.kept, scores, popup.threshold, {}, {}, {}).ticket()


@pytest.mark.parametrize(("init", "scale"), VARIANTS)
@pytest.mark.parametrize(("prune", "lock"), FREEZINGS)
def test_the_network_in_search_is_the_packed_ticket(
    small_source: SourceMaker, init: str, scale: str, prune: float, lock: float
) -> None:
    source = small_source(init, scale, prune=prune, lock=lock)
    model, popup = popup_of(source, (prune + 1 - lock) / 2)
    with torch.no_grad():
        popup.scores.copy_(torch.from_numpy(np.random.default_rng(5).standard_normal(source.searched, np.float32)))
    popup.apply()
    ticket = ticket_of(popup)
    assert ticket.source == popup.source
    for index, weight in enumerate(searchable(model).values()):
        assert weight.detach().numpy().tobytes() == ticket.weights(index).tobytes()


@pytest.mark.parametrize(("init", "scale"), VARIANTS)
def test_gradients_and_steps_are_those_of_autograd_over_all_positions(
    small_source: SourceMaker, init: str, scale: str
) -> None:
    source = small_source(init, scale)
    model, popup = popup_of(source, 0.5)
    frozen = [
        torch.from_numpy(mask(source.seeds.freezing, i, layer, 0, layer.size)) for i, layer in enumerate(source.layers)
    ]
    scores = popup.scores.detach().clone().requires_grad_()
    ours = torch.optim.SGD([popup.scores], lr=0.5, momentum=0.9, weight_decay=1e-4)
    reference = torch.optim.SGD([scores], lr=0.5, momentum=0.9, weight_decay=1e-4)
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        images, labels = torch.randn(16, 1, 8, 8, generator=random), torch.randint(0, 10, (16,), generator=random)
        functional.cross_entropy(model(images), labels).backward()
        popup.take_gradient()

        weights = {}
        kept, _ = select(scores.detach(), popup.kept)
        parts = zip(
            scores.abs().split([layer.searched for layer in source.layers]),
            kept.split([layer.searched for layer in source.layers]),
            frozen,
            strict=True,
        )
        ticket = ticket_of(popup)
        for index, (sizes, selected, freezing) in enumerate(parts):
            bits = (freezing == LOCKED).float().masked_scatter(freezing == SEARCHED, Keep.apply(sizes, selected))
            shape = source.layers[index].shape
            weights[source.layers[index].parameter] = torch.from_numpy(ticket.source_weights(index)) * bits.view(shape)
        loss = functional.cross_entropy(functional_call(model, weights, (images,)), labels)
        (scores.grad,) = torch.autograd.grad(loss, [scores])

        assert torch.allclose(popup.scores.grad, scores.grad, rtol=1e-4, atol=1e-7)  # type: ignore[arg-type]
        assert float(popup.scores.grad.abs().max()) > 1e-4  # type: ignore[union-attr]
        ours.step()
        popup.apply()
        reference.step()
        with torch.no_grad():
            scores.copy_(popup.scores)  # a difference in the last bit must not grow into another selection


@pytest.mark.parametrize(("prune", "lock"), FREEZINGS)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 1.0])
def test_exactly_as_many_zeros_as_wanted(small_source: SourceMaker, prune: float, lock: float, place: float) -> None:
    source = small_source(prune=prune, lock=lock)
    sparsity = prune + place * (1 - lock - prune)
    model, popup = popup_of(source, sparsity)
    for scores in (torch.ones(source.searched), torch.zeros(source.searched), first_scores(source, 1)):
        with torch.no_grad():
            popup.scores.copy_(scores)
        popup.apply()
        zeros = sum(int((weight == 0).sum()) for weight in searchable(model).values())
        assert zeros == round(sparsity * source.size)


def test_frozen_positions_have_no_score_gradient_or_momentum(small_source: SourceMaker) -> None:
    source = small_source(prune=0.4, lock=0.4)
    model, popup = popup_of(source, 0.5)
    optimizer = torch.optim.SGD([popup.scores], lr=0.1, momentum=0.9)
    model(torch.zeros(1, 1, 8, 8)).sum().backward()
    popup.take_gradient()
    optimizer.step()
    searched = round(0.2 * source.size)
    assert source.searched == searched
    assert popup.scores.numel() == popup.scores.grad.numel() == searched  # type: ignore[union-attr]
    assert optimizer.state[popup.scores]["momentum_buffer"].numel() == searched
    assert all(weight.grad is None for weight in searchable(model).values())


def test_first_scores_are_kaiming_normal_by_layer(small_source: SourceMaker) -> None:
    source = small_source(model="conv6")
    scores = first_scores(source, 0).split([layer.searched for layer in source.layers])
    for layer, part in zip(source.layers, scores, strict=True):
        if layer.searched > 1000:
            assert abs(float(part.std()) / (2 / layer.fan_in) ** 0.5 - 1) < 0.1
    assert torch.equal(first_scores(source, 0), first_scores(source, 0))
    assert not torch.equal(first_scores(source, 0), first_scores(source, 1))
