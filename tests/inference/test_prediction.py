"""Running a model on images: what it is given, and that its products are in full float32."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sltpack.data.dataset import DataSet
from sltpack.data.images.image_input import image_input
from sltpack.data.images.in_memory import Images
from sltpack.errors import RequestError
from sltpack.inference.prediction import _precision_switches, accuracy, evaluating, predict


class Sum(nn.Module):
    """Gives class 1 where an image is bright, and notes how it was run."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled() and not self.training
        assert _switches() == [exact for _, _, exact in _precision_switches()]
        self.sizes.append(len(x))
        bright = x.sum((1, 2, 3)) * self.weight
        return torch.stack([-bright, bright], 1)


def _switches() -> list[object]:
    return [getattr(place, name) for place, name, _ in _precision_switches()]


def test_predictions_come_in_order_whatever_the_batch() -> None:
    pixels = torch.tensor([0, 255, 255, 0, 255], dtype=torch.uint8)[:, None, None, None].expand(5, 2, 2, 1)
    images = Images(pixels, torch.tensor([0, 1, 1, 1, 1]), ("dark", "bright"), image_input((0.5,), (1.0,)))
    for batch_size, sizes in ((500, [5]), (2, [2, 2, 1])):
        model = Sum().train()
        classes = predict(model, images, batch_size)
        assert classes.tolist() == [0, 1, 1, 0, 1]
        assert model.sizes == sizes
    assert accuracy(classes, images.labels) == 4 / 5


def test_tf32_is_off_while_a_model_runs_and_then_as_it_was() -> None:
    before = _switches()
    assert before != [exact for _, _, exact in _precision_switches()]
    with pytest.raises(ZeroDivisionError), evaluating(Sum()):
        assert _switches() == [exact for _, _, exact in _precision_switches()]
        raise ZeroDivisionError
    assert _switches() == before
    assert torch.backends.cudnn.allow_tf32  # the older name, too, can still be read


def test_a_batch_that_cannot_be_run(digits: DataSet) -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] not enough memory")

    with pytest.raises(RequestError) as caught:
        predict(Failing(), digits.test)
    assert str(caught.value) == (
        "a batch: expected a model that can be run on them, and memory for it, found RuntimeError: [enforce fail "
        "at alloc_cpu.cpp:127] not enough memory; lower --batch-size"
    )
