"""CIFAR in both layouts, whole and damaged, on the disk and from a server on this machine."""

from __future__ import annotations

import functools
import gc
import hashlib
import http.server
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pooch  # type: ignore[import-untyped]
import pytest
import torch

from sltpack import data as registry
from sltpack import progress
from sltpack.data.images import cifar
from sltpack.data.images.cifar import CIFAR10, CIFAR100, Family
from sltpack.data.storage import download
from sltpack.errors import DataError, RequestError

SMALL10 = replace(CIFAR10, images=(7, 8, 9, 10, 11, 12))
SMALL100 = replace(CIFAR100, images=(30, 20))
FAMILIES = pytest.mark.parametrize("family", [SMALL10, SMALL100], ids=lambda family: family.name)
LAYOUTS = pytest.mark.parametrize("layout", ["binary", "python"])


@dataclass(frozen=True)
class Generated:
    """Random images for one file, and what is written of them."""

    pixels: np.ndarray[Any, Any]
    labels: list[int]


def generated(family: Family) -> list[Generated]:
    random = np.random.default_rng(family.classes)
    return [
        Generated(
            random.integers(0, 256, (count, 3072), dtype=np.uint8), random.integers(0, family.classes, count).tolist()
        )
        for count in family.images
    ]


def names(family: Family) -> list[str]:
    return [f"class_{index}" for index in range(family.classes)]


