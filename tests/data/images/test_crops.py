"""Crops keep to their limits, are drawn as torchvision draws them, and are scaled as a slow formula scales them."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from sltpack.data.images import crops


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours with some noise."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int64)
    noise = random.integers(-9, 10, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def weights(size: int, start: float, stop: float, side: int) -> NDArray[np.float64]:
    """How much each of `size` pixels counts for each of `side` that a part of them is scaled to: by triangles."""
    scale = (stop - start) / side
    middles = start + (np.arange(side) + 0.5) * scale
    distance = np.abs(np.arange(size) + 0.5 - middles[:, None]) / max(scale, 1)
    triangles = np.maximum(0, 1 - distance)
    return triangles / triangles.sum(1, keepdims=True)


def slowly(picture: Image.Image, box: crops.Box, side: int) -> NDArray[np.float64]:
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    rows = weights(picture.height, box[1], box[3], side)
    columns = weights(picture.width, box[0], box[2], side)
    return np.einsum("jw,iwc->ijc", columns, np.einsum("ih,hwc->iwc", rows, pixels))


@pytest.mark.parametrize("size", [(50, 37), (37, 50), (16, 16), (9, 300)])
@pytest.mark.parametrize("side", [1, 14, 20])
def test_a_cut_is_what_the_formula_gives(size: tuple[int, int], side: int) -> None:
    picture = photograph(*size)
    for box in (crops.middle_box(*size, side), crops.random_box(*size, np.random.default_rng(side))):
        found = crops.cut(picture, box, side)
        assert (found.shape, found.dtype, found.flags.writeable) == ((side, side, 3), np.uint8, True)
        assert np.abs(found - slowly(picture, box, side)).max() <= 1.5  # Pillow rounds twice


def test_the_middle_is_that_of_the_scaled_picture() -> None:
    picture = photograph(96, 64)  # the shorter side becomes 16 sixteenths of 14, and the other a whole number too
    scaled = picture.resize((24, 16), Image.Resampling.BILINEAR).crop((5, 1, 19, 15))
    np.testing.assert_array_equal(crops.cut(picture, crops.middle_box(96, 64, 14), 14), np.asarray(scaled))
    assert crops.middle_box(500, 375, 224) == pytest.approx((85.9375, 23.4375, 414.0625, 351.5625))


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 500))
def test_the_middle_lies_within(width: int, height: int, side: int) -> None:
    left, top, right, bottom = crops.middle_box(width, height, side)
    assert right - left == pytest.approx(bottom - top)
    assert -1e-9 <= left <= right <= width + 1e-9 and -1e-9 <= top <= bottom <= height + 1e-9
    assert left + right == pytest.approx(width) and top + bottom == pytest.approx(height)


@settings(max_examples=300)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 2**32))
def test_random_crops_keep_to_their_limits(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = crops.random_box(width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    across, down = right - left, bottom - top
    assert all(edge == int(edge) for edge in (across, down, left, top))
    # Half a pixel of rounding each way; the picture itself may be too thin.
    assert (across + 0.5) / max(0.5, down - 0.5) >= 3 / 4
    assert max(0.5, across - 0.5) / (down + 0.5) <= 4 / 3
    if 0.75 <= width / height <= 4 / 3:
        assert (across + 0.5) * (down + 0.5) >= 0.08 * width * height


@pytest.mark.parametrize(
    ("size", "box"),
    [((50000, 3), (24998, 0, 25002, 3)), ((3, 50000), (0, 24998, 3, 25002)), ((1, 40), (0, 19, 1, 20))],
)
def test_of_thin_pictures_the_middle_is_taken(size: tuple[int, int], box: crops.Box) -> None:
    found = crops.random_box(*size, np.random.default_rng(0))
    assert found == box
    assert crops.cut(photograph(*size), found, 8).shape == (8, 8, 3)


def test_random_crops_are_spread_as_they_should() -> None:
    width, height, count = 400, 300, 20000
    random = np.random.default_rng(1)
    boxes = np.array([crops.random_box(width, height, random) for _ in range(count)])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    # All tries that fit have equal chances.
    area = np.random.default_rng(2).uniform(0.08, 1, 10 * count)
    aspect = np.exp(np.random.default_rng(3).uniform(-math.log(4 / 3), math.log(4 / 3), 10 * count))
    fits = (np.sqrt(area * 120000 * aspect) <= width) & (np.sqrt(area * 120000 / aspect) <= height)
    error = 5 / math.sqrt(count)
    assert np.mean(across * down / 120000) == pytest.approx(area[fits].mean(), abs=0.26 * error)
    assert np.std(across * down / 120000) == pytest.approx(area[fits].std(), abs=0.26 * error)
    assert np.mean(np.log(across / down)) == pytest.approx(np.log(aspect[fits]).mean(), abs=0.17 * error)
    for start, room in ((boxes[:, 0], width - across), (boxes[:, 1], height - down)):
        assert {0, 1} <= {*start[room > 0]} and {0, 1} <= {*(room - start)[room > 0]}  # from edge to edge
        share = (start[room > 20] + 0.5) / (room[room > 20] + 1)
        assert share.mean() == pytest.approx(0.5, abs=0.3 * error)
        assert share.std() == pytest.approx(math.sqrt(1 / 12), abs=0.3 * error)


@pytest.mark.parametrize(
    ("side", "right", "coarse"),
    [(300, 1101, 1), (200, 1101, 2), (128, 1101, 2), (100, 1101, 4), (64, 1101, 4), (40, 1101, 8), (64, 199, 1)],
)
def test_large_jpegs_are_decoded_smaller(side: int, right: int, coarse: int) -> None:
    stream = io.BytesIO()
    photograph(1201, 900).save(stream, "JPEG", quality=95)
    box = (100, 30, right, 880)
    with Image.open(stream) as picture:
        found = crops.cut(picture, box, side)
        assert picture.size == (-(-1201 // coarse), -(-900 // coarse))
    with Image.open(stream) as picture:
        whole = slowly(picture, box, side)
    assert np.abs(found - whole).max() <= 4
    assert np.abs(found - whole).mean() <= 0.7


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1", "I;16"])
def test_any_colours_become_rgb(mode: str) -> None:
    grey = photograph(30, 30).convert("L")
    picture = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    found = crops.cut(picture, (0, 0, 30, 30), 30)
    expected = picture.convert("RGB") if mode != "I;16" else grey.convert("RGB")
    np.testing.assert_array_equal(found, np.asarray(expected))
