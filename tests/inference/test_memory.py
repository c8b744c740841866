"""The memory of activations is known from their shapes, before they are computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sltpack import models
from sltpack.errors import RequestError
from sltpack.inference.memory import activation_bytes, fitting_batch


def test_the_estimate_is_the_largest_input_and_output_of_a_layer() -> None:
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.AvgPool2d(10), nn.Flatten(), nn.Linear(32, 10))
    # The convolution's three channels take the memory of sixteen.
    assert activation_bytes(model, (3, 10, 10)) == (16 + 32) * 100 * 4
    assert not any(value.is_meta for value in model.state_dict().values())
    assert not any(layer._forward_hooks for layer in model.modules())


def test_a_small_network_on_huge_images_is_refused_before_it_runs() -> None:
    spec = models.spec("resnet18", 0.02, 10, (3, 8000, 8000))
    with torch.device("meta"):
        model = models.build(spec).eval()
    with pytest.raises(RequestError) as caught:
        fitting_batch(model, (3, 8000, 8000), 500, 4 << 30, "m.slt")
    needed = 2 * 16 * 8000 * 8000 * 4
    assert str(caught.value) == (
        f"m.slt: expected a network that takes at most {4 << 30} bytes of memory for one image of shape [3, 8000, 8000], "
        f"found about {needed}; allow as much (--max-memory {needed})"
    )
    assert fitting_batch(model, (3, 8000, 8000), 500, needed, "m.slt") == 1
    assert fitting_batch(model, (3, 8000, 8000), 500, 7 * needed + 1, "m.slt") == 7


def test_small_networks_are_not_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = models.spec("conv6", 1.0, 10, (3, 32, 32))
    model = models.build(spec)
    exact = activation_bytes(model, (3, 32, 32))
    assert exact == 2 * 64 * 32 * 32 * 4
    monkeypatch.setattr("sltpack.inference.memory.activation_bytes", lambda *_: pytest.fail("it was worked out"))
    assert fitting_batch(model, (3, 32, 32), 500, 4 << 30, "m.slt") == 500


def test_models_that_shapes_do_not_tell_of_are_run_as_asked_for() -> None:
    class Own(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    assert activation_bytes(Own(), (3, 8, 8)) is None
    assert fitting_batch(Own(), (3, 8, 8), 5, 1, "m.slt") == 5
