"""Splitting, augmenting and normalising, against slow and plain ways of doing the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.data.dataset import Share, require_fitting, split
from sltpack.data.images.image_input import image_input
from sltpack.data.images.in_memory import Images, augment, draw_shifts
from sltpack.errors import MismatchError


def numbered(count: int, shape: tuple[int, int, int] = (1, 1, 1), seed: int = 0) -> Images:
    """Gives random images whose labels are their numbers."""
    channels, height, width = shape
    pixels = np.random.default_rng(seed).integers(1, 256, (count, height, width, channels), dtype=np.uint8)
    mean, deviation = tuple(0.1 * (c + 1) for c in range(channels)), tuple(0.2 + 0.1 * c for c in range(channels))
    return Images(torch.from_numpy(pixels), torch.arange(count), ("a", "b"), image_input(mean, deviation))


@given(count=st.integers(0, 60), seed=st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_split_is_four_to_one_and_disjoint(count: int, seed: int) -> None:
    images = numbered(count)
    train, validation = split(images, seed)
    assert len(validation) == count // 5
    assert sorted(train.labels.tolist() + validation.labels.tolist()) == list(range(count))
    for part in (train, validation):
        assert torch.equal(part.pixels, images.pixels[part.labels])
    again, _ = split(images, seed)
    assert torch.equal(again.labels, train.labels)


def test_split_depends_on_the_seed() -> None:
    first, second = (split(numbered(50), seed)[1].labels for seed in (0, 1))
    assert not torch.equal(first, second)


def test_split_stays_as_it_is() -> None:
    # A search is repeated from its settings: other images in the split would be another search.
    assert split(numbered(20), 7)[1].labels.tolist() == [3, 8, 12, 13]


def crops(image: np.ndarray[Any, Any], flips: bool) -> set[bytes]:
    """Gives every picture that the augmentation may make of one image, by cutting and mirroring it in loops."""
    height, width, channels = image.shape
    padding = min(height, width) // 8
    padded = np.zeros((height + 2 * padding, width + 2 * padding, channels), np.uint8)
    padded[padding : padding + height, padding : padding + width] = image
    found = set()
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[top : top + height, left : left + width]
            found.add(crop.tobytes())
            if flips:
                found.add(crop[:, ::-1].tobytes())
    return found


@given(
    count=st.integers(0, 6),
    height=st.integers(1, 34),
    width=st.integers(1, 34),
    channels=st.sampled_from([1, 3]),
    flips=st.booleans(),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=50)
def test_augment_gives_crops_of_the_padded_image(
    count: int, height: int, width: int, channels: int, flips: bool, seed: int
) -> None:
    images = numbered(count, (channels, height, width), seed)
    shifts = draw_shifts(count, images.shape, flips, np.random.default_rng(seed))
    made = augment(images.pixels, shifts)
    assert made.shape == images.pixels.shape
    assert made.dtype == torch.uint8
    for image, result in zip(images.pixels.numpy(), made.numpy(), strict=True):
        assert result.tobytes() in crops(image, flips)


@pytest.mark.parametrize("flips", [False, True])
def test_augment_gives_every_crop_in_the_end(flips: bool) -> None:
    image = numbered(1, (1, 8, 8)).pixels
    shifts = draw_shifts(400, (1, 8, 8), flips, np.random.default_rng(0))
    made = augment(image.expand(400, -1, -1, -1), shifts)
    assert {result.tobytes() for result in made.numpy()} == crops(image[0].numpy(), flips)


def test_augment_moves_32_pixels_by_up_to_4() -> None:
    image = torch.zeros(1, 32, 32, 1, dtype=torch.uint8)
    image[0, 16, 16] = 255
    shifts = draw_shifts(2000, (1, 32, 32), False, np.random.default_rng(0))
    made = augment(image.expand(2000, -1, -1, -1), shifts)
    places = {(int(row), int(column)) for _, row, column, _ in made.nonzero().tolist()}
    assert places == {(row, column) for row in range(12, 21) for column in range(12, 21)}


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 4, 4)])
def test_normalise_is_the_plain_formula_in_channels_last_memory(shape: tuple[int, int, int]) -> None:
    images = numbered(4, shape)
    found = images.normalise(images.pixels)
    plain = (images.pixels.numpy() / 255 - np.array(images.input.mean)) / np.array(images.input.deviation)
    np.testing.assert_allclose(found.numpy(), plain.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)
    assert found.dtype == torch.float32
    assert found.shape == (4, *shape)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_normalise_leaves_the_pixels_alone() -> None:
    images = numbered(2)
    before = images.pixels.clone()
    images.normalise(images.pixels)
    assert torch.equal(images.pixels, before)


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_take(index: Any) -> None:
    taken = numbered(5).take(index)
    assert len(taken) == 2
    assert taken.labels.tolist() == [1, 2]
    assert torch.equal(taken.pixels, numbered(5).pixels[1:3])
    assert taken.to(torch.device("cpu")).labels.tolist() == [1, 2]


def test_require_fitting() -> None:
    images = numbered(1, (3, 4, 5))
    require_fitting(images, (3, 4, 5), 2, "ticket.slt")
    with pytest.raises(MismatchError) as caught:
        require_fitting(images, (1, 8, 8), 2, "ticket.slt")
    assert str(caught.value) == (
        "ticket.slt: expected images of shape [1, 8, 8] (channels, height, width), found images of shape [3, 4, 5] (channels, height, width); "
        "choose the data set that the ticket was searched on"
    )
    with pytest.raises(MismatchError) as caught:
        require_fitting(images, (3, 4, 5), 10, "ticket.slt")
    assert str(caught.value) == (
        "ticket.slt: expected 10 classes, found 2; choose the data set that the ticket was searched on"
    )


def test_training_batches_are_the_augmented_images_in_the_order() -> None:
    images = numbered(23, (3, 8, 8))
    order = np.random.default_rng(1).permutation(23)
    shifts = draw_shifts(23, images.shape, True, np.random.default_rng([7, 4]))
    batches = list(images.training_batches(order, 5, [7, 4]))
    assert len(batches) == 4
    for number, (pixels, labels) in enumerate(batches):
        part = slice(5 * number, 5 * number + 5)
        assert labels.tolist() == order[part].tolist()
        assert torch.equal(pixels, images.normalise(augment(images.pixels[order[part]], shifts[part])))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_make_up_the_batches(count: int) -> None:
    images = numbered(12, (1, 8, 8))
    whole = list(images.training_batches(np.arange(12), 6, [0]))
    parts = [list(images.training_batches(np.arange(12), 6, [0], Share(index, count))) for index in range(count)]
    for batch, shares in zip(whole, zip(*parts, strict=True), strict=True):
        for tensor, pieces in zip(batch, zip(*shares, strict=True), strict=True):
            assert torch.equal(tensor, torch.cat(pieces))


def test_batches_are_all_images_as_they_are() -> None:
    images = numbered(7, (1, 4, 4))
    batches = list(images.batches(3))
    assert [len(labels) for _, labels in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([labels for _, labels in batches]), images.labels)
    assert torch.equal(torch.cat([pixels for pixels, _ in batches]), images.normalise(images.pixels))
