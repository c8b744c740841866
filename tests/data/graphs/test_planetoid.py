"""Planetoid's files, whole and damaged, on the disk and downloaded."""

from __future__ import annotations

import os
import pickle
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pooch  # type: ignore[import-untyped]
import pytest
import torch

from sltpack.data.dataset import DataSet
from sltpack.data.graphs import planetoid
from sltpack.data.graphs.planetoid import FAMILIES, Family
from sltpack.data.storage.download import Files
from sltpack.errors import DataError

FILES = runpy.run_path(str(Path(__file__).parents[2] / "planetoid_files.py"))
CLASSES, FEATURES, TRAIN, KNOWN, NODES, TEST = (
    FILES[name] for name in ("CLASSES", "FEATURES", "TRAIN", "KNOWN", "NODES", "TEST")
)
CsrMatrix, contents, write = FILES["CsrMatrix"], FILES["contents"], FILES["write"]
features_of_all, labels_of_all, neighbours_of_all = (
    FILES[f"{name}_of_all"] for name in ("features", "labels", "neighbours")
)
CORA = FAMILIES["cora"]
REMEDY = f"get the eight files of {planetoid.URL} again"


def message(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        planetoid.load(CORA, folder)
    return str(caught.value)


def same(one: DataSet, other: DataSet) -> bool:
    parts = (one.train, other.train), (one.validation, other.validation), (one.test, other.test)
    return all(a.sha256() == b.sha256() for a, b in parts)


def test_reads_what_was_written(tmp_path: Path) -> None:
    data = planetoid.load(CORA, write(tmp_path))
    graph = data.train.graph
    np.testing.assert_array_equal(graph.features.numpy(), features_of_all())
    expected = labels_of_all()
    expected[[510 + n for n in (2, 3, 5, 6, 8)]] = -1
    assert graph.labels.tolist() == expected.tolist()
    assert graph.classes == ("0", "1", "2")
    assert data.train.index.tolist() == list(range(6))
    assert data.validation.index.tolist() == list(range(6, 506))
    assert data.test.index.tolist() == [510, 511, 514, 517, 519]
    dense = graph.neighbours.matrix.to_dense() > 0
    wanted = torch.zeros(NODES, NODES, dtype=torch.bool)
    for node, others in neighbours_of_all().items():
        wanted[node, others] = wanted[others, node] = True
    assert torch.equal(dense, wanted)


def test_the_files_of_the_test_name_what_python_2_and_scipy_named(tmp_path: Path) -> None:
    data = (write(tmp_path) / "ind.cora.x").read_bytes()
    assert data.startswith(b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n")
    assert "scipy" not in sys.modules
    assert b"ccollections\ndefaultdict\nq\x00c__builtin__\nlist\n" in (tmp_path / "ind.cora.graph").read_bytes()


@pytest.mark.parametrize("place", [".", "raw", "cora", "cora/raw"])
def test_every_place_where_the_files_may_be(tmp_path: Path, place: str) -> None:
    write(tmp_path / "elsewhere")
    write(tmp_path / "base" / place)
    assert same(planetoid.load(CORA, tmp_path / "base"), planetoid.load(CORA, tmp_path / "elsewhere"))


def test_folders_without_the_files(tmp_path: Path) -> None:
    remedy = f"put the eight files of {planetoid.URL} there, or leave --data-dir out"
    expected = "expected ind.cora.x and its like, there or in cora/raw or cora or raw"
    assert message(tmp_path) == f"{tmp_path}: {expected}, found none of them; {remedy}"
    assert message(tmp_path / "no") == f"{tmp_path / 'no'}: {expected}, found no such folder; {remedy}"


@pytest.mark.parametrize("part", ["x", "ally", "graph", "test.index"])
def test_a_missing_file(tmp_path: Path, part: str) -> None:
    path = write(tmp_path) / CORA.file(part)
    path.unlink()
    assert message(tmp_path) == f"{path}: expected a file, found none of that name; {REMEDY}"


@pytest.mark.parametrize("part", ["tx", "y", "graph"])
@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_cut_file(tmp_path: Path, part: str, cut: int) -> None:
    path = write(tmp_path) / CORA.file(part)
    path.write_bytes(path.read_bytes()[:cut])
    told = message(tmp_path)
    assert told.startswith(f"{path}: expected a pickle of numeric arrays and plain containers, found a pickle ")
    assert told.endswith(f"; the file is damaged; {REMEDY}")


def become_a_folder(path: Path) -> None:
    path.mkdir()


def become_a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("part", ["ally", "test.index"])
@pytest.mark.parametrize(
    ("make", "expected", "found"),
    [
        (become_a_folder, "a file that can be read", "a folder"),
        (become_a_link_to_nothing, "a file", "a link to nothing"),
        (os.mkfifo, "a file that can be read", "a pipe or device, which is no plain file"),
    ],
)
def test_what_stands_instead_of_a_file(
    tmp_path: Path, part: str, make: Callable[[Path], None], expected: str, found: str
) -> None:
    path = write(tmp_path) / CORA.file(part)
    path.unlink()
    make(path)
    assert message(tmp_path) == f"{path}: expected {expected}, found {found}; {REMEDY}"


def change(graph: dict[int, list[int]], node: int, others: Any) -> dict[int, list[int]]:
    graph[node] = others
    return graph


Y, X = np.eye(CLASSES, dtype=np.int32)[labels_of_all()], features_of_all()


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("tx", CsrMatrix(X[TEST][:, :3]), "expected as many columns as ind.cora.allx: 4, found 3"),
        ("ally", Y[: KNOWN - 1], "expected as many rows as ind.cora.allx: 510, found 509"),
        ("ty", Y[TEST][:4], "expected as many rows as ind.cora.tx: 5, found 4"),
        ("y", Y[:5], "expected as many rows as ind.cora.x: 6, found 5"),
        ("ty", Y[TEST][:, :2], "expected as many columns as ind.cora.ally: 3, found 2"),
        ("ty", 2 * Y[TEST], "expected a single 1 in each row, for the class, found another row 0"),
        ("ally", Y[:KNOWN] + (np.arange(KNOWN) == 7)[:, None], "expected a single 1 in each row, for the class, found another row 7"),
        ("ally", Y[:KNOWN] * (np.arange(KNOWN) < 9)[:, None], "expected a single 1 in each row, for the class, found another row 9"),
        ("graph", change(neighbours_of_all(), 520, []), None),
        ("graph", change(neighbours_of_all(), 521, []), "expected a list for each of the nodes 0..520, found node 521"),
        ("graph", change(neighbours_of_all(), 3, 4), "expected a list of nodes for each node, found something else"),
        ("graph", change(neighbours_of_all(), 3, ["4"]), "expected a list of nodes for each node, found something else"),
        ("graph", change(neighbours_of_all(), 3, [1 << 70]), "expected a list of nodes for each node, found something else"),
        ("graph", {}, "expected at least one node, found none"),
        ("test.index", b"517\n511\n", "expected 5 nodes, one for each row of the test features, found 2"),
        ("test.index", b"517\n511\n519\n510\n509\n", "expected nodes in 510..519, found 509"),
        ("test.index", b"517\n511\n519\n510\n520\n", "expected nodes in 510..519, found 520"),
        ("test.index", b"517\n511\n519\n510\nx\n", "expected the number of a node in each line, found 'x'"),
        ("test.index", b"517\n-1", "expected the number of a node in each line, found '-1'"),
        ("test.index", b"9" * 30, f"expected the number of a node in each line, found '{'9' * 30}'"),
        ("test.index", b"9" * 5000, f"expected the number of a node in each line, found '{'9' * 196}..."),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path: Path, part: str, value: Any, expected: str | None) -> None:
    path = write(tmp_path, **{part: value}) / CORA.file(part)
    if expected is None:
        assert len(planetoid.load(CORA, tmp_path).train.graph) == 521
    else:
        assert message(tmp_path) == f"{path}: {expected}; {REMEDY}"


def test_an_edge_to_a_node_that_does_not_exist(tmp_path: Path) -> None:
    path = write(tmp_path, graph=change(neighbours_of_all(), 1, [2, 777])) / "ind.cora.graph"
    assert message(tmp_path) == (
        f"{path}: edge 3: expected nodes in 0..519, found node 777 (1 to 777); "
        "the data set is damaged; get it again, or fix what wrote it"
    )


def test_features_too_large_for_float32(tmp_path: Path) -> None:
    write(tmp_path, tx=CsrMatrix((X[TEST] + 1) * np.float64(1e300)))
    assert message(tmp_path).startswith(f"{tmp_path}: node 510: expected finite features, found some that are not; ")


def test_a_test_node_twice(tmp_path: Path) -> None:
    path = write(tmp_path, **{"test.index": b"517\n511\n519\n510\n510\n"}) / "ind.cora.test.index"
    assert message(tmp_path).startswith(f"{path}: expected each node in one part, once, found node 510 again in test; ")


@pytest.mark.parametrize("x", [CsrMatrix(X[1 : TRAIN + 1]), CsrMatrix(X[:TRAIN] + 1)])
def test_training_rows_that_are_not_the_first_of_all(tmp_path: Path, x: Any) -> None:
    path = write(tmp_path, x=x) / "ind.cora.allx"
    assert message(tmp_path) == (
        f"{path}: expected the rows of ind.cora.x, then 500 or more, found others or fewer; {REMEDY}"
    )


def test_training_labels_that_are_not_the_first_of_all(tmp_path: Path) -> None:
    path = write(tmp_path, y=Y[1 : TRAIN + 1]) / "ind.cora.ally"
    assert message(tmp_path) == (
        f"{path}: expected the rows of ind.cora.y, then 500 or more, found others or fewer; {REMEDY}"
    )


def test_more_nodes_than_features_can_be_had_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planetoid, "MATRIX_LIMIT", NODES * FEATURES * 4 - 1)
    path = write(tmp_path) / "ind.cora.graph"
    assert message(tmp_path) == f"{path}: expected at most 8319 bytes of features, found 8320, for 520 nodes; {REMEDY}"


