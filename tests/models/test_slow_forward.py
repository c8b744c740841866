"""torch's models, preprocessing and Pillow's scaling against the plain Python that follows docs/format.md alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sltpack import models
from sltpack.data.images.folders import read_image
from sltpack.format.records import ImageInput, known_parts
from sltpack.models.generated import COUNT, generated_graph, generated_pictures
from sltpack.models.layers import buffers, searchable
from sltpack.source.streams import Stream
from sltpack.tickets.preprocessing import preprocess


def load_slow_forward() -> Any:
    path = Path(__file__).parents[1] / "slow_forward.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slow_forward = load_slow_forward()
GIVEN = ImageInput((0.0, 1.0), (0.5, 0.4), (0.25, 0.3), "cover")
DATA = Stream(0, 0, 0).read(0, 2**16).tolist()


def random_model(name: str, width: float, shape: tuple[int, ...]) -> nn.Module:
    """A model with random weights and, for BatchNorm, random statistics."""
    torch.manual_seed(1)
    model = models.build(models.spec(name, width, 3, shape)).eval()
    for values in buffers(model).values():
        values.uniform_(0.5, 1.5)
    return model


def as_lists(model: nn.Module) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Weights by name as a shape and a flat list, and buffers by name as flat lists."""
    weights = {name: (list(w.shape), w.detach().flatten().tolist()) for name, w in searchable(model).items()}
    return weights, {name: values.flatten().tolist() for name, values in buffers(model).items()}


def scores_of(model: nn.Module, batch: Any) -> Any:
    with torch.no_grad():
        return model(batch).double().numpy()


@pytest.mark.parametrize("depth", [2, 4, 6, 8])
def test_conv(depth: int) -> None:
    # A side that is not halved evenly, and two channels.
    model = random_model(f"conv{depth}", 1 / 64, (2, 19, 17))
    weights, _ = as_lists(model)
    pictures = generated_pictures((2, 19, 17))[:2]
    expected = scores_of(model, torch.from_numpy(preprocess(pictures, GIVEN)))
    for i in range(2):
        picture = slow_forward.generated_picture(i, DATA, 2, 19, 17)
        assert picture == pictures[i].tolist()
        image = slow_forward.preprocess(picture, known_parts(GIVEN))
        assert slow_forward.run_conv(depth, image, weights) == pytest.approx(expected[i], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("large", [False, True])
def test_resnet(depth: int, large: bool) -> None:
    side = 33 if large else 9
    model = random_model(f"{'imagenet-' * large}resnet{depth}", 1 / 64, (2, side, side))
    weights, statistics = as_lists(model)
    pictures = generated_pictures((2, side, side))[:1]
    (expected,) = scores_of(model, torch.from_numpy(preprocess(pictures, GIVEN)))
    image = slow_forward.preprocess(slow_forward.generated_picture(0, DATA, 2, side, side), known_parts(GIVEN))
    found = slow_forward.run_resnet(depth, large, image, weights, statistics)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_gin() -> None:
    model = random_model("gin", 1 / 64, (40,))
    weights, _ = as_lists(model)
    expected = scores_of(model, generated_graph(40))
    nodes, neighbours = slow_forward.generated_graph(DATA, 40)
    found = slow_forward.run_gin(nodes, neighbours, weights)
    assert len(found) == COUNT
    assert np.array(found) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(("fit", "size"), [("cover", (8, 8)), ("cover", (60, 20)), ("center-crop", (11, 11))])
@pytest.mark.parametrize("picture_size", [(37, 23), (10, 50), (8, 8)])
def test_fit(fit: str, size: tuple[int, int], picture_size: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*picture_size, 3), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    found = read_image(path, (3, *size), fit)
    for channel in range(3):
        height, width = size
        expected = slow_forward.fit_picture(pixels[..., channel].tolist(), fit, width, height)
        # Some versions of Pillow scale the columns first, and bytes are rounded in between.
        assert np.abs(found[..., channel].astype(int) - expected).max() <= 1
