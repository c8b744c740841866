"""A generated graph in ogbn-arxiv's layout, whole and damaged, parsed and kept, on the disk and downloaded."""

from __future__ import annotations

import gzip
import hashlib
import re
import runpy
import shutil
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pooch  # type: ignore[import-untyped]
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from sltpack.data.dataset import DataSet
from sltpack.data.graphs import ogb
from sltpack.data.graphs.ogb import FILES, KEPT
from sltpack.data.storage.download import Archive
from sltpack.errors import DataError

write = runpy.run_path(str(Path(__file__).parents[2] / "generated_graph.py"))["write"]
REMEDY = f"unpack {ogb.ARCHIVE.url} again"
NODES, EDGES, FEATURES = 60, 200, 5


@dataclass(frozen=True)
class Written:
    """A generated graph and its folder."""

    folder: Path
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    edges: NDArray[np.int64]

    def path(self, name: str) -> Path:
        return self.folder / FILES[name]

    def replace(self, name: str, text: str) -> Path:
        self.path(name).write_bytes(gzip.compress(text.encode()))
        return self.path(name)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    folder = tmp_path / "arxiv"
    return Written(folder, *write(folder, NODES, EDGES, FEATURES, classes=7))


def message(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        ogb.load(folder)
    return str(caught.value)


def sums(data: DataSet) -> list[str]:
    return [part.sha256() for part in (data.train, data.validation, data.test)]


def test_reads_what_was_written(written: Written) -> None:
    data = ogb.load(written.folder)
    graph = data.train.graph
    np.testing.assert_array_equal(graph.features.numpy(), written.features)
    assert graph.labels.tolist() == written.labels.tolist()
    assert graph.classes[:3] == ("cs.NA", "cs.MM", "cs.LO")
    assert len(graph.classes) == len(set(graph.classes)) == 40
    expected = torch.zeros(NODES, NODES, dtype=torch.bool)
    for first, second in written.edges.T.tolist():
        if first != second:
            expected[first, second] = expected[second, first] = True
    assert torch.equal(graph.neighbours.matrix.to_dense() > 0, expected)
    parts = [part.index.tolist() for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [32, 11, 17]
    assert sorted(node for part in parts for node in part) == list(range(NODES))


@pytest.mark.parametrize("place", [".", "arxiv", "ogbn_arxiv"])
def test_every_place_where_the_files_may_be(tmp_path: Path, written: Written, place: str) -> None:
    expected = sums(ogb.load(written.folder))
    shutil.copytree(written.folder, tmp_path / "base" / place, dirs_exist_ok=True)
    assert sums(ogb.load(tmp_path / "base")) == expected


def test_folders_without_the_files(tmp_path: Path) -> None:
    remedy = f"unpack {ogb.ARCHIVE.url} there, or leave --data-dir out"
    expected = "expected raw/edge.csv.gz and its like, there or in arxiv or ogbn_arxiv"
    assert message(tmp_path) == f"{tmp_path}: {expected}, found none of them; {remedy}"
    assert message(tmp_path / "no") == f"{tmp_path / 'no'}: {expected}, found no such folder; {remedy}"


# What is kept beside the files.


def test_parses_once(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sums(ogb.load(written.folder))
    assert sorted(path.name for path in written.folder.iterdir()) == ["raw", KEPT, "split"]
    monkeypatch.setattr(ogb, "_parse", None)
    assert sums(ogb.load(written.folder)) == first


def test_other_files_are_parsed_anew(written: Written) -> None:
    first = ogb.load(written.folder)
    written.replace("labels", "0\n" * NODES)
    assert ogb.load(written.folder).train.labels.unique().tolist() == [0]
    assert len(first.train.labels.unique()) > 1


def no_safetensors(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    path.write_bytes(b"nothing")


def of_other_files(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    save_file({**kept, "labels": kept["labels"] * 0}, path, {"sha256": "of others"})


def without_metadata(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    save_file({**kept, "labels": kept["labels"] * 0}, path)


def changed(**tensors: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Path, dict[str, NDArray[Any]]], None]:
    def change(path: Path, kept: dict[str, NDArray[Any]]) -> None:
        sums = {file: ogb._sha256(path.parent / file) for file in FILES.values()}
        others = {name: tensors.get(name, np.copy)(values) for name, values in kept.items()}
        save_file(others, path, {"sha256": ogb._sealed(sums, others)})

    return change


def with_a_damaged_bit(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def of_other_numbers(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    with ogb.safe_open(path, framework="np") as stored:
        metadata = stored.metadata()
    save_file({**kept, "labels": kept["labels"] * 0}, path, metadata)


def without_a_tensor(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    with ogb.safe_open(path, framework="np") as stored:
        metadata = stored.metadata()
    save_file({name: values for name, values in kept.items() if name != "test"}, path, metadata)


def of_a_type_that_numpy_has_not(path: Path, kept: dict[str, NDArray[Any]]) -> None:
    with ogb.safe_open(path, framework="np") as stored:
        metadata = stored.metadata()
    tensors = {name: torch.from_numpy(values) for name, values in kept.items()}
    safetensors.torch.save_file({**tensors, "features": tensors["features"].bfloat16()}, path, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        no_safetensors,
        of_a_type_that_numpy_has_not,
        of_other_files,
        without_metadata,
        without_a_tensor,
        with_a_damaged_bit,
        of_other_numbers,
        changed(features=lambda values: values.astype(np.float64)),
        changed(labels=lambda values: values[:-1]),
        changed(labels=lambda values: values[:, None]),
        changed(edges=lambda values: values[:1]),
    ],
)
def test_what_was_kept_and_does_not_fit_is_passed_over(
    written: Written, damage: Callable[[Path, dict[str, NDArray[Any]]], None]
) -> None:
    first = sums(ogb.load(written.folder))
    whole = (written.folder / KEPT).read_bytes()
    damage(written.folder / KEPT, load_file(written.folder / KEPT))
    assert (written.folder / KEPT).read_bytes() != whole
    assert sums(ogb.load(written.folder)) == first
    assert (written.folder / KEPT).read_bytes() == whole


def test_a_place_that_cannot_be_written_is_no_error(written: Written) -> None:
    (written.folder / KEPT).mkdir()
    assert sums(ogb.load(written.folder)) == sums(ogb.load(written.folder))
    assert list((written.folder / KEPT).iterdir()) == []


# Damaged files.


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(written: Written, name: str) -> None:
    ogb.load(written.folder)  # what is kept does not hide it
    written.path(name).unlink()
    assert message(written.folder.parent) == (
        f"{written.path(name)}: expected a file, found none of that name; {REMEDY}"
    )


@pytest.mark.parametrize(
    ("cut", "expected", "found"),
    [
        (0, "a table of numbers", "nothing; "),
        (30, "a whole .gz file", "Compressed file ended before the end-of-stream marker was reached"),
        (-3, "a whole .gz file", "Compressed file ended before the end-of-stream marker was reached"),
    ],
)
def test_a_cut_file(written: Written, cut: int, expected: str, found: str) -> None:
    path = written.path("features")
    path.write_bytes(path.read_bytes()[:cut])
    assert message(written.folder).startswith(f"{path}: expected {expected}, found {found}")


def test_a_damaged_file(written: Written) -> None:
    path = written.path("features")
    data = path.read_bytes()
    path.write_bytes(b"no gz" + data[5:])
    assert message(written.folder) == f"{path}: expected a whole .gz file, found Not a gzipped file (b'no'); {REMEDY}"
    path.write_bytes(data[:100] + bytes(100) + data[200:])
    assert message(written.folder).startswith(f"{path}: expected ")
    path.unlink()
    path.mkdir()
    assert message(written.folder) == f"{path}: expected a file that can be read, found a folder; {REMEDY}"


@pytest.mark.parametrize(
    ("name", "text", "expected", "found"),
    [
        ("edges", "1,2\n3,x\n", "a table of numbers", "could not convert string 'x' to int64 at row 1, column 2."),
        ("edges", "1,2\n3\n", "a table of numbers", f"the number of columns changed from 2 to 1 at row 2; {REMEDY}"),
        ("edges", "1,2\n3,99999999999999999999\n", "a table of numbers", "could not convert string"),
        ("edges", "1\n2\n", "columns: 2", f"1; {REMEDY}"),
        ("labels", "1,2\n", "columns: 1", f"2; {REMEDY}"),
        ("labels", "1\n2\n", "a label for each of 60 nodes", f"2; {REMEDY}"),
        ("test", "", "a table of numbers", f"nothing; {REMEDY}"),
        ("train", "0\n60\n", "nodes of the train part in 0..59", "60; the data set is damaged"),
        ("labels", "0\n" * 59 + "40\n", None, "40; the data set is damaged"),
        ("test", "0\n0\n", "each node in one part, once", "node 0 again in test; the data set is damaged"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(written: Written, name: str, text: str, expected: str | None, found: str) -> None:
    path = written.replace(name, text)
    where = f"{path}"
    if expected is None:  # a label of a node
        (part,) = (part for part in ("train", "validation", "test") if 59 in np.loadtxt(written.path(part)))
        where, expected = f"{path}: node 59, of the {part} part", "a label in 0..39"
    assert message(written.folder).startswith(f"{where}: expected {expected}, found {found}")


def test_a_fraction_where_none_may_be(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written.replace("labels", "2.5\n" * NODES)
    assert message(written.folder).startswith(f"{path}: expected ")

    def older(*arguments: object, **settings: object) -> None:
        warnings.warn("loadtxt(): Parsing an integer via a float is deprecated.", DeprecationWarning, stacklevel=2)

    monkeypatch.setattr(np, "loadtxt", older)
    assert message(written.folder) == f"{written.path('edges')}: expected whole numbers, found a fraction; {REMEDY}"


def test_an_edge_to_a_node_that_does_not_exist(written: Written) -> None:
    path = written.replace("edges", "0,1\n1,60\n")
    assert message(written.folder) == (
        f"{path}: edge 1: expected nodes in 0..59, found node 60 (1 to 60); "
        "the data set is damaged; get it again, or fix what wrote it"
    )


@pytest.mark.parametrize("number", ["nan", "1e300"])
def test_features_that_are_no_numbers(written: Written, number: str) -> None:
    path = written.replace("features", "1,2\n" * 59 + f"1,{number}\n")
    assert message(written.folder) == (
        f"{path}: node 59: expected finite features, found some that are not; "
        "the data set is damaged; get it again, or fix what wrote it"
    )


@pytest.mark.parametrize(("limit", "size"), [("TEXT_LIMIT", 99), ("LINE_LIMIT", 20)])
def test_files_that_unpack_to_more_than_is_read(
    written: Written, monkeypatch: pytest.MonkeyPatch, limit: str, size: int
) -> None:
    monkeypatch.setattr(ogb, limit, size)
    monkeypatch.setattr(np, "loadtxt", lambda lines, *others, **settings: list(lines))
    path = written.replace("edges", "1,2\n" * 25 if limit == "TEXT_LIMIT" else "0" * 20)
    assert message(written.folder) == (
        f"{path}: expected at most {ogb.TEXT_LIMIT} characters, in lines of less than {ogb.LINE_LIMIT}, "
        f"found more; {REMEDY}"
    )


# Downloads, from a folder instead of the web.


def test_downloads_once(tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "arxiv.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in (*FILES.values(), "README.md"):
            (written.folder / "README.md").write_text("not wanted")
            archive.write(written.folder / file, f"arxiv/{file}")
    expected = sums(ogb.load(written.folder))
    asked = []

    class Downloader:
        def __init__(self, **settings: object) -> None:
            pass

        def __call__(self, url: str, path: Path, registry: None) -> None:
            asked.append(url)
            shutil.copy(packed, path)

    digest = f"sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}"
    archive_there = Archive("https://example.org/arxiv.zip", digest, packed.stat().st_size)
    monkeypatch.setattr(ogb, "ARCHIVE", archive_there)
    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setenv("SLTPACK_CACHE", str(tmp_path / "cache"))
    assert sums(ogb.load(None)) == expected
    assert sums(ogb.load(None)) == expected
    assert asked == ["https://example.org/arxiv.zip"]
    assert sorted(path.name for path in (tmp_path / "cache" / "arxiv").iterdir()) == ["raw", KEPT, "split"]


@pytest.mark.parametrize(
    ("content", "expected", "found"),
    [
        (None, "an archive with arxiv/raw/node-feat.csv.gz", "none of that name"),
        (b"no archive", "a whole .zip archive", "File is not a zip file"),
    ],
)
def test_archives_that_are_damaged_at_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, expected: str, found: str
) -> None:
    packed = tmp_path / "arxiv.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("arxiv/raw/edge.csv.gz", b"")
    if content is not None:
        packed.write_bytes(content)
    digest = f"sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}"
    monkeypatch.setattr(ogb, "ARCHIVE", Archive("https://example.org/arxiv.zip", digest, packed.stat().st_size))
    monkeypatch.setattr(
        pooch, "HTTPDownloader", lambda **settings: lambda url, path, registry: shutil.copy(packed, path)
    )
    monkeypatch.setenv("SLTPACK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError) as caught:
        ogb.load(None)
    assert str(caught.value).startswith(f"https://example.org/arxiv.zip: expected {expected}, found {found}; ")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_documentation_tells_of_this_archive_and_these_places() -> None:
    page = (Path(__file__).parents[3] / "docs" / "graphs.md").read_text("utf-8")
    assert f"[arxiv.zip]({ogb.ARCHIVE.url}) ({ogb.ARCHIVE.size / 1e6:.0f} MB)" in page
    assert "| `DATA/arxiv`, `DATA/ogbn_arxiv`, `DATA` |" in page  # as a test above has them
    (row,) = re.findall(r"^\| `ogbn-arxiv` \|(.* / .*)\|$", page, re.M)
    nodes, _, _, classes, parts = row.replace(",", "").split("|")
    assert int(classes) == len(ogb.CLASSES)
    assert sum(map(int, parts.split("/"))) == int(nodes)
    assert f"`{KEPT}`" in page


# The generated graph itself.


def test_the_generated_graph_is_the_same_each_time(tmp_path: Path, written: Written) -> None:
    again = Written(tmp_path / "again", *write(tmp_path / "again", NODES, EDGES, FEATURES, 7))
    for name in FILES:
        assert again.path(name).read_bytes() == written.path(name).read_bytes()
    write(tmp_path / "again", NODES, EDGES, FEATURES, 7, seed=1)
    assert again.path("edges").read_bytes() != written.path("edges").read_bytes()


def test_the_generated_text_is_what_numpy_reads(written: Written) -> None:
    lines = gzip.decompress(written.path("features").read_bytes()).decode().splitlines()
    assert len(lines) == NODES
    assert [float(word) for word in lines[3].split(",")] == pytest.approx(written.features[3].tolist(), abs=1e-7)


def test_neighbours_say_more_of_the_class_than_a_node_itself(tmp_path: Path) -> None:
    features, labels, _ = write(tmp_path / "arxiv", 4000, 28000, features=128, classes=10)
    graph = ogb.load(tmp_path).train.graph
    gathered = graph.neighbours.gather(graph.features)
    right = []
    for values in (features, gathered.numpy()):
        centres = np.stack([values[labels == label].mean(0) for label in range(10)])
        nearest = (((values[:, None] - centres) ** 2).sum(2)).argmin(1)
        right.append(float((nearest == labels).mean()))
    alone, together = right
    assert alone < 0.6 < 0.7 < together
