"""The generated inputs are those of docs/format.md, and a changed model shows in the classes that it predicts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sltpack import models
from sltpack.errors import LimitError, MismatchError
from sltpack.format.records import ImageInput, ModelSpec
from sltpack.models.generated import (
    COUNT,
    generated_graph,
    generated_pictures,
    is_small,
    predict_generated,
    require_alike,
)
from sltpack.source.streams import Stream


def test_pictures_are_fields_of_the_first_stream() -> None:
    pictures = generated_pictures((3, 10, 7))
    assert pictures.shape == (COUNT, 10, 7, 3)
    data = Stream(0, 0, 0).read(0, COUNT * 3 * 16).tolist()
    for i, y, x, c in ((0, 0, 0, 0), (5, 9, 6, 2), (31, 4, 3, 1)):
        assert pictures[i, y, x, c] == data[((i * 3 + c) * 4 + y * 4 // 10) * 4 + x * 4 // 7] // (1 + i % 4)


def test_the_graph_is_a_ring_with_chords() -> None:
    features, neighbours, wanted = generated_graph(70)
    matrix = neighbours.matrix.to_dense()
    for i in range(COUNT):
        expected = sorted((i + step) % COUNT for step in (1, 5, -1, -5))
        assert matrix[i].nonzero()[:, 0].tolist() == expected
        assert set(matrix[i].tolist()) == {0.0, 0.25}
    data = Stream(0, 0, 0).read(0, COUNT * 70).reshape(COUNT, 70)
    assert features.to_dense().tolist() == (data >= 224).astype(float).tolist()
    assert wanted.tolist() == list(range(COUNT))


def random_model(name: str, shape: tuple[int, ...]) -> tuple[nn.Module, ModelSpec]:
    """A model whose weights and statistics come from torch's own generator."""
    torch.manual_seed(0)
    spec = models.spec(name, 0.25, 10, shape)
    return models.build(spec), spec


@pytest.mark.parametrize(("name", "shape"), [("conv2", (3, 16, 16)), ("resnet18", (1, 8, 8)), ("gin", (50,))])
def test_a_model_is_run_on_all_of_them(name: str, shape: tuple[int, ...]) -> None:
    model, spec = random_model(name, shape)
    found = predict_generated(model, spec, None)
    assert len(found) == COUNT and set(found) <= set(range(10))
    assert predict_generated(model, spec, None) == found


def test_another_activation_is_noticed() -> None:
    model, spec = random_model("conv2", (3, 16, 16))
    given = ImageInput((0.0, 1.0), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), "cover")
    found = predict_generated(model, spec, given)
    require_alike(found, found, "a.slt")
    assert isinstance(model, nn.Sequential)
    changed = nn.Sequential(*(nn.Tanh() if isinstance(layer, nn.ReLU) else layer for layer in model))
    with pytest.raises(MismatchError, match="outputs: expected at least 30 of 32 generated inputs in"):
        require_alike(predict_generated(changed, spec, given), found, "a.slt")


def test_two_of_them_may_differ() -> None:
    recorded = list(range(COUNT))
    require_alike([*recorded[:30], 0, 0], recorded, "a.slt")
    with pytest.raises(MismatchError, match="found 29"):
        require_alike([*recorded[:29], 0, 0, 0], recorded, "a.slt")
    with pytest.raises(MismatchError):
        require_alike(recorded, recorded[:31], "a.slt")


def test_another_number_of_channels_is_refused() -> None:
    model, spec = random_model("conv2", (3, 16, 16))
    with pytest.raises(MismatchError, match="input: expected a mean and a deviation for each of 3 channels"):
        predict_generated(model, spec, ImageInput((0.0, 1.0), (0.5,), (0.2,), "cover"), "a.slt")


def test_an_input_that_is_too_large_is_not_run() -> None:
    spec = models.spec("conv2", 0.25, 10, (3, 2048, 2048))
    assert not is_small(spec)
    with pytest.raises(LimitError, match="3 x 2048 x 2048"):
        predict_generated(nn.Linear(1, 1), spec, None)
