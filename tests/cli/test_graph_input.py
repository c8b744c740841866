"""Graphs that are missing, cut or wrong, through the commands: one line on standard error, and nothing begun."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from sltpack_cli.main import cli

TESTS = Path(__file__).parents[1]
PLANETOID = runpy.run_path(str(TESTS / "planetoid_files.py"))
write_planetoid, contents = PLANETOID["write"], PLANETOID["contents"]
write_ogb = runpy.run_path(str(TESTS / "generated_graph.py"))["write"]
WRITTEN_WRONG = "the data set is damaged; get it again, or fix what wrote it"
PLANETOID_ANEW = "get the eight files of https://github.com/kimiyoung/planetoid/raw/master/data/ again"
OGB_ANEW = "unpack https://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip again"
AS_DOCUMENTED = "write the file as docs/graphs.md says"
COMMAND = (sys.executable, "-c", "from sltpack_cli.main import cli; cli()")


class Code:
    """Something whose pickle makes a folder where it is loaded without care."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def refusal(data: object, data_dir: Path | None, tmp_path: Path) -> str:
    """Searches on data that cannot be, and gives the one line on standard error without the mark in front."""
    out = tmp_path / "run"
    places = [] if data_dir is None else ["--data-dir", str(data_dir)]
    result = CliRunner().invoke(cli, ["search", "--model", "gin", "--data", str(data), *places, "-o", str(out)])
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not out.exists()
    return line.removeprefix("Error: ")


# Planetoid's files.


def test_a_missing_file_of_planetoid(tmp_path: Path) -> None:
    path = write_planetoid(tmp_path / "data") / "ind.cora.ally"
    path.unlink()
    assert (
        refusal("cora", path.parent, tmp_path) == f"{path}: expected a file, found none of that name; {PLANETOID_ANEW}"
    )


@pytest.mark.parametrize("part", ["allx", "graph"])
def test_a_cut_file_of_planetoid(part: str, tmp_path: Path) -> None:
    path = write_planetoid(tmp_path / "data") / f"ind.cora.{part}"
    path.write_bytes(path.read_bytes()[:100])
    assert refusal("cora", path.parent, tmp_path) == (
        f"{path}: expected a pickle of numeric arrays and plain containers, found a pickle that is cut; "
        f"the file is damaged; {PLANETOID_ANEW}"
    )


