"""Gem-Miner: against a slow form over plain lists, and as a search that ends with what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from sltpack import models
from sltpack.checkpoints import reading
from sltpack.data.dataset import DataSet
from sltpack.format.records import Source
from sltpack.models.layers import channels_last, searchable
from sltpack.searching.methods.gem_miner import FROZEN, GemMiner
from sltpack.searching.run import state_of
from sltpack.searching.run_folder import BEST, LAST
from sltpack.searching.runner import search
from sltpack.searching.settings import Settings
from sltpack.source.freezing import LOCKED, PRUNED, mask

SourceMaker = Callable[..., Source]
SETTINGS = Settings(
    sparsity=0.5,
    method="gem-miner",
    epochs=6,
    batch_size=16,
    precision="float32",
    learning_rate=1.0,
    weight_decay=0.0,
)
CPU = torch.device("cpu")


def miner_of(source: Source, epochs: int = 5) -> tuple[torch.nn.Module, GemMiner]:
    model = channels_last(models.build(source.model))
    return model, GemMiner(model, source, Settings(sparsity=0.5, method="gem-miner", epochs=epochs), CPU)


def test_a_step_is_that_of_a_slow_form(small_source: SourceMaker) -> None:
    """The gradient by autograd over factors of all positions, clipping and freezing over lists."""
    source = small_source()
    model, miner = miner_of(source)
    images = torch.from_numpy(np.random.default_rng(1).normal(size=(4, 1, 8, 8)).astype(np.float32))
    labels = torch.arange(4)
    begun = miner.scores.detach().clone()
    assert begun.min() >= 0 and begun.max() < 1

    miner.begin_epoch(3)
    order = sorted(range(len(begun)), key=lambda i: (float(begun[i]), i))
    out = set(order[: len(begun) - miner.left_after(3)])
    assert out
    scores = [FROZEN if i in out else float(begun[i]) for i in range(len(begun))]
    assert miner.scores.tolist() == scores
    assert miner.planes()["kept"].tolist() == [score >= 0.5 for score in scores]

    # Slow: the weights as units and steps times factors, which autograd differentiates.
    weights = {name: weight.detach().clone() for name, weight in searchable(model).items()}
    factors = {name: torch.ones_like(weight, requires_grad=True) for name, weight in weights.items()}
    functional.cross_entropy(model(images), labels).backward()
    plain = {name: weight.grad.clone() for name, weight in searchable(model).items() if weight.grad is not None}
    with torch.no_grad():
        miner.take_gradient()
    drawn = state_of(miner, model, {}, {}, {}).ticket()
    expected: list[float] = []
    for index, layer in enumerate(source.layers):
        frozen = mask(source.seeds.freezing, index, layer, 0, layer.size)
        unit = torch.from_numpy(drawn.source_weights(index).ravel().copy())
        by_factor = plain[layer.name].reshape(-1) * unit
        expected += by_factor[torch.from_numpy((frozen != LOCKED) & (frozen != PRUNED))].tolist()
    assert factors.keys() == plain.keys()
    expected = [0.0 if i in out else value for i, value in enumerate(expected)]
    assert miner.scores.grad is not None
    assert miner.scores.grad.numpy() == pytest.approx(np.array(expected, np.float32), rel=1e-4, abs=1e-7)

    with torch.no_grad():
        miner.scores.sub_(3.0 * miner.scores.grad)
    miner.apply()
    moved = [
        FROZEN if i in out else min(1.0, max(0.0, score - 3.0 * value))
        for i, (score, value) in enumerate(zip(scores, expected, strict=True))
    ]
    assert miner.scores.detach().numpy() == pytest.approx(np.array(moved, np.float32), rel=1e-3, abs=1e-5)


def test_as_many_are_left_as_the_way_from_all_to_the_ticket_has(small_source: SourceMaker) -> None:
    _, miner = miner_of(small_source(), epochs=9)
    left = [miner.left_after(epoch) for epoch in range(9)]
    assert left[0] == miner.scores.numel()
    assert left == sorted(left, reverse=True)
    assert left[6:] == [miner.wanted] * 3
    _, once = miner_of(small_source(), epochs=1)
    assert once.left_after(0) == once.scores.numel()


def test_what_settles_keeps_exactly_what_the_ticket_does(small_source: SourceMaker) -> None:
    model, miner = miner_of(small_source())
    for epoch in range(5):
        miner.begin_epoch(epoch)
        miner.settle()
        assert int(miner.planes()["kept"].sum()) == miner.wanted
        ticket = state_of(miner, model, {}, {}, {}).ticket()
        assert ticket.source.sparsity == pytest.approx(0.5, abs=1e-3)
        for index, layer in enumerate(ticket.source.layers):
            assert np.array_equal(searchable(model)[layer.name].detach().numpy(), ticket.weights(index))


def test_a_search_learns_and_goes_on_as_if_it_had_not_been_stopped(
    small_source: SourceMaker, few_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = small_source(model="conv2")
    found = search(source, few_digits, SETTINGS, tmp_path / "whole", device=CPU)
    assert found.metrics["test_accuracy"] > 0.3  # 0.1 is chance

    begin = GemMiner.begin_epoch

    def stopped(self: GemMiner, epoch: int) -> None:
        if epoch == 3:
            raise KeyboardInterrupt
        begin(self, epoch)

    with monkeypatch.context() as patched, pytest.raises(Exception, match="stopped by Ctrl-C"):
        patched.setattr(GemMiner, "begin_epoch", stopped)
        search(source, few_digits, SETTINGS, tmp_path / "stopped", device=CPU)
    search(source, few_digits, SETTINGS, tmp_path / "stopped", device=CPU, resume=True)
    for name in (BEST, LAST):
        one, other = (reading.load(tmp_path / folder / name) for folder in ("whole", "stopped"))
        assert torch.equal(one.scores, other.scores)
        assert torch.equal(one.planes["kept"], other.planes["kept"])
