"""Pictures in ImageNet's layout are the same however many processes read them, and what is wrong with them is told."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sltpack.data.dataset import Share, split
from sltpack.data.images import imagenet
from sltpack.data.images.crops import cut, middle_box
from sltpack.data.images.folders import read_image
from sltpack.data.images.image_input import CENTER_CROP
from sltpack.data.images.imagenet import INPUT, ImageFiles
from sltpack.data.images.in_memory import Normaliser
from sltpack.errors import DataError, RequestError

CLASSES = ("n01440764", "n01443537", "n02102040")
SIDE = 14


def save(path: Path, width: int, height: int, seed: int) -> Path:
    """Smooth colours, so that a JPEG of them has little noise."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        Image.fromarray(small).resize((width, height)).save(stream, "PNG" if path.suffix == ".png" else "JPEG")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training pictures and two others of each class, of as many sizes."""
    folder = tmp_path_factory.mktemp("imagenet")
    for part, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                seed = 100 * count + 10 * label + number
                suffix = ".png" if number == 3 else ".JPEG"
                save(folder / part / name / f"{name}_{number}{suffix}", 20 + seed % 37, 20 + seed % 23, seed)
    return folder


def training(folder: Path, workers: int = 0) -> ImageFiles:
    images = imagenet.load(folder, SIDE, workers).train
    assert isinstance(images, ImageFiles)
    return images


def pixels_of(batch: torch.Tensor) -> torch.Tensor:
    """What was normalised, uint8 [B, H, W, C]."""
    scaled = batch.permute(0, 2, 3, 1) * torch.tensor(INPUT.deviation) + torch.tensor(INPUT.mean)
    return (scaled * 255).round().to(torch.uint8)


def test_the_names_are_read_and_nothing_else(folder: Path) -> None:
    data = imagenet.load(folder, None, 3)
    for part, name, count in ((data.train, "train", 4), (data.test, "val", 2)):
        assert isinstance(part, ImageFiles)
        assert part.classes == CLASSES
        assert part.shape == (3, 224, 224)
        assert (len(part), part.workers) == (3 * count, 3)
        assert part.labels.dtype == torch.int64
        assert part.labels.tolist() == [label for label in range(3) for _ in range(count)]
        files = [part.path(index) for index in range(len(part))]
        assert files == sorted((folder / name).glob("*/*"))
        assert part.files() == [str(file.relative_to(folder)) for file in files]
        assert part.sizes.tolist() == [file.stat().st_size for file in files]
    assert imagenet.load(folder, 64, 0).test.shape == (3, 64, 64)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for name in CLASSES:
            save(tmp_path / part / name / "0.JPEG", 20, 20, 0)
            save(tmp_path / part / name / ".hidden.JPEG", 20, 20, 0)
            (tmp_path / part / name / "more").mkdir()
        (tmp_path / part / "about.txt").write_text("about")
        (tmp_path / part / ".cache").mkdir()
    assert len(training(tmp_path)) == 3


def test_parts_and_splits(folder: Path) -> None:
    images = training(folder)
    some = images.take(torch.tensor([7, 0, 11]))
    assert [some.path(index) for index in range(3)] == [images.path(index) for index in (7, 0, 11)]
    assert some.labels.tolist() == [1, 0, 2]
    assert some.files() == [
        "train/{}/{}".format(*file.parts[-2:]) for file in (some.path(0), some.path(1), some.path(2))
    ]
    assert len(images.take(slice(2, 5))) == 3
    train, validation = split(images, 0)
    assert (len(train), len(validation)) == (10, 2)
    paths = {part.path(index) for part in (train, validation) for index in range(len(part))}
    assert len(paths) == 12
    copied = pickle.loads(pickle.dumps(some))  # as processes that do not begin as a copy of this one need it
    assert [copied.path(index) for index in range(3)] == [some.path(index) for index in range(3)]


def test_sha256_of_names_sizes_and_labels(folder: Path) -> None:
    images = training(folder)
    files = sorted((folder / "train").glob("*/*"))
    expected = b"".join(name.encode() + b"\0" for name in CLASSES) + b"\0"
    expected += b"".join(file.name.encode() + b"\0" for file in files) + b"\0"
    expected += struct.pack("<12q", *(file.stat().st_size for file in files))
    expected += struct.pack("<12q", *(label for label in range(3) for _ in range(4)))
    assert images.sha256() == hashlib.sha256(expected).hexdigest()
    assert images.take(slice(None)).sha256() == images.sha256()
    others = [images.take(slice(1, None)), images.take(torch.arange(11, -1, -1)), imagenet.load(folder, 8, 0).test]
    assert len({images.sha256(), *(other.sha256() for other in others)}) == 4


