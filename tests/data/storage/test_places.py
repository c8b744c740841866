"""Where files are looked for, and what is said of what stands there instead of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sltpack.data.storage.places import find_folder, unfound, unreadable
from sltpack.errors import DataError
from sltpack.files import open_plain

PLACES, FILES = ("near", "far"), ("one", "two")


def become_a_folder(path: Path) -> None:
    path.mkdir()


def become_a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def become_a_pipe(path: Path) -> None:
    os.mkfifo(path)


def denied(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Has the system refuse what ends in a name, as it does to all but the superuser."""
    ask = os.lstat

    def refuse(path: Path) -> os.stat_result:
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return ask(path)

    monkeypatch.setattr("sltpack.data.storage.places.os.lstat", refuse)


@pytest.mark.parametrize("place", ["near", "far", "."])
@pytest.mark.parametrize("make", [Path.touch, become_a_folder, become_a_link_to_nothing, become_a_pipe])
def test_a_folder_with_anything_of_a_files_name_is_taken(
    tmp_path: Path, place: str, make: Callable[[Path], None]
) -> None:
    assert find_folder(tmp_path, PLACES, FILES) is None
    (tmp_path / place).mkdir(exist_ok=True)
    make(tmp_path / place / "two")
    assert find_folder(tmp_path, PLACES, FILES) == tmp_path / place


def test_a_folder_that_cannot_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied(monkeypatch, "far/one")
    with pytest.raises(DataError) as caught:
        find_folder(tmp_path, PLACES, FILES)
    assert str(caught.value) == (
        f"{tmp_path}/far/one: expected a file that can be read, found permission denied; "
        "check its permissions and those of its folder"
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (become_a_folder, "none of them"),
        (lambda path: None, "no such folder"),
        (Path.touch, "a file"),
        (become_a_link_to_nothing, "a link to nothing"),
        (become_a_pipe, "a pipe or device"),
    ],
)
def test_what_stands_instead_of_the_folder(tmp_path: Path, make: Callable[[Path], None], found: str) -> None:
    base = tmp_path / "data"
    make(base)
    assert find_folder(base, PLACES, FILES) is None
    assert str(unfound(base, PLACES, "one", "look again")) == (
        f"{base}: expected one and its like, there or in near or far, found {found}; look again"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "expected a file, found none of that name; get it"),
        (become_a_link_to_nothing, "expected a file, found a link to nothing; get it"),
        (become_a_folder, "expected a file that can be read, found a folder; get it"),
        (become_a_pipe, "expected a file that can be read, found a pipe or device, which is no plain file; get it"),
    ],
)
def test_what_stands_instead_of_a_file(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(OSError) as caught:
        open_plain(path)
    assert str(unreadable(path, caught.value, "get it")) == f"{path}: {message}"


def test_a_file_that_may_not_be_read() -> None:
    assert str(unreadable(Path("file"), PermissionError(13, "Permission denied"), "get it")) == (
        "file: expected a file that can be read, found permission denied; check its permissions and those of its folder"
    )
