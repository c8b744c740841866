"""The digits that come with sltpack are the ones that their file holds, and those of the original."""

from __future__ import annotations

import hashlib
from importlib import resources

import pytest
import torch

from sltpack.data.images import digits


def test_parts() -> None:
    data = digits.load()
    for images, count in ((data.train, 1437), (data.test, 360)):
        assert images.pixels.shape == (count, 8, 8, 1)
        assert images.pixels.dtype == torch.uint8
        assert images.labels.shape == (count,)
        assert images.labels.dtype == torch.int64
        assert images.shape == (1, 8, 8)
        assert images.classes == tuple("0123456789")
        assert not images.flips


def test_the_file_stays_as_it_is() -> None:
    # Published accuracies depend on its order and split.
    data = resources.files("sltpack.data.images").joinpath("digits.npz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "12a90b37620a8e35f1a8a223e2042d4d491da5d083695b9e33ab0a79dee12c44"


def test_classes_are_those_of_the_original() -> None:
    data = digits.load()
    labels = torch.cat([data.train.labels, data.test.labels])
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_grey_values_are_those_of_the_original_scaled() -> None:
    data = digits.load()
    pixels = torch.cat([data.train.pixels, data.test.pixels])
    assert sorted(set(pixels.flatten().tolist())) == [
        0,
        16,
        32,
        48,
        64,
        80,
        96,
        112,
        128,
        143,
        159,
        175,
        191,
        207,
        223,
        239,
        255,
    ]


def test_no_image_is_in_both_parts() -> None:
    data = digits.load()
    train = {bytes(image.flatten().tolist()) for image in data.train.pixels}
    assert not train & {bytes(image.flatten().tolist()) for image in data.test.pixels}


def test_mean_and_deviation_are_those_of_the_training_pixels() -> None:
    pixels = digits.load().train.pixels.double() / 255
    assert list(digits.INPUT.mean) == pytest.approx([pixels.mean().item()], abs=5e-5)
    assert list(digits.INPUT.deviation) == pytest.approx([pixels.std(correction=0).item()], abs=5e-5)
    normalised = digits.load().train.normalise(digits.load().train.pixels)
    assert abs(normalised.mean().item()) < 1e-3
    assert abs(normalised.std().item() - 1) < 1e-3