@pytest.mark.parametrize("size", [5, 12, 100])
def test_evaluation_batches(folder: Path, size: int) -> None:
    images = training(folder)
    found = list(images.batches(size))
    assert [len(labels) for _, labels in found] == {5: [5, 5, 2], 12: [12], 100: [12]}[size]
    assert torch.equal(torch.cat([labels for _, labels in found]), images.labels)
    for batch, labels in found:
        assert (batch.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert batch.shape == (len(labels), 3, SIDE, SIDE)
        assert batch.is_contiguous(memory_format=torch.channels_last)
    batch = torch.cat([batch for batch, _ in found])
    for index, pixels in enumerate(pixels_of(batch)):
        np.testing.assert_array_equal(pixels, read_image(images.path(index), (3, SIDE, SIDE), CENTER_CROP))
        torch.testing.assert_close(Normaliser(INPUT, pixels.device)(pixels[None])[0], batch[index])


@pytest.mark.parametrize("name", ["a.png", "a.JPEG"])
@pytest.mark.parametrize(("size", "scaled"), [((48, 32), (24, 16)), ((32, 48), (16, 24)), ((8, 12), (16, 24))])
def test_evaluation_crop(tmp_path: Path, name: str, size: tuple[int, int], scaled: tuple[int, int]) -> None:
    path = save(tmp_path / name, *size, 1)
    left, top = ((edge - SIDE) // 2 for edge in scaled)
    with Image.open(path) as picture:  # as the literature does it: the whole picture is scaled, then cut
        whole = picture.resize(scaled, Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
    np.testing.assert_array_equal(read_image(path, (3, SIDE, SIDE), CENTER_CROP), np.asarray(whole))


def test_training_batches(folder: Path) -> None:
    images = training(folder)
    order = np.array([3, 8, 0, 7, 3, 11, 5])
    found = list(images.training_batches(order, 3, (5, 1)))
    assert [len(labels) for _, labels in found] == [3, 3]  # the seventh makes no whole batch
    assert torch.cat([labels for _, labels in found]).tolist() == [0, 2, 0, 1, 0, 2]
    for place, pixels in enumerate(pixels_of(torch.cat([batch for batch, _ in found]))):
        random = np.random.default_rng([5, 1, place])
        expected = imagenet.training_pixels(images.path(int(order[place])), SIDE, random)
        np.testing.assert_array_equal(pixels, expected)


def test_some_are_mirrored(folder: Path) -> None:
    path = training(folder).path(0)
    mirrored = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        with Image.open(path) as picture:
            plain = cut(picture, imagenet.random_box(*picture.size, random), SIDE)
        found = imagenet.training_pixels(path, SIDE, np.random.default_rng(seed))
        if not np.array_equal(found, plain):
            np.testing.assert_array_equal(found, plain[:, ::-1])
            mirrored += 1
    assert 70 < mirrored < 130


def test_the_same_for_any_number_of_workers(folder: Path) -> None:
    order = np.random.default_rng(0).permutation(12)
    every = []
    for workers in (0, 1, 2):
        images = training(folder, workers)
        every.append([*images.training_batches(order, 5, (1, 2)), *images.batches(5)])
    for alone, *others in zip(*every, strict=True):
        for other in others:
            assert torch.equal(alone[0], other[0]) and torch.equal(alone[1], other[1])


@pytest.mark.parametrize("size", [4, 5])
def test_shares_make_up_the_whole(folder: Path, size: int) -> None:
    images = training(folder)
    order = np.arange(12)
    whole = list(images.training_batches(order, size, (1,)))
    shares = [list(images.training_batches(order, size, (1,), Share(index, 2))) for index in (0, 1)]
    for (pixels, labels), first, second in zip(whole, *shares, strict=True):
        assert torch.equal(pixels, torch.cat([first[0], second[0]]))
        assert torch.equal(labels, torch.cat([first[1], second[1]]))


def test_chance_and_place_change_the_crops(folder: Path) -> None:
    images = training(folder)

    def crops(order: list[int], *chance: int) -> torch.Tensor:
        return torch.cat([batch for batch, _ in images.training_batches(np.array(order), 1, chance)])

    first = crops([2, 2], 0, 0)
    assert torch.equal(first, crops([2, 2], 0, 0))
    assert torch.equal(first, crops([2, 2, 5], 0, 0)[:2])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, crops([2, 2], 0, 1))
    assert not torch.equal(first, crops([2, 2], 1, 0))


@pytest.mark.parametrize("workers", [0, 1])
def test_pictures_that_are_damaged_are_named(folder: Path, tmp_path: Path, workers: int) -> None:
    for part in ("train", "val"):
        for name in CLASSES[:2]:
            save(tmp_path / part / name / "0.JPEG", 40, 40, 0)
    images = training(tmp_path, workers)
    faulty = images.path(1)
    whole = faulty.read_bytes()
    remedy = "convert it, or remove it from the folder"
    for content, found in (
        (b"no image", "another file"),
        (whole[:-100], "OSError: image file is truncated (N bytes not processed)"),
    ):
        faulty.write_bytes(content)
        batches = images.batches(1)
        next(batches)  # the one before is whole
        with pytest.raises(DataError) as caught:
            next(batches)
        shown = re.sub(r"\(\d+ bytes", "(N bytes", str(caught.value))
        assert shown == f"{faulty}: expected an image that Pillow can read, found {found}; {remedy}"
    faulty.unlink()
    with pytest.raises(DataError) as caught:
        next(images.training_batches(np.array([1]), 1, (0,)))
    assert str(caught.value) == f"{faulty}: expected an image file, found no file of that name; check the name"


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        imagenet.load(path, None, 0)
    return str(caught.value)


def test_missing_folders(tmp_path: Path) -> None:
    unread = (
        "expected a folder that can be read, found no such file or directory; check its name and permissions, and lay it "
        "out as train/CLASS/*.JPEG and val/CLASS/*.JPEG"
    )
    assert message(tmp_path) == f"{tmp_path / 'train'}: {unread}"
    for name in CLASSES:
        save(tmp_path / "train" / name / "0.JPEG", 20, 20, 0)
    assert message(tmp_path) == f"{tmp_path / 'val'}: {unread}"
    save(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG", 20, 20, 0)  # as ImageNet's own archive has them
    assert message(tmp_path) == (
        f"{tmp_path / 'val'}: expected a folder of images for each of at least two classes, found 0 folders; "
        "lay it out as train/CLASS/*.JPEG and val/CLASS/*.JPEG"
    )


def test_both_parts_need_all_classes(tmp_path: Path) -> None:
    for name in CLASSES:
        save(tmp_path / "train" / name / "0.JPEG", 20, 20, 0)
    for name in CLASSES[:2]:
        save(tmp_path / "val" / name / "0.JPEG", 20, 20, 0)
    same = f"{tmp_path}: expected the same class folders in train and val, found"
    assert message(tmp_path) == f"{same} {CLASSES[2]} in train only; give every class a folder in both"
    empty = tmp_path / "val" / CLASSES[2]
    empty.mkdir()
    assert message(tmp_path) == f"{empty}: expected at least one image, found none; add some, or remove the folder"
    save(empty / "0.JPEG", 20, 20, 0)
    save(tmp_path / "val" / "n9" / "0.JPEG", 20, 20, 0)
    assert message(tmp_path) == f"{same} n9 in val only; give every class a folder in both"


def test_numbers_that_make_no_sense(folder: Path) -> None:
    for size in (0, -1):
        with pytest.raises(RequestError) as caught:
            imagenet.load(folder, size, 0)
        assert str(caught.value) == f"--image-size: expected at least 1, found {size}; choose a larger one"
    with pytest.raises(RequestError) as caught:
        imagenet.load(folder, None, -1)
    assert str(caught.value) == "--workers: expected at least 0, found -1; choose a larger number"


def test_a_device_takes_the_batches(folder: Path) -> None:
    images = training(folder).to(torch.device("meta"))
    for batch, labels in (next(images.batches(4)), next(images.training_batches(np.arange(12), 4, (0,)))):
        assert batch.device.type == labels.device.type == "meta"
    assert images.labels.device.type == "cpu"


def test_a_photograph_as_large_as_cameras_make_them(tmp_path: Path) -> None:
    path = save(tmp_path / "large.JPEG", 1600, 1200, 0)
    found = read_image(path, (3, SIDE, SIDE), CENTER_CROP)
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.load()  # decoded as a whole
        expected = cut(picture, middle_box(1600, 1200, SIDE), SIDE)
    assert np.abs(found.astype(int) - expected).max() <= 2
