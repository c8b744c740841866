"""Pictures become the same numbers in NumPy, in torch and in a search, and what cannot be meant is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sltpack.data.dataset import DataSet
from sltpack.errors import RequestError
from sltpack.format.records import ImageInput
from sltpack.tickets.preprocessing import preprocess

GIVEN = ImageInput((0.0, 1.0), (0.491, 0.482, 0.447), (0.247, 0.243, 0.262), "cover")


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """All 256 values in each of three channels."""
    return np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)[None]


def test_numpy_follows_the_formula(pixels: NDArray[np.uint8]) -> None:
    found = preprocess(pixels, GIVEN)
    assert found.shape == (1, 3, 16, 16) and found.dtype == np.float32
    for channel in range(3):
        mean, deviation = np.float32(GIVEN.mean[channel]), np.float32(GIVEN.deviation[channel])
        expected = [(np.float32(value) / np.float32(255) - mean) / deviation for value in range(256)]
        assert found[0, channel].ravel().tolist() == [float(value) for value in expected]


def test_torch_has_the_same_bits_as_numpy(pixels: NDArray[np.uint8]) -> None:
    found = preprocess(torch.from_numpy(pixels), GIVEN)
    assert isinstance(found, torch.Tensor) and found.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(found.numpy(), preprocess(pixels, GIVEN))


def test_a_search_sees_the_same_bits(digits: DataSet) -> None:
    images = digits.test.take(slice(0, 20))
    ((batch, _),) = images.batches(20)
    given = ImageInput((0.0, 1.0), (0.3055,), (0.3759,), "cover")
    assert torch.equal(batch, preprocess(images.pixels, given))  # type: ignore[attr-defined]


def test_floating_point_pictures_are_not_divided(pixels: NDArray[np.uint8]) -> None:
    scaled = pixels.astype(np.float32) / np.float32(255)
    assert np.array_equal(preprocess(scaled, GIVEN), preprocess(pixels, GIVEN))
    assert torch.equal(preprocess(torch.from_numpy(scaled), GIVEN), preprocess(torch.from_numpy(pixels), GIVEN))
    assert preprocess(scaled.astype(np.float64), GIVEN).dtype == np.float32


def test_one_picture_makes_a_batch_of_one(pixels: NDArray[np.uint8]) -> None:
    assert np.array_equal(preprocess(pixels[0], GIVEN), preprocess(pixels, GIVEN))


def test_another_range_is_spread_before_it_is_normalised(pixels: NDArray[np.uint8]) -> None:
    wide = ImageInput((-1.0, 1.0), (0.0,) * 3, (1.0,) * 3, "cover")
    found = preprocess(pixels, wide)
    assert (found.min(), found.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([[1]], "images: expected a NumPy array or a torch tensor, found list; convert the pictures to one"),
        (
            np.zeros((2, 3, 16, 16), np.uint8),
            "images: expected shape [n, 16, 16, 3] or [16, 16, 3], found [2, 3, 16, 16]; put the channels last",
        ),
        (
            np.zeros((3, 16, 16), np.uint8),
            "images: expected shape [n, 16, 16, 3] or [16, 16, 3], found [3, 16, 16]; put the channels last",
        ),
        (
            np.zeros((8, 16, 3), np.uint8),
            "images: expected shape [n, 16, 16, 3] or [16, 16, 3], found [8, 16, 3]; scale and crop the pictures first",
        ),
        (
            np.zeros((16, 16, 3), np.int64),
            "images: expected pictures of uint8, or of floating-point numbers from 0 to 1, found int64; convert them",
        ),
        (
            np.full((16, 16, 3), 200.0),
            "images: expected floating-point numbers from 0 to 1, found others; "
            "pass the pixels as uint8, or divide them by their maximum",
        ),
        (
            torch.full((16, 16, 3), float("nan")),
            "images: expected floating-point numbers from 0 to 1, found others; "
            "pass the pixels as uint8, or divide them by their maximum",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(images: object, sentence: str) -> None:
    with pytest.raises(RequestError) as error:
        preprocess(images, GIVEN, (16, 16))  # type: ignore[type-var]
    assert str(error.value) == sentence
