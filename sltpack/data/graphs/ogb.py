"""ogbn-arxiv (Hu et al. 2020) in the Open Graph Benchmark's own files, on the disk or downloaded once.

A node is a paper on computer science, its features are the mean of its words' embeddings, its neighbours the papers
that it cites or that cite it; papers up to 2017 train, those of 2018 validate, later ones test. The text is parsed once
and kept beside the files as safetensors. OGB's own package is not used: it unpickles with torch what it keeps.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ...errors import DataError, SltpackError
from ...files import open_plain, write_atomically
from ..dataset import DataSet
from ..sources import Reader
from ..storage.download import Archive, cache_folder, fetch
from ..storage.places import find_folder, unfound, unreadable
from .graph import connect, make_graph, make_parts

ARCHIVE = Archive(
    url="https://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip",
    digest="sha256:49f85c801589ecdcc52cfaca99693aaea7b8af16a9ac3f41dd85a5f3193fe276",
    size=83058288,
)
_CATEGORIES = """
NA MM LO CY CR DC HC CE NI CC AI MA GL NE SC AR CV GR ET SY
CG OH PL SE LG SD SI RO IT PF CL IR MS FL DS OS GT DB DL DM
"""
CLASSES = tuple(f"cs.{category}" for category in _CATEGORIES.split())
"""arXiv's categories, by label."""
FILES = {
    "edges": "raw/edge.csv.gz",
    "features": "raw/node-feat.csv.gz",
    "labels": "raw/node-label.csv.gz",
    "train": "split/time/train.csv.gz",
    "validation": "split/time/valid.csv.gz",
    "test": "split/time/test.csv.gz",
}
"""The files, by what is in them."""
TEXT_LIMIT = 1 << 29
"""Characters of an unpacked file: a table of them has less than 2^28 numbers. The features have about 2e8."""
LINE_LIMIT = 1 << 16
"""Characters of a line; those of the features have about 1200."""
KEPT = "sltpack-1.safetensors"
"""What the parsed numbers are kept in, with the version of its layout."""
_ANEW = f"unpack {ARCHIVE.url} again"
_FOLDERS = ("arxiv", "ogbn_arxiv")
"""As the archive has it, and as OGB's package names it."""


def reader(name: str) -> Reader:
    """Return how the graph is read."""
    return Reader(lambda choices: load(choices.data_dir), CLASSES)


def load(data_dir: Path | None) -> DataSet:
    """Read ogbn-arxiv, or any graph with at most 40 classes in the same layout.

    Args:
        data_dir: the folder `arxiv` that the archive unpacks to, or the one that holds it; without it, the user's cache
            folder, to which the archive is downloaded where it is not there yet.

    Returns:
        The graph's training, validation and test nodes.

    Raises:
        DataError: a file is missing, cut, damaged, or does not fit to the others.
    """
    base = cache_folder() if data_dir is None else data_dir
    found = find_folder(base, _FOLDERS, FILES.values())
    if found is None and data_dir is None:
        fetch(ARCHIVE, base, _FOLDERS[0], tuple(FILES.values()))
        found = find_folder(base, _FOLDERS, FILES.values())
    if found is None:
        remedy = f"unpack {ARCHIVE.url} there, or leave --data-dir out"
        raise unfound(base, _FOLDERS, FILES["edges"], remedy)
    sums = {file: _sha256(found / file) for file in FILES.values()}
    tables = _kept(found / KEPT, sums)
    if tables is None:
        tables = _parse(found)
        with suppress(SltpackError):  # where it cannot be kept, it is parsed again
            write_atomically(found / KEPT, save(tables, {"sha256": _sealed(sums, tables)}), force=True)
    paths = {name: found / file for name, file in FILES.items()}
    neighbours = connect(tables["edges"], len(tables["labels"]), paths["edges"])
    graph = make_graph(tables["features"], tables["labels"], neighbours, CLASSES, paths["features"])
    return make_parts(graph, {name: tables[name] for name in ("train", "validation", "test")}, paths, paths["labels"])