def write_binary(family: Family, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file, part in zip(family.binary_files, generated(family), strict=True):
        labels = np.array(part.labels, np.uint8)[:, None]
        coarse = np.full((len(labels), family.label_bytes - 1), 255, np.uint8)
        (folder / file).write_bytes(np.concatenate([coarse, labels, part.pixels], axis=1).tobytes())
    (folder / family.names_file).write_text("\n".join(names(family)) + "\n\n")
    return folder


def batch(family: Family, part: Generated) -> dict[bytes, Any]:
    return {family.python_labels: part.labels, b"data": part.pixels, b"filenames": ["a.png"] * len(part.labels)}


def write_python(family: Family, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file, part in zip(family.python_files, generated(family), strict=True):
        (folder / file).write_bytes(pickle.dumps(batch(family, part), protocol=2))
    file, key = family.python_names
    (folder / file).write_bytes(pickle.dumps({key: [name.encode() for name in names(family)]}))
    return folder


def write(family: Family, folder: Path, layout: str) -> Path:
    if layout == "binary":
        return write_binary(family, folder / family.binary)
    return write_python(family, folder / family.python)


def message(family: Family, folder: Path | None) -> str:
    with pytest.raises(DataError) as caught:
        cifar.load(family, folder)
    return str(caught.value)


def incomplete(family: Family, path: Path, expected: str, found: str) -> str:
    return (
        f"{path}: expected {expected}, found {found}; "
        f"the data set is incomplete; remove it and unpack {family.archive.url} again"
    )


@FAMILIES
@LAYOUTS
@pytest.mark.parametrize("place", ["around", "itself", "renamed"])
def test_both_layouts_give_what_was_written(tmp_path: Path, family: Family, layout: str, place: str) -> None:
    folder = write(family, tmp_path, layout)
    if place == "renamed":
        folder = folder.rename(tmp_path / "renamed")
    data = cifar.load(family, tmp_path if place == "around" else folder)
    parts = generated(family)
    for images, written in ((data.train, parts[:-1]), (data.test, parts[-1:])):
        pixels = np.concatenate([part.pixels for part in written])
        assert images.labels.tolist() == [label for part in written for label in part.labels]
        assert images.labels.dtype == torch.int64
        assert images.pixels.is_contiguous()
        assert images.shape == (3, 32, 32)
        assert images.classes == tuple(names(family))
        # The files hold a plane of 32 rows for red, then for green, then for blue.
        for number, channel, row, column in [(0, 0, 0, 0), (1, 2, 31, 30), (len(pixels) - 1, 1, 5, 17)]:
            assert images.pixels[number, row, column, channel] == pixels[number, channel * 1024 + row * 32 + column]


@FAMILIES
def test_layouts_agree(tmp_path: Path, family: Family) -> None:
    binary = cifar.load(family, write(family, tmp_path, "binary"))
    python = cifar.load(family, write(family, tmp_path, "python"))
    for part in ("train", "test"):
        one, other = getattr(binary, part), getattr(python, part)
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.labels, other.labels)
        assert one.classes == other.classes


@FAMILIES
def test_each_missing_file_is_named(tmp_path: Path, family: Family) -> None:
    for layout, files in (
        ("binary", [*family.binary_files, family.names_file]),
        ("python", [*family.python_files, family.python_names[0]]),
    ):
        folder = write(family, tmp_path / layout, layout)
        for file in files:
            aside = (folder / file).rename(tmp_path / "aside")
            assert message(family, folder) == incomplete(family, folder / file, "a file", "none of that name")
            aside.rename(folder / file)
        cifar.load(family, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@FAMILIES
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, family: Family) -> None:
    for layout, file in (
        ("binary", family.binary_files[0]),
        ("binary", family.names_file),
        ("python", family.python_files[0]),
    ):
        folder = write(family, tmp_path / f"{layout}-{file}", layout)
        (folder / file).unlink()
        os.mkfifo(folder / file)
        assert message(family, folder).startswith(f"{folder / file}: expected a file")


@FAMILIES
def test_each_cut_file_is_named(tmp_path: Path, family: Family) -> None:
    folder = write(family, tmp_path, "binary")
    for file in family.binary_files:
        whole = (folder / file).read_bytes()
        for changed in (whole[:-1], whole + b"x", b""):
            (folder / file).write_bytes(changed)
            found = incomplete(family, folder / file, f"{len(whole)} bytes", f"{len(changed)}")
            assert message(family, tmp_path) == found
        (folder / file).write_bytes(whole)
    folder = write(family, tmp_path / "python", "python")
    for file in family.python_files:
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: len(whole) // 2])
        assert message(family, folder).endswith("; the file is damaged; get the archive again")
        (folder / file).write_bytes(whole)


@FAMILIES
def test_labels_outside_the_classes(tmp_path: Path, family: Family) -> None:
    folder = write(family, tmp_path, "binary")
    file = folder / family.binary_files[0]
    changed = bytearray(file.read_bytes())
    changed[family.label_bytes - 1] = family.classes
    file.write_bytes(changed)
    lowest = min(generated(family)[0].labels[1:])
    expected = f"labels in 0..{family.classes - 1}"
    found = f"some in {lowest}..{family.classes}"
    assert message(family, folder) == incomplete(family, file, expected, found)


LABELS = "fine_labels as a list of whole numbers"


@pytest.mark.parametrize(
    ("changes", "expected", "found"),
    [
        ({b"fine_labels": [0] * 29 + [-1]}, "labels in 0..99", "some in -1..0"),
        ({b"fine_labels": [0] * 29}, "30 labels", "29"),
        ({b"fine_labels": []}, "30 labels", "0"),
        ({b"fine_labels": [0] * 29 + [10**30]}, LABELS, "a list"),
        ({b"fine_labels": [0.5] * 30}, LABELS, "a list"),
        ({b"fine_labels": None}, LABELS, "none"),
        ({b"fine_labels": np.zeros(30, np.int64)}, LABELS, "int64 [30]"),
        ({b"data": None}, "data as uint8 [30, 3072]", "none"),
        ({b"data": [1]}, "data as uint8 [30, 3072]", "a list"),
        ({b"data": np.zeros((30, 3071), np.uint8)}, "data as uint8 [30, 3072]", "uint8 [30, 3071]"),
        ({b"data": np.zeros((30, 3072), np.int16)}, "data as uint8 [30, 3072]", "int16 [30, 3072]"),
    ],
)
def test_batches_of_another_form(tmp_path: Path, changes: dict[bytes, Any], expected: str, found: str) -> None:
    folder = write(SMALL100, tmp_path, "python")
    changed = {**batch(SMALL100, generated(SMALL100)[0]), **changes}
    (folder / "train").write_bytes(pickle.dumps(changed))
    assert message(SMALL100, folder) == incomplete(SMALL100, folder / "train", expected, found)


@pytest.mark.parametrize(
    ("text", "found"), [(b"", "0 names"), (b"one\n" * 9, "9 names"), (b"one\n" * 9 + b"\xff", "10 names")]
)
def test_wrong_names_in_the_binary_layout(tmp_path: Path, text: bytes, found: str) -> None:
    file = write(SMALL10, tmp_path, "binary") / "batches.meta.txt"
    file.write_bytes(text)
    assert message(SMALL10, tmp_path) == incomplete(SMALL10, file, "10 class names in ASCII", found)


@pytest.mark.parametrize(
    ("value", "expected", "found"),
    [
        (5, "label_names as a list of names", "a int"),
        ([1] * 10, "label_names as a list of names", "a list"),
        (["one"] * 11, "10 class names in ASCII", "11 names"),
        (["one\n"] * 10, "10 class names in ASCII", "10 names"),
    ],
)
def test_wrong_names_in_the_python_layout(tmp_path: Path, value: object, expected: str, found: str) -> None:
    file = write(SMALL10, tmp_path, "python") / "batches.meta"
    file.write_bytes(pickle.dumps({b"label_names": value}))
    assert message(SMALL10, tmp_path) == incomplete(SMALL10, file, expected, found)


@pytest.mark.parametrize("name", ["", "none", "long" * 100, "null\0"])
def test_folders_without_the_files(tmp_path: Path, name: str) -> None:
    found = message(SMALL10, tmp_path / name)
    there = "no such folder" if name else "neither"
    assert found.endswith(
        f": expected a folder cifar-10-batches-bin or cifar-10-batches-py, found {there}; "
        f"unpack the official archive there ({CIFAR10.archive.url}), or leave --data-dir out"
    )


# A server on this machine.


@dataclass
class Server:
    """What is served, and what was asked for."""

    folder: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    served = Server(tmp_path / "served")
    served.folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            served.asked.append(self.path)

        def copyfile(self, source: Any, outputfile: Any) -> None:
            outputfile.write(source.read(100) if self.path == "/breaks-off" else source.read())

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = functools.partial(Handler, directory=str(served.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.address = f"http://127.0.0.1:{running.server_port}"
        yield served
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "sltpack"
    monkeypatch.setenv("SLTPACK_CACHE", str(folder))
    return folder


def serve(server: Server, family: Family, change: Callable[[tarfile.TarFile], None] | None = None) -> Family:
    """Packs a family's generated files into an archive, and gives the family with that archive's address and sum."""
    path = server.folder / "archive.tar.gz"
    content = write_binary(family, server.folder / family.binary)
    with tarfile.open(path, "w:gz") as tar:
        if change is None:
            tar.add(content, family.binary)
            (content / "readme.html").write_text("not wanted")
            tar.add(content / "readme.html", f"{family.binary}/readme.html")
        else:
            change(tar)
    shutil.rmtree(content)
    return served_as(server, family, path)


def served_as(server: Server, family: Family, path: Path) -> Family:
    data = path.read_bytes()
    digest = f"md5:{hashlib.md5(data).hexdigest()}"
    return replace(family, archive=download.Archive(f"{server.address}/{path.name}", digest, len(data)))


def failed(family: Family, expected: str, found: str) -> str:
    return (
        f"{family.archive.url}: expected {expected}, found {found}; check the network and the disk, "
        "or get the files by hand and pass their folder with --data-dir"
    )


@FAMILIES
def test_downloads_once(
    tmp_path: Path, server: Server, cache: Path, family: Family, capfd: pytest.CaptureFixture[str]
) -> None:
    family = serve(server, family)
    first = cifar.load(family, None)
    assert server.asked == ["/archive.tar.gz"]
    assert [path.name for path in cache.iterdir()] == [family.binary]
    kept = {path.name for path in (cache / family.binary).iterdir()}
    assert kept == {*family.binary_files, family.names_file}
    second = cifar.load(family, None)
    assert server.asked == ["/archive.tar.gz"]
    direct = cifar.load(family, write_binary(family, tmp_path / "direct"))
    for data in (first, second):
        assert torch.equal(data.train.pixels, direct.train.pixels)
        assert torch.equal(data.test.labels, direct.test.labels)
    assert capfd.readouterr() == ("", "")  # silent where nobody watches


def test_the_bar_ends_full_whatever_the_size_of_the_chunks(server: Server, cache: Path) -> None:
    family = serve(server, SMALL10)
    with progress.bar("download", family.archive.size) as running:
        adapter = download._PoochProgress(running)
        pooch.HTTPDownloader(progressbar=adapter, chunk_size=1000)(family.archive.url, str(server.folder / "out"), None)
        assert running._done == running._total == adapter.total == family.archive.size


def test_never_downloads_where_a_folder_is_given(tmp_path: Path, server: Server, cache: Path) -> None:
    family = serve(server, SMALL10)
    message(family, tmp_path)
    assert server.asked == []
    assert not cache.exists()


def test_another_sum(server: Server, cache: Path) -> None:
    family = serve(server, SMALL10)
    wrong = replace(family, archive=replace(family.archive, digest="md5:" + "0" * 32))
    found = failed(wrong, "an archive with the sum md5:" + "0" * 32, family.archive.digest)
    assert message(wrong, None) == found
    assert list(cache.iterdir()) == []


def test_no_such_address(server: Server, cache: Path) -> None:
    family = serve(server, SMALL10)
    (server.folder / "archive.tar.gz").unlink()
    found = f"404 Client Error: File not found for url: {family.archive.url}"
    assert message(family, None) == failed(family, f"an archive of {family.archive.size} bytes", found)
    gc.collect()  # a connection that was left open would warn here
    assert list(cache.iterdir()) == []


def test_no_server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    archive = download.Archive("http://127.0.0.1:9/archive.tar.gz", "md5:" + "0" * 32, 5)
    family = replace(SMALL10, archive=archive)
    assert message(family, None) == failed(family, "an archive of 5 bytes", "Connection refused")
    assert list(cache.iterdir()) == []


def test_archives_without_a_file(server: Server, cache: Path) -> None:
    family = serve(server, SMALL10, lambda tar: tar.add(server.folder / SMALL10.binary / "data_batch_1.bin", "x"))
    expected = "an archive with cifar-10-batches-bin/data_batch_1.bin"
    assert message(family, None) == failed(family, expected, "none of that name")
    assert list(cache.iterdir()) == []


def test_archives_that_climb_out_of_their_folder(tmp_path: Path, server: Server, cache: Path) -> None:
    def climb(tar: tarfile.TarFile) -> None:
        tar.add(server.folder / SMALL10.binary, SMALL10.binary)
        for name in ("../climbed", "../../climbed", f"{SMALL10.binary}/../../climbed", str(tmp_path / "climbed")):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))

    family = serve(server, SMALL10, climb)
    cifar.load(family, None)
    assert [path.name for path in cache.iterdir()] == [family.binary]
    assert not list(tmp_path.rglob("climbed*"))


def test_archives_with_a_link_or_folder_in_place_of_a_file(server: Server, cache: Path) -> None:
    for kind, target in ((tarfile.SYMTYPE, "/etc/hostname"), (tarfile.DIRTYPE, "")):

        def link(tar: tarfile.TarFile, kind: bytes = kind, target: str = target) -> None:
            entry = tarfile.TarInfo(f"{SMALL10.binary}/data_batch_1.bin")
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)

        family = serve(server, SMALL10, link)
        expected = "an archive with cifar-10-batches-bin/data_batch_1.bin"
        assert message(family, None) == failed(family, expected, "none of that name")
        assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "found"), [(b"<html>sorry</html>", "not a gzip file"), (None, "Compressed file ended before ")]
)
def test_archives_that_are_damaged_at_the_source(
    server: Server, cache: Path, content: bytes | None, found: str
) -> None:
    family = serve(server, SMALL10)
    path = server.folder / "archive.tar.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    family = served_as(server, family, path)
    assert message(family, None).startswith(f"{family.archive.url}: expected a whole .tar.gz archive, found {found}")
    assert list(cache.iterdir()) == []