def test_a_list_that_many_nodes_share(tmp_path: Path) -> None:
    shared = [0] * 4000
    path = write(tmp_path, graph=dict.fromkeys(range(4000), shared)) / "ind.cora.graph"
    assert path.stat().st_size < 32000
    assert message(tmp_path) == (
        f"{path}: expected a pickle of numeric arrays and plain containers, found a pickle of more than 2097152 values, "
        "some of them used again and again; the file is damaged, made to do harm, or of a kind that sltpack does not read; "
        f"{REMEDY}"
    )


def test_fewer_nodes_than_features(tmp_path: Path) -> None:
    none = {"tx": pickle.dumps(X[:0], 3), "ty": pickle.dumps(Y[:0], 3), "test.index": b""}
    path = write(tmp_path, graph={node: [] for node in range(KNOWN - 1)}, **none) / "ind.cora.graph"
    assert message(tmp_path) == f"{path}: expected nodes: 510 or more, as ind.cora.allx has rows, found 509; {REMEDY}"


# Downloads, from a folder instead of the web.


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Family]:
    """Has every address lead to the file of its name in a folder, and gives the family with the right sums of it."""
    served = write(tmp_path / "served")

    class Downloader:
        def __init__(self, **settings: object) -> None:
            pass

        def __call__(self, url: str, path: Path, registry: None) -> None:
            assert url.startswith("https://example.org/")
            shutil.copy(served / url.removeprefix("https://example.org/"), path)

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setenv("SLTPACK_CACHE", str(tmp_path / "cache"))

    def family(wrong: str) -> Family:
        sums = {name: f"sha256:{pooch.file_hash(str(served / name))}" for name in CORA.files.digests}
        return replace(CORA, files=Files("https://example.org/", {**sums, **({wrong: "md5:0"} if wrong else {})}, 9000))

    return family