def _sha256(path: Path) -> str:
    try:
        with open_plain(path) as stream:
            digest = hashlib.sha256()
            while piece := stream.read(1 << 20):
                digest.update(piece)
            return digest.hexdigest()
    except OSError as error:
        raise unreadable(path, error, _ANEW) from error


def _kept(path: Path, sums: dict[str, str]) -> dict[str, NDArray[Any]] | None:
    """Return what was kept of the same files, if anything was; whatever else stands there is passed over."""
    try:
        open_plain(path).close()
        with safe_open(path, framework="np") as stored:
            seal = (stored.metadata() or {}).get("sha256")
            tables = {name: stored.get_tensor(name) for name in FILES}
    except (OSError, SafetensorError, TypeError, AttributeError):  # the last two of types that NumPy has not
        return None
    # First whether they fit: of other types, such as bfloat16, NumPy may not give the bytes.
    return tables if _fits(tables) and seal == _sealed(sums, tables) else None


def _sealed(sums: dict[str, str], tables: dict[str, NDArray[Any]]) -> str:
    """Return the sums of the files and that of the numbers parsed from them, which a damaged disk may have changed."""
    digest = hashlib.sha256()
    for name in FILES:
        values = tables[name]
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    # One entry: safetensors writes several in any order, and the same numbers are to make the same bytes.
    return json.dumps({**sums, "tensors": digest.hexdigest()})


def _fits(tables: dict[str, NDArray[Any]]) -> bool:
    return (
        all(values.dtype == (np.float32 if name == "features" else np.int64) for name, values in tables.items())
        and all(values.ndim == (2 if name in ("features", "edges") else 1) for name, values in tables.items())
        and len(tables["features"]) == len(tables["labels"])
        and len(tables["edges"]) == 2
    )


def _parse(folder: Path) -> dict[str, NDArray[Any]]:
    tables = {
        name: _table(folder / file, np.float32 if name == "features" else np.int64) for name, file in FILES.items()
    }
    for name, columns in (("edges", 2), ("labels", 1), ("train", 1), ("validation", 1), ("test", 1)):
        if tables[name].shape[1] != columns:
            raise _unfit(folder / FILES[name], f"columns: {columns}", f"{tables[name].shape[1]}")
    nodes, labels = len(tables["features"]), len(tables["labels"])
    if nodes != labels:
        raise _unfit(folder / FILES["labels"], f"a label for each of {nodes} nodes", f"{labels}")
    shaped = {name: table if name == "features" else table[:, 0] for name, table in tables.items()}
    return {name: np.ascontiguousarray(table) for name, table in {**shaped, "edges": tables["edges"].T}.items()}


def _table(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    """Parse a table of numbers, [rows, columns]."""
    try:
        with (
            open_plain(path) as packed,
            gzip.open(packed, "rt", encoding="latin1", newline="\n") as stream,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")  # so NumPy tells of an empty file, and older ones of a fraction
            return np.loadtxt(_lines(path, stream), kind, comments=None, delimiter=",", ndmin=2)
    except (ValueError, OverflowError) as error:
        raise _unfit(path, "a table of numbers", f"{error}".partition(";")[0]) from error
    except UserWarning as error:
        raise _unfit(path, "a table of numbers", "nothing") from error
    except DeprecationWarning as error:
        raise _unfit(path, "whole numbers", "a fraction") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _unfit(path, "a whole .gz file", f"{error}") from error
    except OSError as error:
        raise unreadable(path, error, _ANEW) from error


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    """Return the lines of a file, which may unpack to a thousand times its size."""
    left = TEXT_LIMIT
    while line := stream.readline(LINE_LIMIT):
        left -= len(line)
        if left < 0 or len(line) == LINE_LIMIT:
            raise _unfit(path, f"at most {TEXT_LIMIT} characters, in lines of less than {LINE_LIMIT}", "more")
        yield line


def _unfit(path: Path, expected: str, found: str) -> DataError:
    return DataError(path, expected=expected, found=found, remedy=_ANEW)