def test_downloads_that_break_off(server: Server, cache: Path) -> None:
    family = serve(server, SMALL10)
    (server.folder / "archive.tar.gz").rename(server.folder / "breaks-off")
    archive = replace(family.archive, url=f"{server.address}/breaks-off")
    found = message(replace(family, archive=archive), None)
    assert found.startswith(f"{archive.url}: expected an archive ")
    assert found.isprintable()
    assert list(cache.iterdir()) == []


def test_cache_folders_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SLTPACK_CACHE", str(tmp_path / "file" / "cache"))
    assert message(SMALL10, None) == (
        f"{tmp_path / 'file' / 'cache'}: expected a cache folder that can be written, found not a directory; "
        "check its permissions and the free space, or choose another in SLTPACK_CACHE"
    )


def test_another_process_that_was_faster_is_no_error(tmp_path: Path) -> None:
    unpacked, target, file = tmp_path / "unpacked", tmp_path / "target", tmp_path / "file"
    for folder in (unpacked, target):
        folder.mkdir()
        (folder / "data").write_text(folder.name)
    file.write_text("in the way")
    download._give_name(unpacked, target)
    assert (target / "data").read_text() == "target"
    with pytest.raises(NotADirectoryError):
        download._give_name(unpacked, file)


def test_the_cache_is_the_users_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLTPACK_CACHE", raising=False)
    assert download.cache_folder().is_absolute()
    assert download.cache_folder().name == "sltpack"


