"""The residual networks have the layers, sizes and values of the literature, by a second way of computing them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import nn
from torch.nn import functional

from sltpack import models

COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
NAMES = [f"{form}resnet{depth}" for form in ("", "imagenet-") for depth in COUNTS]


def parts(name: str) -> tuple[int, bool]:
    """Depth, and whether it is the form for large images."""
    return int(name[-2:]), name.startswith("imagenet-")


def by_hand(depth: int, large: bool, classes: int) -> list[int]:
    """The weights of each layer by the paper's table 1, in order."""
    sizes, channels = [3 * 64 * (49 if large else 9)], 64
    for stage, count in enumerate(COUNTS[depth]):
        inner = 64 << stage
        for _ in range(count):
            if depth == 50:
                out, layers = 4 * inner, [channels * inner, 9 * inner * inner, 4 * inner * inner]
            else:
                out, layers = inner, [9 * channels * inner, 9 * inner * inner]
            sizes += layers + [channels * out] * (channels != out)
            channels = out
    return [*sizes, channels * classes]


@pytest.mark.parametrize(
    ("name", "classes", "weights", "layers"),
    [
        # torchvision's counts, without 1000 biases and without two parameters for each channel of a BatchNorm.
        ("imagenet-resnet18", 1000, 11_689_512 - 1000 - 2 * 4800, 21),
        ("imagenet-resnet34", 1000, 21_797_672 - 1000 - 2 * 8512, 37),
        ("imagenet-resnet50", 1000, 25_557_032 - 1000 - 2 * 26560, 54),
        ("imagenet-resnet18", 1000, 11_678_912, 21),
        ("imagenet-resnet34", 1000, 21_779_648, 37),
        ("imagenet-resnet50", 1000, 25_502_912, 54),
        ("resnet18", 10, 11_164_352, 21),
        ("resnet34", 10, 21_265_088, 37),
        ("resnet50", 10, 25_502_912 - 990 * 2048 - 40 * 3 * 64, 54),
    ],
)
def test_weights(name: str, classes: int, weights: int, layers: int) -> None:
    shapes = models.shapes(models.spec(name, 1.0, classes, (3, 224, 224)))
    assert [math.prod(shape) for shape in shapes.values()] == by_hand(*parts(name), classes)
    assert (sum(map(math.prod, shapes.values())), len(shapes)) == (weights, layers)


def test_names_of_layers() -> None:
    # A ticket's layer table holds them in this order.
    basic = models.shapes(models.spec("resnet18", 0.1, 10, (3, 32, 32)))
    assert list(basic) == ["conv"] + [
        f"blocks.{block}.{layer}"
        for block in range(8)
        for layer in ("conv1", "conv2", *(("shortcut.0",) if block in (2, 4, 6) else ()))
    ] + ["linear"]
    deep = models.shapes(models.spec("imagenet-resnet50", 0.1, 10, (3, 32, 32)))
    assert list(deep) == ["conv"] + [
        f"blocks.{block}.{layer}"
        for block in range(16)
        for layer in ("conv1", "conv2", "conv3", *(("shortcut.0",) if block in (0, 3, 7, 13) else ()))
    ] + ["linear"]


@pytest.mark.parametrize("name", NAMES)
def test_sizes_inside(name: str) -> None:
    depth, large = parts(name)
    seen = []
    with torch.device("meta"):
        model = models.build(models.spec(name, 1.0, 1000, (3, 224, 224)))
        for module in (model.conv, model.pool, *model.blocks):  # type: ignore[union-attr, misc]
            module.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape)))  # type: ignore[union-attr]
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    side = 56 if large else 224
    wide = 256 if depth == 50 else 64
    expected = [
        (2, wide << stage, side >> stage, side >> stage) for stage in range(4) for _ in range(COUNTS[depth][stage])
    ]
    assert seen == [(2, 64, 112, 112) if large else (2, 64, 224, 224), (2, 64, side, side), *expected]


def test_any_size_of_images() -> None:
    for name in NAMES:
        for side in (1, 7, 33):
            model = models.build(models.spec(name, 0.05, 3, (2, side, side + 2))).eval()
            assert model(torch.zeros(2, 2, side, side + 2)).shape == (2, 3)


def convolved(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """A convolution as one product of matrices."""
    size = weight.shape[2]
    columns = functional.unfold(x, size, padding=size // 2, stride=stride)  # (B, C * size * size, places)
    height, width = (math.ceil(side / stride) for side in x.shape[2:])
    return (weight.flatten(1) @ columns).unflatten(2, (height, width))


def maximum(x: torch.Tensor) -> torch.Tensor:
    """3x3 with stride 2, place by place."""
    padded = functional.pad(x, (1, 1, 1, 1), value=-math.inf)
    rows = [
        torch.stack([padded[:, :, i : i + 3, j : j + 3].amax((2, 3)) for j in range(0, x.shape[3], 2)], 2)
        for i in range(0, x.shape[2], 2)
    ]
    return torch.stack(rows, 2)


def reference(state: Mapping[str, torch.Tensor], depth: int, large: bool, x: torch.Tensor) -> torch.Tensor:
    """The whole network by its weights and statistics."""

    def layer(values: torch.Tensor, conv: str, norm: str, stride: int = 1) -> torch.Tensor:
        out = convolved(values, state[f"{conv}.weight"], stride)
        mean, variance = (state[f"{norm}.running_{name}"][:, None, None] for name in ("mean", "var"))
        return (out - mean) / (variance + 1e-5).sqrt()

    x = layer(x, "conv", "norm", 2 if large else 1).clamp(min=0)
    if large:
        x = maximum(x)
    last = 3 if depth == 50 else 2
    for block in range(sum(COUNTS[depth])):
        at = f"blocks.{block}."
        stride = 2 if block in [sum(COUNTS[depth][:stage]) for stage in (1, 2, 3)] else 1
        hidden = x
        for number in range(1, last + 1):
            hidden = layer(hidden, f"{at}conv{number}", f"{at}norm{number}", stride if number == last - 1 else 1)
            if number < last:
                hidden = hidden.clamp(min=0)
        if f"{at}shortcut.0.weight" in state:
            x = layer(x, f"{at}shortcut.0", f"{at}shortcut.1", stride)
        x = (hidden + x).clamp(min=0)
    return x.mean((2, 3)) @ state["linear.weight"].T


@pytest.mark.parametrize("name", NAMES)
def test_values(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(models.spec(name, 0.08, 6, (3, 70, 53))).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.1, 0.4)
    images = torch.randn(2, 3, 70, 53, dtype=torch.float64)
    with torch.no_grad():
        scores = model(images)
        torch.testing.assert_close(scores, reference(model.state_dict(), *parts(name), images), rtol=1e-9, atol=1e-9)
    assert scores.std() > 1e-3  # something arrives
