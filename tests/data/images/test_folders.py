"""Folders of images in several formats become pixels; what is no image is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sltpack.data.images import folders
from sltpack.errors import DataError, MismatchError, RequestError
from sltpack.limits import Memory

SIZES = "pass --image-size to scale and crop all images to one size"


def picture(seed: int, height: int = 4, width: int = 6, channels: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


def message(path: Path, image_size: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        folders.load(path, image_size)
    return str(caught.value)


def flat(path: Path, count: int = 5) -> Path:
    for index in range(count):
        save(path / "cat" / f"{index}.png", picture(index))
        save(path / "dog" / f"{index}.png", picture(100 + index))
    return path


def test_one_folder_a_class(tmp_path: Path) -> None:
    data = folders.load(flat(tmp_path), None)
    assert (len(data.train), len(data.test)) == (8, 2)
    assert data.train.classes == data.test.classes == ("cat", "dog")
    assert data.train.shape == (3, 4, 6)
    assert data.train.flips
    assert data.train.labels.dtype == torch.int64
    found = [
        (image.tobytes(), label)
        for part in (data.train, data.test)
        for image, label in zip(part.pixels.numpy(), part.labels.tolist(), strict=True)
    ]
    wanted = [(picture(100 * label + index).tobytes(), label) for label in (0, 1) for index in range(5)]
    assert sorted(found) == sorted(wanted)


def test_images_know_their_files(tmp_path: Path) -> None:
    data = folders.load(flat(tmp_path), None)
    for part in (data.train, data.test, data.train.take(torch.tensor([5, 0])), data.train.take(slice(1, 3))):
        files = part.files()
        assert files is not None and len(files) == len(part)
        for file, pixels in zip(files, part.pixels.numpy(), strict=True):
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(tmp_path / file)))
    flat(tmp_path / "split" / "train")
    flat(tmp_path / "split" / "val")
    assert (folders.load(tmp_path / "split", None).test.files() or [])[0] == "val/cat/0.png"


def test_the_test_part_is_always_the_same(tmp_path: Path) -> None:
    first, second = (folders.load(flat(tmp_path / name), None) for name in ("a", "b"))
    assert torch.equal(first.test.pixels, second.test.pixels)
    # An order of its own: neither the first nor the last of the sorted images.
    order = np.random.default_rng(0).permutation(10)
    assert first.test.labels.tolist() == [int(index >= 5) for index in sorted(order[::5])]


@pytest.mark.parametrize("other", ["test", "val"])
def test_parts_of_its_own(tmp_path: Path, other: str) -> None:
    flat(tmp_path / "train", 3)
    flat(tmp_path / other, 2)
    data = folders.load(tmp_path, None)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.test.pixels[2].numpy(), picture(100))


def test_parts_need_the_same_classes(tmp_path: Path) -> None:
    flat(tmp_path / "train")
    flat(tmp_path / "val")
    save(tmp_path / "val" / "bird" / "0.png", picture(0))
    assert message(tmp_path) == (
        f"{tmp_path}: expected the same class folders in train and val, found bird in val only; "
        "give every class a folder in both"
    )


def test_formats(tmp_path: Path) -> None:
    pixels = picture(0)
    save(tmp_path / "a" / "1.png", pixels)
    save(tmp_path / "a" / "2.bmp", pixels)
    save(tmp_path / "a" / "3.tiff", pixels)
    Image.fromarray(pixels).save(tmp_path / "a" / "4.jpeg", quality=100, subsampling=0)
    grey = picture(1, channels=1)
    save(tmp_path / "b" / "1.png", grey)
    save(tmp_path / "b" / "2.gif", grey)
    alpha = np.concatenate([pixels, picture(2, channels=1)], axis=2)
    save(tmp_path / "b" / "3.png", alpha)
    save(tmp_path / "b" / "4.png", grey.astype(np.uint16) * 257)
    palette = Image.fromarray(grey.squeeze()).convert("P")
    palette.save(tmp_path / "b" / "5.png", transparency=b"\x00\x7f\xff")
    (tmp_path / "train").mkdir()  # not a part without a test folder beside it, and a class without images
    (tmp_path / "train").rmdir()
    found = {}
    for path in sorted(tmp_path.glob("*/*")):
        found[f"{path.parent.name}{path.name}"] = folders.read_image(path, (3, 4, 6))
    on_white = Image.new("RGBA", (6, 4), "white")
    on_white.alpha_composite(Image.fromarray(alpha))
    np.testing.assert_array_equal(found["b3.png"], np.asarray(on_white.convert("RGB")))
    white = Image.new("RGBA", (6, 4), "white")
    white.alpha_composite(Image.open(tmp_path / "b" / "5.png").convert("RGBA"))
    np.testing.assert_array_equal(found["b5.png"], np.asarray(white.convert("RGB")))
    for name in ("a1.png", "a2.bmp", "a3.tiff"):
        np.testing.assert_array_equal(found[name], pixels)
    np.testing.assert_allclose(found["a4.jpeg"].astype(int), pixels.astype(int), atol=8)
    for name in ("b1.png", "b2.gif", "b4.png"):
        np.testing.assert_array_equal(found[name], np.repeat(grey, 3, axis=2), err_msg=name)
    data = folders.load(tmp_path, None)
    assert (len(data.train), len(data.test)) == (7, 2)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    flat(tmp_path)
    (tmp_path / "README.txt").write_text("about")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "cat" / ".DS_Store").write_text("junk")
    (tmp_path / "cat" / "more").mkdir()
    for junk in ("Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir"):
        save(tmp_path / "dog" / junk / "0.png" if junk[0] in "_@" else tmp_path / "dog" / "x.png", picture(0))
        if junk[0] not in "_@":
            (tmp_path / "dog" / "x.png").rename(tmp_path / "dog" / junk)
    save(tmp_path / "__MACOSX" / "cat" / "._0.png", picture(0))
    data = folders.load(tmp_path, None)
    assert len(data.train) + len(data.test) == 10
    assert data.train.classes == ("cat", "dog")
    # README.txt is no class folder; .cache and __MACOSX stand at the top, where both the parts and the classes are sought.
    assert data.notes == (
        f"{tmp_path}: 1 file that is no picture skipped (README.txt); 7 hidden or system files passed over",
    )


def test_mixed_sizes(tmp_path: Path) -> None:
    flat(tmp_path)
    large = save(tmp_path / "dog" / "large.png", picture(7, 8, 12))
    found = message(tmp_path)
    assert found.endswith(f"; {SIZES}")
    assert "4 x 6" not in found  # told as width x height
    assert "found 12 x 8" in found or "expected 12 x 8" in found
    assert folders.load(tmp_path, 3).train.shape == (3, 3, 3)
    large.unlink()
    tall = save(tmp_path / "cat" / "z.png", picture(7, 6, 4))
    assert str(tall) in message(tmp_path) or "as z.png has" in message(tmp_path)


def test_image_size_scales_the_shorter_side_and_crops_at_the_centre(tmp_path: Path) -> None:
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 200  # all that is left of the centre
    stripes[::2] //= 2  # fine lines, which only antialiasing averages
    save(tmp_path / "a" / "0.png", stripes)
    save(tmp_path / "b" / "0.png", stripes.transpose(1, 0, 2))
    data = folders.load(tmp_path, 10)
    for part in (data.train, data.test):
        assert part.shape == (3, 10, 10)
        inner = part.pixels[0, 2:8, 2:8].numpy().astype(int)
        assert inner.min() >= 145
        assert inner.max() <= 155


def test_image_size_of_the_images_changes_nothing(tmp_path: Path) -> None:
    pixels = picture(0, 6, 6)
    path = save(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(folders.read_image(path, (3, 6, 6)), pixels)


@pytest.mark.parametrize("size", [0, -5])
def test_image_size_has_to_be_positive(tmp_path: Path, size: int) -> None:
    with pytest.raises(RequestError) as caught:
        folders.load(flat(tmp_path), size)
    assert str(caught.value) == f"--image-size: expected at least 1, found {size}; choose a larger one"


def test_files_that_are_no_images_are_named(tmp_path: Path) -> None:
    flat(tmp_path)
    broken = tmp_path / "dog" / "3.png"
    whole = broken.read_bytes()
    remedy = "convert it, or remove it from the folder"
    broken.write_text("no image")
    for size in (None, 4):
        assert message(tmp_path, size) == (
            f"{broken}: expected an image that Pillow can read, found another file; {remedy}"
        )
    broken.write_bytes(whole[: len(whole) // 2])
    for size in (None, 4):
        found = message(tmp_path, size)
        assert found.startswith(f"{broken}: expected an image that Pillow can read, found ")
        assert found.endswith(f"; {remedy}")
    broken.write_bytes(b"")
    assert message(tmp_path).startswith(f"{broken}: expected an image that Pillow can read")


def test_refuses_postscript_and_floating_point(tmp_path: Path) -> None:
    postscript = tmp_path / "a.eps"
    Image.fromarray(picture(0)).save(postscript)
    with pytest.raises(DataError) as caught:
        folders.read_image(postscript, (3, 4, 6))
    assert "found EPS, a program that Pillow has Ghostscript run;" in str(caught.value)
    deep = tmp_path / "a.tiff"
    Image.fromarray(np.ones((4, 6), np.float32)).save(deep)
    with pytest.raises(DataError) as caught:
        folders.read_image(deep, (3, 4, 6))
    assert "found pixels of more than 16 bits, without a known range;" in str(caught.value)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert message(missing) == (
        f"{missing}: expected a folder that can be read, found no such file or directory; "
        "check its name and permissions"
    )
    remedy = "name the folder that holds the class folders"
    two = "expected a folder of images for each of at least two classes"
    assert message(tmp_path) == f"{tmp_path}: {two}, found 0 folders; {remedy}"
    save(tmp_path / "cat" / "0.png", picture(0))
    assert message(tmp_path) == f"{tmp_path}: {two}, found 1 folder; {remedy}"
    (tmp_path / "dog").mkdir()
    assert message(tmp_path) == (
        f"{tmp_path / 'dog'}: expected at least one image, found none; add some, or remove the folder"
    )


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"a\xff")])
def test_class_names_have_to_be_printable(tmp_path: Path, name: str) -> None:
    save(tmp_path / "cat" / "0.png", picture(0))
    save(tmp_path / name / "0.png", picture(0))
    found = message(tmp_path)
    assert found.startswith(f"{tmp_path}: expected class names of printable text, found a\\")
    assert found.isprintable()


def test_limits_hold_before_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat(tmp_path)
    assert message(tmp_path, 1 << 20) == (
        f"{tmp_path}: expected at most 8589934592 bytes of pixels, found {10 * 3 << 40}; "
        f"choose a smaller image size or fewer images, or allow as much (--max-memory {10 * 3 << 40})"
    )
    with pytest.raises(DataError) as caught:
        folders.load(tmp_path, None, Memory(pictures=10 * 4 * 6 * 3 - 1))
    assert "found 720;" in str(caught.value)
    with pytest.raises(DataError) as caught:
        folders.load(tmp_path, None, Memory(picture=4 * 6 * 8 - 1))
    assert str(caught.value).endswith(
        "expected a picture that takes at most 191 bytes of memory to decode, found 6 x 4 pixels, which take 192; scale "
        "it down, or allow as much (--max-memory 192)"
    )
    assert len(folders.load(tmp_path, None, Memory(4 * 6 * 8, 720)).train) == 8
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)  # that of Pillow, which no option could raise
    assert len(folders.load(tmp_path, None).train) == 8


def test_thin_images_take_little_memory(tmp_path: Path) -> None:
    path = save(tmp_path / "thin.png", np.full((1, 50000, 3), 9, np.uint8))
    # Scaled before it is cropped, it would be of 2^20 x 50000 x 2^20 pixels and worse.
    assert (folders.read_image(path, (3, 1000, 1000)) == 9).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_read_image(tmp_path: Path, channels: int) -> None:
    path = save(tmp_path / "a.png", picture(0))
    found = folders.read_image(path, (channels, 4, 6))
    assert found.shape == (4, 6, channels)
    assert found.dtype == np.uint8
    mode = {1: "L", 3: "RGB"}[channels]
    np.testing.assert_array_equal(found.squeeze(), np.asarray(Image.open(path).convert(mode)))
    assert folders.read_image(path, (channels, 9, 2)).shape == (9, 2, channels)


def test_read_image_refuses(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", picture(0))
    with pytest.raises(MismatchError) as mismatch:
        folders.read_image(path, (2, 4, 6))
    assert str(mismatch.value) == (
        f"{path}: expected a model of 1 or 3 channels, found one of 2; "
        "run the model from Python on an array of your own"
    )
    with pytest.raises(DataError) as caught:
        folders.read_image(path, (3, 65536, 65536))
    assert "expected at most 8589934592 bytes of pixels, found 12884901888;" in str(caught.value)
    for missing in (tmp_path, tmp_path / "none", tmp_path / ("long" * 100)):
        with pytest.raises(DataError) as caught:
            folders.read_image(missing, (3, 4, 6))
        assert str(caught.value) == f"{missing}: expected an image file, found no file of that name; check the name"