# The registry of all data sets.


def test_the_registry_knows_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "FAMILIES", {"cifar10": SMALL10, "cifar100": SMALL100})
    for family in (SMALL10, SMALL100):
        write(family, tmp_path, "binary")
        assert len(registry.load(family.name, tmp_path).train.classes) == family.classes
    assert registry.load("digits").train.shape == (1, 8, 8)
    assert registry.NAMES[:5] == ("cifar10", "cifar100", "digits", "folder:PATH", "imagenet:PATH")
    assert registry.NAMES[5:] == registry.GRAPHS
    assert registry.GRAPHS == ("digits-graph", "cora", "citeseer", "pubmed", "ogbn-arxiv", "graph:PATH")
    assert [name for name in registry.NAMES if registry.is_graph(name)] == list(registry.GRAPHS)
    with pytest.raises(DataError):
        registry.load(f"folder:{tmp_path / 'none'}", image_size=8)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "mnist",
            {},
            "--data: expected one of cifar10, cifar100, digits, folder:PATH, imagenet:PATH, digits-graph, cora, citeseer, pubmed, ogbn-arxiv, graph:PATH, found mnist; choose one of them",
        ),
        (
            "",
            {},
            "--data: expected one of cifar10, cifar100, digits, folder:PATH, imagenet:PATH, digits-graph, cora, citeseer, pubmed, ogbn-arxiv, graph:PATH, found nothing; choose one of them",
        ),
        (
            "folder:",
            {},
            "--data: expected one of cifar10, cifar100, digits, folder:PATH, imagenet:PATH, digits-graph, cora, citeseer, pubmed, ogbn-arxiv, graph:PATH, found folder:; did you mean folder:PATH?",
        ),
        (
            "cifar10",
            {"image_size": 8},
            "--image-size: expected folder:PATH or imagenet:PATH as data, found cifar10; leave --image-size out",
        ),
    ],
)
def test_the_registry_refuses(name: str, arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(RequestError) as caught:
        registry.load(name, **arguments)
    assert str(caught.value) == expected


def test_the_names_are_known_without_torch() -> None:
    code = "import sys, sltpack.data as data; data.NAMES; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_official_archives_are_quoted_right() -> None:
    # The sums stand on https://www.cs.toronto.edu/~kriz/cifar.html.
    assert CIFAR10.archive.digest == "md5:c32a1d4ab5d03f1284b67883e8d87530"
    assert CIFAR100.archive.digest == "md5:03b5dce01913d631647c71ecec9e9cb8"
    for family in (CIFAR10, CIFAR100):
        assert sum(family.images) == 60000
        assert family.images[-1] == 10000
