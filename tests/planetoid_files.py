"""Planetoid's files of a small graph, written as Python 2 wrote them, without SciPy."""

from __future__ import annotations

import pickle
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

CLASSES, FEATURES, TRAIN, KNOWN, NODES = 3, 4, 6, 510, 520
TEST = [517, 511, 519, 510, 514]
"""Of the last ten nodes half are in no file, as some of CiteSeer's."""


class CsrMatrix:
    """Stands in for SciPy's class where a pickle is written; what is written names only SciPy's."""

    def __init__(self, dense: np.ndarray[Any, Any]) -> None:
        rows, columns = np.nonzero(dense)
        self._shape = dense.shape
        self.indptr = np.searchsorted(rows, np.arange(len(dense) + 1)).astype(np.int32)
        self.indices = columns.astype(np.int32)
        self.data = dense[rows, columns]
        self.maxprint = 50
        self.format = "csr"


CsrMatrix.__module__, CsrMatrix.__qualname__ = "scipy.sparse.csr", "csr_matrix"


def pickled(value: object) -> bytes:
    """Pickles as Python 2 did, a matrix under SciPy's name."""
    module = ModuleType("scipy.sparse.csr")
    module.csr_matrix = CsrMatrix  # type: ignore[attr-defined]
    names = {"scipy": ModuleType("scipy"), "scipy.sparse": ModuleType("scipy.sparse"), "scipy.sparse.csr": module}
    with mock.patch.dict(sys.modules, names):
        return pickle.dumps(value, protocol=2)


def features_of_all() -> np.ndarray[Any, Any]:
    """The features of each node, zeros for those in no file."""
    features = np.random.default_rng(0).integers(0, 3, (NODES, FEATURES)).astype(np.float32)
    features[[node for node in range(KNOWN, NODES) if node not in TEST]] = 0
    return features


def labels_of_all() -> np.ndarray[Any, Any]:
    """The class of each node."""
    return np.arange(NODES) % CLASSES


def neighbours_of_all() -> dict[int, list[int]]:
    """The neighbours of each node, some twice."""
    graph: dict[int, list[int]] = defaultdict(list)
    for node in range(NODES):
        graph[node] += [(node + 1) % KNOWN, (node + 1) % KNOWN] if node < KNOWN else []
    graph[517] += [0, 511]
    return graph


def contents() -> dict[str, Any]:
    """What is in each of the eight files."""
    x, y = features_of_all(), np.eye(CLASSES, dtype=np.int32)[labels_of_all()]
    return {
        "x": CsrMatrix(x[:TRAIN]),
        "y": y[:TRAIN],
        "tx": CsrMatrix(x[TEST]),
        "ty": y[TEST],
        "allx": CsrMatrix(x[:KNOWN]),
        "ally": y[:KNOWN],
        "graph": neighbours_of_all(),
        "test.index": "".join(f"{node}\n" for node in TEST).encode(),
    }


def write(folder: Path, **changed: Any) -> Path:
    """Writes the files under Cora's name, some changed, with bytes as they are, and gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, value in {**contents(), **changed}.items():
        (folder / f"ind.cora.{part}").write_bytes(value if isinstance(value, bytes) else pickled(value))
    return folder
