"""Cora, CiteSeer and PubMed with the public split, in Planetoid's files (Yang et al. 2016), on the disk or downloaded.

A node is a publication, its features are words, its neighbours the publications that it cites or that cite it. The
features are as they are in the files: 0 and 1, or in PubMed's TF-IDF. To scale them to a sum of 1 in each row, as some
do, would make networks of `gin`'s kind less accurate, on CiteSeer by far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, shown
from ...files import open_plain
from ..dataset import DataSet
from ..sources import Reader
from ..storage import unpickling
from ..storage.download import Files, cache_folder, fetch_files
from ..storage.places import find_folder, unfound, unreadable
from ..storage.sparse_matrices import MATRIX_LIMIT
from .graph import connect, make_graph, make_parts

URL = "https://github.com/kimiyoung/planetoid/raw/master/data/"
_ANEW = f"get the eight files of {URL} again"
VALIDATION = 500
"""Nodes that validate in the public split: those after the ones that train (Kipf & Welling 2017)."""
_INDEX_LIMIT = 1 << 20
"""Bytes of the list of test nodes; each official one has 5 or 6 kB."""
_NODE_LIMIT = 1 << 31
_DIGITS = len(str(_NODE_LIMIT))


@dataclass(frozen=True)
class Family:
    """One of the three sets.

    Attributes:
        name: the data set's name, and what stands in those of its files.
        files: what to download.
        classes: the names of the classes, which are numbers.
    """

    name: str
    files: Files
    classes: tuple[str, ...]

    def file(self, part: str) -> str:
        """Return the name of a file by its last part, such as "allx"."""
        return f"ind.{self.name}.{part}"


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _family(name: str, classes: int, size: int, digests: Mapping[str, str]) -> Family:
    files = Files(URL, {f"ind.{name}.{part}": f"sha256:{sum_}" for part, sum_ in digests.items()}, size)
    return Family(name, files, _numbered(classes))


FAMILIES = {
    family.name: family
    for family in (
        _family(
            "cora",
            7,
            572444,
            {
                "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
            },
        ),
        _family(
            "citeseer",
            6,
            1036188,
            {
                "x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
                "y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
                "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
                "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
                "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
                "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
            },
        ),
        _family(
            "pubmed",
            3,
            13_000_000,  # nearly
            {
                "x": "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33",
                "y": "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
                "tx": "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
                "ty": "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
                "allx": "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
                "ally": "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
                "graph": "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
                "test.index": "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
            },
        ),
    )
}


def reader(name: str) -> Reader:
    """Return how one of the three is read."""
    family = FAMILIES[name]
    return Reader(lambda choices: load(family, choices.data_dir), family.classes)


def load(family: Family, data_dir: Path | None) -> DataSet:
    """Read a data set.

    The nodes that train are the first (140, 120 and 60 in the three sets), the next 500 validate, and the test nodes
    are those of the list. CiteSeer has 15 nodes without neighbours that no file describes: their features are zeros,
    and they are in no part.

    Args:
        family: one of `FAMILIES`.
        data_dir: a folder with the files, or that holds them in NAME/raw, raw or NAME; without it, the user's cache
            folder, to which they are downloaded where they are not there yet.

    Returns:
        The graph's training, validation and test nodes.

    Raises:
        DataError: a file is missing, cut, damaged, or does not fit to the others.
    """
    base = cache_folder() if data_dir is None else data_dir
    places = (f"{family.name}/raw", family.name, "raw")
    found = find_folder(base, places, family.files.digests)
    if found is None and data_dir is None:
        fetch_files(family.files, base, family.name)
        found = find_folder(base, places, family.files.digests)
    if found is None:
        remedy = f"put the eight files of {URL} there, or leave --data-dir out"
        raise unfound(base, places, family.file("x"), remedy)
    return _read(family, found)


def _read(family: Family, folder: Path) -> DataSet:
    paths = {part: folder / family.file(part) for part in ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")}
    matrices = {part: unpickling.load_matrix(paths[part], _ANEW) for part in ("x", "y", "tx", "ty", "allx", "ally")}
    for part, other, side in (
        ("tx", "allx", 1),
        ("x", "allx", 1),
        ("y", "ally", 1),
        ("ty", "ally", 1),
        ("ally", "allx", 0),
        ("ty", "tx", 0),
        ("y", "x", 0),
    ):
        sizes = matrices[part].shape[side], matrices[other].shape[side]
        if sizes[0] != sizes[1]:
            what = ("rows", "columns")[side]
            raise _unfit(paths[part], f"as many {what} as {paths[other].name}: {sizes[1]}", f"{sizes[0]}")
    known, train = len(matrices["allx"]), len(matrices["x"])
    for part, other in (("x", "allx"), ("y", "ally")):
        if known < train + VALIDATION or not np.array_equal(matrices[part], matrices[other][:train]):
            raise _unfit(paths[other], f"the rows of {paths[part].name}, then {VALIDATION} or more", "others or fewer")
    edges, count = _edges(paths["graph"])
    if count < known:
        raise _unfit(paths["graph"], f"nodes: {known} or more, as {paths['allx'].name} has rows", f"{count}")
    test = _test_nodes(paths["test.index"], len(matrices["tx"]), known, count)
    width = matrices["allx"].shape[1]
    size = count * width * np.dtype(np.float32).itemsize
    if size > MATRIX_LIMIT:
        raise _unfit(paths["graph"], f"at most {MATRIX_LIMIT} bytes of features", f"{size}, for {count} nodes")
    features = np.zeros((count, width), np.float32)
    labels = np.full(count, -1, np.int64)
    for rows, x, y in ((np.arange(known), "allx", "ally"), (test, "tx", "ty")):
        with np.errstate(over="ignore"):  # told below, as what is not finite
            features[rows] = matrices[x]
        labels[rows] = _labels(paths[y], matrices[y])
    classes = _numbered(matrices["ally"].shape[1])
    graph = make_graph(features, labels, connect(edges, count, paths["graph"]), classes, folder)
    parts = {"train": np.arange(train), "validation": np.arange(train, train + VALIDATION), "test": np.sort(test)}
    where = {"train": paths["y"], "validation": paths["ally"], "test": paths["test.index"]}
    return make_parts(graph, parts, where, paths["ally"])


def _edges(path: Path) -> tuple[NDArray[np.int64], int]:
    """Read the neighbours of each node, and return the edges, int64 [2, m], and how many nodes there are."""
    graph = unpickling.load(path, _ANEW)
    if not graph:
        raise _unfit(path, "at least one node", "none")
    lists = list(graph.values())
    if not all(isinstance(others, list) for others in lists):
        raise _unfit(path, "a list of nodes for each node", "something else")
    if not all(type(node) is int and abs(node) < _NODE_LIMIT for node in chain(graph, *lists)):
        raise _unfit(path, "a list of nodes for each node", "something else")
    nodes = np.fromiter(graph, np.int64, len(graph))
    if not np.array_equal(np.sort(nodes), np.arange(len(nodes))):
        raise _unfit(path, f"a list for each of the nodes 0..{len(nodes) - 1}", f"node {nodes.max()}")
    starts = np.repeat(nodes, [len(others) for others in lists])
    return np.stack([starts, np.fromiter(chain(*lists), np.int64, len(starts))]), len(nodes)


def _test_nodes(path: Path, rows: int, first: int, count: int) -> NDArray[np.int64]:
    """Read which node each row of tx is."""
    try:
        with open_plain(path) as stream:
            words = stream.read(_INDEX_LIMIT).split()
    except OSError as error:
        raise unreadable(path, error, _ANEW) from error
    for word in words:
        if not word.isdigit() or len(word) > _DIGITS:
            raise _unfit(path, "the number of a node in each line", shown(word.decode("latin1")))
    nodes = np.array(list(map(int, words)), np.int64)
    if len(nodes) != rows:
        raise _unfit(path, f"{rows} nodes, one for each row of the test features", f"{len(nodes)}")
    outside = (nodes < first) | (nodes >= count)
    if outside.any():
        raise _unfit(path, f"nodes in {first}..{count - 1}", f"{nodes[outside][0]}")
    return nodes


def _labels(path: Path, rows: NDArray[Any]) -> NDArray[np.int64]:
    """Read labels that are written as rows with a single 1."""
    proper = ((rows == 0) | (rows == 1)).all(1) & (np.count_nonzero(rows, axis=1) == 1)
    if not proper.all():
        number = int(proper.argmin())
        raise _unfit(path, "a single 1 in each row, for the class", f"another row {number}")
    labels: NDArray[np.int64] = rows.argmax(1)
    return labels


def _unfit(path: Path, expected: str, found: str) -> DataError:
    return DataError(path, expected=expected, found=found, remedy=_ANEW)