@pytest.mark.parametrize("part", ["tx", "graph"])
def test_a_file_of_planetoid_that_names_code(part: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = write_planetoid(tmp_path / "data", **{part: Code(made)}) / f"ind.cora.{part}"
    assert refusal("cora", path.parent, tmp_path) == (
        f"{path}: expected a pickle of numeric arrays and plain containers, found a pickle that names code to run, "
        f"{os.mkdir.__module__}.mkdir; none of it was run; {PLANETOID_ANEW}"
    )
    assert not made.exists()


def test_an_edge_of_planetoid_to_a_node_that_does_not_exist(tmp_path: Path) -> None:
    graph = {**contents()["graph"], 1: [2, 777]}
    path = write_planetoid(tmp_path / "data", graph=graph) / "ind.cora.graph"
    assert refusal("cora", path.parent, tmp_path) == (
        f"{path}: edge 3: expected nodes in 0..519, found node 777 (1 to 777); {WRITTEN_WRONG}"
    )


def test_a_sparse_matrix_whose_rows_wrap_around(tmp_path: Path) -> None:
    matrix = contents()["x"]
    matrix.indptr = matrix.indptr.astype("i8")
    matrix.indptr[1:3] = (1 << 63) - 1, -2
    path = write_planetoid(tmp_path / "data", x=matrix) / "ind.cora.x"
    assert refusal("cora", path.parent, tmp_path) == (
        f"{path}: expected a whole sparse matrix, found rows that are not one after the other; {PLANETOID_ANEW}"
    )


# The Open Graph Benchmark's files.


@pytest.fixture
def arxiv(tmp_path: Path) -> Path:
    write_ogb(tmp_path / "arxiv", 60, 200, 5, 7)
    return tmp_path / "arxiv"


def test_a_missing_file_of_ogb(arxiv: Path, tmp_path: Path) -> None:
    path = arxiv / "split/time/valid.csv.gz"
    path.unlink()
    assert refusal("ogbn-arxiv", arxiv, tmp_path) == f"{path}: expected a file, found none of that name; {OGB_ANEW}"


@pytest.mark.parametrize("file", ["raw/edge.csv.gz", "raw/node-feat.csv.gz", "split/time/test.csv.gz"])
def test_a_cut_file_of_ogb(file: str, arxiv: Path, tmp_path: Path) -> None:
    path = arxiv / file
    path.write_bytes(path.read_bytes()[:-9])
    assert refusal("ogbn-arxiv", arxiv, tmp_path) == (
        f"{path}: expected a whole .gz file, found Compressed file ended before the end-of-stream marker was reached; "
        f"{OGB_ANEW}"
    )


# A graph of one's own.


def tensors(**changed: Any) -> dict[str, torch.Tensor]:
    """The tensors of a graph of six nodes; a changed one that is None is left out."""
    part = torch.tensor([0, 0, 1, 1, 2, 2])
    made = {
        "edge_index": torch.tensor([[0, 1, 2, 3, 4], [2, 3, 4, 5, 0]]),
        "x": torch.eye(6),
        "y": torch.tensor([0, 1, 0, 1, 0, 1]),
        "train_mask": part == 0,
        "val_mask": part == 1,
        "test_mask": part == 2,
    }
    return {name: value for name, value in {**made, **changed}.items() if value is not None}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "expected", "found"),
    [
        (Path.unlink, "a file", "none of that name"),
        (become_a_folder, "a file that can be read", "a folder"),
        (cut, "a safetensors file", ""),
    ],
)
def test_a_file_that_is_none(damage: Callable[[Path], None], expected: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    save_file(tensors(), path)
    damage(path)
    line = refusal(f"graph:{path}", None, tmp_path)
    assert line.startswith(f"{path}: expected {expected}, found {found}")
    assert line.endswith(f"; {AS_DOCUMENTED}")


@pytest.mark.parametrize(
    ("changed", "classes", "message"),
    [
        (
            {"val_mask": None},
            None,
            f": expected the tensors edge_index, x, y, train_mask, val_mask, test_mask, found no val_mask; {AS_DOCUMENTED}",
        ),
        (
            {"edge_index": torch.tensor([[0, 6], [1, 2]])},
            None,
            f": edge_index: edge 1: expected nodes in 0..5, found node 6 (6 to 2); {WRITTEN_WRONG}",
        ),
        (
            {"y": torch.tensor([0, 1, 0, -1, 0, 1])},
            None,
            f": y: node 3, of the validation part: expected a label in 0..1, found -1; {WRITTEN_WRONG}",
        ),
        (
            {"y": torch.tensor([0, 1, 0, 1, 0, 6])},
            None,
            f": y: node 5: expected a label in 0..5, or names of the classes, found 6; {AS_DOCUMENTED}",
        ),
        (
            {"y": torch.tensor([0, 1, 0, 1, 0, 2])},
            '["even", "odd"]',
            f": y: node 5, of the test part: expected a label in 0..1, found 2; {WRITTEN_WRONG}",
        ),
    ],
)
def test_tensors_that_do_not_fit(changed: dict[str, Any], classes: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    save_file(tensors(**changed), path, None if classes is None else {"classes": classes})
    assert refusal(f"graph:{path}", None, tmp_path) == f"{path}{message}"


def test_a_program_of_its_own_says_no_more(tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    save_file(tensors(test_mask=torch.zeros(6, dtype=torch.bool)), path)
    words = ("train", "--model", "gin", "--data", f"graph:{path}", "-o", str(tmp_path / "run"))
    ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (f"Error: {path}: test_mask: expected nodes in the test part, found none; {WRITTEN_WRONG}\n")
