"""Folders as people lay them out: parts under their usual names, pictures however deep, and nothing lost in silence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from sltpack.data.images import folders, imagenet
from sltpack.data.images.listing import part_of, pictures_in, pictures_of
from sltpack.data.images.notes import SKIPPED, SYSTEM, Notes
from sltpack.errors import DataError


def save(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), shade).save(path, "PNG")
    return path


def classes(path: Path, count: int = 3) -> Path:
    for name in ("cat", "dog"):
        for number in range(count):
            save(path / name / f"{number}.png", number)
    return path


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        folders.load(path, None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Test"),
        ("training", "testing"),
        ("TRAIN", "val"),
        ("train", "valid"),
        ("train", "Validation"),
        ("train", "dev"),
    ],
)
@pytest.mark.parametrize("load", [lambda path: folders.load(path, None), lambda path: imagenet.load(path, 4, 0)])
def test_parts_under_their_usual_names(train: str, test: str, load: object, tmp_path: Path) -> None:
    classes(tmp_path / train, 3)
    classes(tmp_path / test, 2)
    data = load(tmp_path)  # type: ignore[operator]
    assert (len(data.train), len(data.test), data.validation, data.split_here) == (6, 4, None, False)
    assert data.train.classes == ("cat", "dog")


def test_three_parts(tmp_path: Path) -> None:
    for name, count in (("train", 4), ("valid", 3), ("test", 2)):
        classes(tmp_path / name, count)
    save(tmp_path / "unlabelled" / "0.png")
    data = folders.load(tmp_path, None)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 8, "validation": 6, "test": 4}
    assert data.notes == (f"{tmp_path}: 1 folder beside the parts left out (unlabelled)",)


def test_two_folders_for_one_part(tmp_path: Path) -> None:
    for name in ("train", "val", "validation"):
        classes(tmp_path / name)
    assert message(tmp_path) == (
        f"{tmp_path}: expected one folder for each part, found val and validation; rename one of them"
    )


@pytest.mark.parametrize("alone", ["train", "Testing"])
def test_a_part_alone_is_no_class(alone: str, tmp_path: Path) -> None:
    classes(tmp_path / alone)
    save(tmp_path / "more" / "0.png")
    assert message(tmp_path) == (
        f"{tmp_path}: expected a part that trains and one that tests, such as train and test, found {alone} alone; add the "
        f"other one, or name the part itself: {tmp_path / alone}"
    )


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "plane"):
        for number in range(5):
            save(tmp_path / name / f"{number}.png")
    assert folders.load(tmp_path, None).train.classes == ("plane", "train")


def test_names_of_parts() -> None:
    assert [part_of(name) for name in ("Train", "dev", "testing", "trains")] == ["train", "validation", "test", None]


def test_pictures_within_folders_of_a_class_are_read(tmp_path: Path) -> None:
    classes(tmp_path, 2)
    for number in range(5):
        save(tmp_path / "dog" / "small" / "very" / f"{number}.png")
    data = folders.load(tmp_path, None)
    assert len(data.train) + len(data.test) == 9
    assert sum(name.startswith("dog/small/very/") for name in (*data.train.files(), *data.test.files())) == 5
    images = tmp_path / "net"
    for part in ("train", "val"):
        classes(images / part, 1)
    save(images / "train" / "cat" / "more" / "1.png")
    found = imagenet.load(images, 4, 0).train
    assert found.files() == ["train/cat/0.png", "train/cat/more/1.png", "train/dog/0.png"]
    assert len(list(found.batches(3))) == 1


def test_files_that_are_no_pictures_are_skipped_and_counted(tmp_path: Path) -> None:
    classes(tmp_path, 5)
    (tmp_path / "cat" / "notes.txt").write_text("about")
    (tmp_path / "cat" / "labels.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "dog" / "sub").mkdir()
    (tmp_path / "dog" / "sub" / "more").write_text("about")
    save(tmp_path / "dog" / "picture-without-ending")
    data = folders.load(tmp_path, None)
    assert len(data.train) + len(data.test) == 11
    assert data.notes == (f"{tmp_path}: 3 files that are no pictures skipped (cat/labels.h5)",)


def test_a_damaged_picture_is_not_skipped(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "dog" / "1.png").write_text("version https://git-lfs.github.com/spec/v1")
    assert message(tmp_path).startswith(f"{tmp_path / 'dog' / '1.png'}: expected an image that Pillow can read, found")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs leave for links")
@pytest.mark.parametrize("where", ["lion", "cat/9.png", "dog/more/9.png"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_missing_is_named(where: str, kind: str, tmp_path: Path) -> None:
    classes(tmp_path)
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    if kind == "link":
        path.symlink_to(tmp_path / "unmounted")
    else:
        os.mkfifo(path)
    found = "a link to nothing" if kind == "link" else "a pipe or device"
    assert message(tmp_path) == (
        f"{path}: expected a picture or a folder of pictures, found {found}; mount or fetch what is missing, or remove it "
        "from the folder"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs leave for links")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    classes(tmp_path / "data")
    save(tmp_path / "elsewhere" / "0.png")
    (tmp_path / "data" / "bird").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    assert len(folders.load(tmp_path / "data", None).train.classes) == 3
    (tmp_path / "data" / "dog" / "again").symlink_to(tmp_path / "data" / "dog")
    assert "found a link to a folder that it lies in;" in message(tmp_path / "data")


def test_pictures_that_a_user_named(tmp_path: Path) -> None:
    a, b, c = (save(tmp_path / name) for name in ("a.png", "in/b.png", "in/deep/c.png"))
    odd = save(tmp_path / "[a].png")
    save(tmp_path / "in" / ".hidden.png")
    (tmp_path / "in" / "x.txt").write_text("x")
    notes = Notes()
    assert pictures_of([c, tmp_path / "in"], notes) == [c, b, c]
    assert (notes.counts[SYSTEM], notes.counts[SKIPPED]) == (1, 1)
    assert pictures_of([f"{tmp_path}/*.png"], notes) == [odd, a]
    assert pictures_of([f"{tmp_path}/**/c.png"], notes) == [c]
    assert pictures_of([odd, tmp_path / "none.png"], notes) == [odd, tmp_path / "none.png"]
    with pytest.raises(DataError, match="expected files that match, found none"):
        pictures_of([f"{tmp_path}/*.bmp"], notes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: expected at least one image"):
        pictures_of([tmp_path / "empty"], notes)


def test_names_are_sorted_and_their_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    paths = [save(tmp_path / name) for name in ("b.png", "a/z.png", "a.png")]
    found = pictures_in(tmp_path, Notes())
    assert found == sorted((path.relative_to(tmp_path).as_posix(), path.stat().st_size) for path in paths)