def test_downloads_once(tmp_path: Path, web: Callable[[str], Family]) -> None:
    family = web("")
    first = planetoid.load(family, None)
    shutil.rmtree(tmp_path / "served")
    assert same(first, planetoid.load(family, None))
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["cora"]


def test_a_download_with_another_sum_leaves_nothing(tmp_path: Path, web: Callable[[str], Family]) -> None:
    family = web("ind.cora.graph")
    with pytest.raises(DataError) as caught:
        planetoid.load(family, None)
    found = pooch.file_hash(str(tmp_path / "served" / "ind.cora.graph"), alg="md5")
    assert str(caught.value) == (
        f"https://example.org/ind.cora.graph: expected a file with the sum md5:0, found md5:{found}; "
        "check the network and the disk, or get the files by hand and pass their folder with --data-dir"
    )
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_download_that_fails(tmp_path: Path, web: Callable[[str], Family]) -> None:
    family = web("")
    (tmp_path / "served" / "ind.cora.tx").unlink()
    with pytest.raises(DataError) as caught:
        planetoid.load(family, None)
    assert str(caught.value).startswith(
        "https://example.org/ind.cora.tx: expected a file, found No such file or directory; check the network"
    )


def test_every_official_file_has_a_sum_of_its_own() -> None:
    digests = [digest for family in FAMILIES.values() for digest in family.files.digests.values()]
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests)
    assert len(set(digests)) == len(digests) == 3 * len(contents())


def test_the_documentation_tells_of_these_sets() -> None:
    page = (Path(__file__).parents[3] / "docs" / "graphs.md").read_text("utf-8")
    assert planetoid.URL.startswith(re.findall(r"\[Planetoid\]\((.*?)\)", page)[0])
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", page, re.M))
    for name, family in FAMILIES.items():
        *_, classes, parts = rows[name].split("|")
        assert int(classes) == len(family.classes)
        assert int(parts.split("/")[1]) == planetoid.VALIDATION
