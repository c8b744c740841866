"""Edge-popup over the searched positions, against autograd over all positions, and against the packed ticket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call
from torch.nn import functional

from sltpack import models
from sltpack.checkpoints.version3 import largest
from sltpack.errors import RequestError
from sltpack.format.records import Layer, ModelSpec, Ratios, Seeds, Source
from sltpack.models.layers import channels_last, searchable
from sltpack.searching.methods.edge_popup import EdgePopup
from sltpack.searching.methods.random_search import RandomSearch
from sltpack.searching.methods.search_method import kaiming_normal
from sltpack.searching.methods.searched_network import _Steps
from sltpack.searching.run import state_of
from sltpack.searching.settings import Settings
from sltpack.searching.steps import REMEMBERED, make_stepper
from sltpack.source.freezing import LOCKED, SEARCHED, mask
from sltpack.source.initializers import step_of
from sltpack.source.network import kept_by_layer, make_source, searched_kept
from sltpack.source.ratios import place
from sltpack.tickets.ticket import Ticket

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


def popup_of(source: Source, sparsity: float, by_layer: bool = False) -> tuple[torch.nn.Module, EdgePopup]:
    model = channels_last(models.build(source.model))
    settings = Settings(sparsity=sparsity, epochs=1, threshold="layer" if by_layer else "global")
    return model, EdgePopup(model, source, settings, torch.device("cpu"))


def ticket_of(model: torch.nn.Module, popup: EdgePopup) -> Ticket:
    return state_of(popup, model, {}, {}, {}).ticket()


def finished(model: torch.nn.Module, popup: EdgePopup) -> Source:
    """The source with the kept counts of the ticket as it stands."""
    return ticket_of(model, popup).source


@pytest.mark.parametrize(("init", "scale"), VARIANTS)
@pytest.mark.parametrize(("prune", "lock"), FREEZINGS)
@pytest.mark.parametrize("by_layer", [False, True])
def test_the_network_in_search_is_the_packed_ticket(
    small_source: SourceMaker, init: str, scale: str, prune: float, lock: float, by_layer: bool
) -> None:
    source = small_source(init, scale, prune=prune, lock=lock)
    model, popup = popup_of(source, (prune + 1 - lock) / 2, by_layer)
    with torch.no_grad():
        popup.scores.copy_(torch.from_numpy(np.random.default_rng(5).standard_normal(source.searched, np.float32)))
    popup.apply()
    ticket = ticket_of(model, popup)
    assert ticket.source.kept == source.locked + popup.wanted
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
        kept = largest(scores.detach(), popup.wanted)
        parts = zip(
            scores.abs().split([layer.searched for layer in source.layers]),
            kept.split([layer.searched for layer in source.layers]),
            frozen,
            strict=True,
        )
        ticket = ticket_of(model, popup)
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
@pytest.mark.parametrize("by_layer", [False, True])
def test_exactly_as_many_zeros_as_wanted(
    small_source: SourceMaker, prune: float, lock: float, place: float, by_layer: bool
) -> None:
    source = small_source(prune=prune, lock=lock)
    sparsity = prune + place * (1 - lock - prune)
    model, popup = popup_of(source, sparsity, by_layer)
    for scores in (torch.ones(source.searched), torch.zeros(source.searched), kaiming_normal(source, 1)):
        with torch.no_grad():
            popup.scores.copy_(scores)
        popup.apply()
        zeros = sum(int((weight == 0).sum()) for weight in searchable(model).values())
        assert zeros == round(sparsity * source.size)
        assert finished(model, popup).kept == source.size - zeros


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize(("prune", "lock", "sparsity"), [(0, 0, 0), (0, 0, 1), (0, 0.5, 0), (0.25, 0.25, 0.75)])
def test_the_zeros_stay_exact_while_the_scores_learn(
    small_source: SourceMaker, prune: float, lock: float, sparsity: float, by_layer: bool
) -> None:
    source = small_source("ku", "none", prune=prune, lock=lock)
    model, popup = popup_of(source, sparsity, by_layer)
    optimizer = torch.optim.SGD(popup.parameters, lr=10.0, momentum=0.9, weight_decay=1e-4)
    random = torch.Generator().manual_seed(0)
    for _ in range(5):
        model(torch.randn(8, 1, 8, 8, generator=random)).square().sum().backward()
        popup.take_gradient()
        optimizer.step()
        popup.apply()
        zeros = sum(int((weight == 0).sum()) for weight in searchable(model).values())
        assert zeros == round(sparsity * source.size)


def test_each_layer_keeps_the_same_share_with_a_threshold_of_its_own(small_source: SourceMaker) -> None:
    source = small_source(model="conv4")
    layers = finished(*popup_of(source, 0.4, True)).layers
    kept = sum(layer.searched_kept for layer in layers)
    assert kept == searched_kept(source, 0.4)
    assert kept_by_layer(source, kept) == tuple(layer.searched_kept for layer in layers)
    share = kept / source.searched
    assert all(abs(layer.searched_kept - share * layer.searched) < 1 for layer in layers)
    one_threshold = finished(*popup_of(source, 0.4))
    densities = [layer.searched_kept / max(layer.searched, 1) for layer in one_threshold.layers]
    assert max(densities) - min(densities) > 0.2


@given(st.data())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_the_shares_of_layers_add_up(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=8))
    layers = tuple(Layer((f"l{i}",), (size + 3,), 0, 0, 2, 1, 1) for i, size in enumerate(sizes))
    source = Source(ModelSpec("m", {}), "ku", "none", Seeds(0, 0), Ratios("epl", 0.0, 0.0), layers)
    kept = data.draw(st.integers(0, sum(sizes)))
    shares = kept_by_layer(source, kept)
    assert sum(shares) == kept
    for share, size in zip(shares, sizes, strict=True):
        assert 0 <= share <= size
        assert abs(share - size * kept / max(sum(sizes), 1)) < 1


@pytest.mark.parametrize(("init", "scale"), VARIANTS)
@pytest.mark.parametrize("lock", [0.0, 0.25])
def test_the_steps_are_those_of_a_reader_bit_for_bit(
    small_source: SourceMaker, init: str, scale: str, lock: float
) -> None:
    source = small_source(init, scale, model="conv4", prune=0.25, lock=lock)
    random = np.random.default_rng(3)
    steps = _Steps(source, torch.device("cpu"))
    for density in (0.0, 0.001, 0.3, 0.7, 1.0):
        supermasks = [torch.from_numpy(random.random(layer.searched) < density).float() for layer in source.layers]
        steps.follow(supermasks)
        layers = tuple(
            replace(layer, kept=layer.locked + int(bits.sum()))
            for layer, bits in zip(source.layers, supermasks, strict=True)
        )
        finished = replace(source, layers=layers)
        expected = [step_of(finished, index).tobytes() for index in range(len(layers))]
        assert [step.numpy().tobytes() for step in steps.of_layers] == expected


def test_a_layer_too_large_for_exact_steps() -> None:
    layer = Layer(("large",), (2**10, 2**26), 0, 0, 0, 0, 0)
    source = Source(ModelSpec("m", {}), "skc", "layer", Seeds(0, 0), Ratios("epl", 0.0, 0.0), (layer,))
    with pytest.raises(RequestError) as caught:
        _Steps(source, torch.device("cpu"))
    assert str(caught.value) == (
        "scale layer: expected at most 9007199254740992 as the product of fan-in and weights, found 4611686018427387904; "
        "search without scale, or a smaller model"
    )


def test_random_supermasks_are_as_likely_as_each_other(small_source: SourceMaker) -> None:
    source = small_source(model="conv4")
    model = models.build(source.model)
    popup = RandomSearch(model, source, Settings(sparsity=0.5, epochs=1), torch.device("cpu"))
    drawn = []
    for number in range(2):
        popup.draw(7, number)
        drawn.append(popup.scores.detach().clone())
        as_drawn = finished(model, popup)
        assert as_drawn.kept == round(0.5 * source.size)
        for layer in as_drawn.layers:
            if layer.searched > 1000:
                assert abs(layer.searched_kept / layer.searched - 0.5) < 0.1
    assert not torch.equal(*drawn)
    popup.draw(7, 0)
    assert torch.equal(popup.scores, drawn[0])


@pytest.mark.parametrize("optimizer", REMEMBERED)
def test_the_optimisers_memory_falls_with_the_freezing(tmp_path: Path, optimizer: str) -> None:
    spec = models.spec("conv4", 0.5, 10, (1, 8, 8))
    taken = {}
    for freezing in (0.0, 0.8):
        ratios = Ratios("epl", *place(0.5, freezing))
        source = make_source(spec, models.shapes(spec), "skc", "layer", Seeds(0, 0), ratios)
        model, popup = popup_of(source, 0.5)
        stepper = make_stepper(model, popup, Settings(sparsity=0.5, epochs=1, precision="float32", optimizer=optimizer))
        stepper.step(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), 0.0)
        own = stepper.optimizer.state[popup.scores]
        held = {name: values for name, values in own.items() if values.numel() > 1}  # AdamW counts its steps
        assert set(held) == set(stepper.memory()) == set(REMEMBERED[optimizer])
        taken[freezing] = sum(tensor.numel() * tensor.element_size() for tensor in (popup.scores, *held.values()))
        checkpoint = state_of(popup, model, {}, {"epoch": 0, "history": []}, stepper.memory())
        checkpoint.save(tmp_path / f"{freezing}.pt")
    assert taken[0.8] / taken[0.0] == pytest.approx(0.2, abs=1e-4)
    files = [(tmp_path / f"{freezing}.pt").stat().st_size for freezing in (0.8, 0.0)]
    assert files[0] / files[1] == pytest.approx(0.2, abs=0.02)


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
    scores = kaiming_normal(source, 0).split([layer.searched for layer in source.layers])
    for layer, part in zip(source.layers, scores, strict=True):
        if layer.searched > 1000:
            assert abs(float(part.std()) / (2 / layer.fan_in) ** 0.5 - 1) < 0.1
    assert torch.equal(kaiming_normal(source, 0), kaiming_normal(source, 0))
    assert not torch.equal(kaiming_normal(source, 0), kaiming_normal(source, 1))
