"""A user's own graph: the file that the documentation makes, and files that cannot be."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sltpack.data.graphs import own_files as graph_files
from sltpack.errors import DataError

PAGE = Path(__file__).parents[3] / "docs" / "graphs.md"
REMEDY = "write the file as docs/graphs.md says"
DAMAGED = "the data set is damaged; get it again, or fix what wrote it"


def tensors(**changed: Any) -> dict[str, torch.Tensor]:
    part = torch.tensor([0, 1, 2, 0, 3])
    made = {
        "edge_index": torch.tensor([[0, 1, 1], [1, 2, 0]]),
        "x": torch.arange(10.0).reshape(5, 2),
        "y": torch.tensor([0, 1, 2, 1, -1]),
        "train_mask": part == 0,
        "val_mask": part == 1,
        "test_mask": part == 2,
    }
    return {name: value for name, value in {**made, **changed}.items() if value is not None}


def written(tmp_path: Path, metadata: dict[str, str] | None = None, **changed: Any) -> Path:
    path = tmp_path / "graph.safetensors"
    save_file(tensors(**changed), path, metadata)
    return path


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        graph_files.load(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_reads_what_was_written(tmp_path: Path) -> None:
    data = graph_files.load(written(tmp_path))
    graph = data.train.graph
    assert graph.features.tolist() == tensors()["x"].tolist()
    assert graph.labels.tolist() == [0, 1, 2, 1, -1]
    assert graph.classes == ("0", "1", "2")
    assert [part.index.tolist() for part in (data.train, data.validation, data.test)] == [[0, 3], [1], [2]]
    assert (graph.neighbours.matrix.to_dense() > 0).nonzero().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]


@pytest.mark.parametrize("kind", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_other_widths_of_whole_numbers(tmp_path: Path, kind: torch.dtype) -> None:
    labels = tensors(y=torch.tensor([0, 1, 2, 1, 7]))  # no type of them all has the -1 of the last node
    expected = graph_files.load(written(tmp_path, **labels)).train.sha256()
    others = {name: labels[name].to(kind) for name in ("edge_index", "y")}
    assert graph_files.load(written(tmp_path, **others)).train.sha256() == expected


def test_other_types_of_the_same_numbers(tmp_path: Path) -> None:
    expected = graph_files.load(written(tmp_path)).train.sha256()
    types = {
        "edge_index": torch.int32,
        "x": torch.float64,
        "y": torch.int32,
        "train_mask": torch.uint8,
        "val_mask": torch.uint8,
        "test_mask": torch.uint8,
    }
    path = written(tmp_path, **{name: tensors()[name].to(kind) for name, kind in types.items()})
    assert graph_files.load(path).train.sha256() == expected
    for kind in (torch.float16, torch.bfloat16):
        assert graph_files.load(written(tmp_path, x=tensors()["x"].to(kind))).train.sha256() == expected


def test_names_of_the_classes(tmp_path: Path) -> None:
    names = ["ä", "b", "c", "d"]
    assert graph_files.load(written(tmp_path, {"classes": json.dumps(names)})).test.classes == tuple(names)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1, 2, 3]", '"abc"', "[" * 100000, "a, b, c"])
def test_names_that_are_none(tmp_path: Path, text: str) -> None:
    found = message(written(tmp_path, {"classes": text}))
    assert found.startswith("metadata, classes: expected a list of names in JSON, found '")
    assert found.endswith(f"; {REMEDY}")


def test_a_name_that_occurs_again(tmp_path: Path) -> None:
    assert message(written(tmp_path, {"classes": '["a", "b", "c", "b"]'})) == (
        f"metadata, classes: expected each name once, found 'b' 2 times; {REMEDY}"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"x": torch.full((5, 2), -3e38)}, "x: node 0: expected features of at most 1e+12 in size, whose squares can be summed in float32, found 3e+38; scale the features"),
        ({"val_mask": None}, f"expected the tensors edge_index, x, y, train_mask, val_mask, test_mask, found no val_mask; {REMEDY}"),
        ({"edge_index": torch.zeros(3, 2)}, f"edge_index: expected int64 [2, m] (or int32, int16, int8, uint8), found float32 [3, 2]; {REMEDY}"),
        ({"edge_index": torch.zeros(3, 2, dtype=torch.int64)}, f"edge_index: expected [2, m], found [3, 2]; {REMEDY}"),
        ({"x": torch.zeros(5, 2, dtype=torch.int64)}, f"x: expected float32 [n, F] (or float64, float16, bfloat16), found int64 [5, 2]; {REMEDY}"),
        ({"x": torch.zeros(5)}, f"x: expected float32 [n, F] (or float64, float16, bfloat16), found float32 [5]; {REMEDY}"),
        ({"x": torch.zeros(5, 0)}, f"x: expected at least one feature a node, found none; {DAMAGED}"),
        ({"x": torch.full((5, 2), 1e300, dtype=torch.float64)}, f"x: node 0: expected finite features, found some that are not; {DAMAGED}"),
        ({"y": torch.zeros(4, dtype=torch.int64)}, f"y: expected as many values as x has rows: 5, found 4; {REMEDY}"),
        ({"y": torch.zeros(5, 1, dtype=torch.int64)}, f"y: expected int64 [n] (or int32, int16, int8, uint8), found int64 [5, 1]; {REMEDY}"),
        ({"y": torch.tensor([0, 1, 5, 0, 0])}, f"y: node 2: expected a label in 0..4, or names of the classes, found 5; {REMEDY}"),
        ({"y": torch.tensor([0, 1, 2, -1, 0])}, f"y: node 3, of the train part: expected a label in 0..2, found -1; {DAMAGED}"),
        ({"test_mask": torch.ones(5, 10, dtype=torch.bool)}, f"test_mask: expected bool [n] (or uint8), found bool [5, 10]; {REMEDY}"),
        ({"test_mask": torch.ones(5)}, f"test_mask: expected bool [n] (or uint8), found float32 [5]; {REMEDY}"),
        ({"test_mask": torch.zeros(5, dtype=torch.bool)}, f"test_mask: expected nodes in the test part, found none; {DAMAGED}"),
        ({"test_mask": torch.ones(5, dtype=torch.bool)}, f"test_mask: expected each node in one part, once, found node 0 again in test; {DAMAGED}"),
        ({"edge_index": torch.tensor([[0, 4], [1, 5]])}, f"edge_index: edge 1: expected nodes in 0..4, found node 5 (4 to 5); {DAMAGED}"),
        ({name: torch.zeros(0, *shape, dtype=kind) for name, shape, kind in [("x", (2,), torch.float32), ("y", (), torch.int64), ("train_mask", (), torch.bool), ("val_mask", (), torch.bool), ("test_mask", (), torch.bool)]},
         f"x: expected at least one node, found none; {REMEDY}"),
        ({"y": torch.tensor([-2, -1, -3, -1, 2])}, f"y: expected at least one class among the nodes of the parts, found only labels below 0; {REMEDY}"),
        ({name: torch.zeros(5, dtype=torch.bool) for name in ("train_mask", "val_mask", "test_mask")}, f"train_mask: expected nodes in the train part, found none; {DAMAGED}"),
    ],
)  # fmt: skip
def test_files_that_cannot_be(tmp_path: Path, changed: dict[str, Any], expected: str) -> None:
    assert message(written(tmp_path, **changed)) == expected


@pytest.mark.parametrize("label", [255, 4000, -7, (1 << 63) - 1, -(1 << 63)])
@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_the_label_of_a_node_in_no_part_may_be_anything(tmp_path: Path, label: int, names: list[str] | None) -> None:
    nodes = 400
    part, labels = torch.arange(nodes) % 3, torch.arange(nodes) // 3 % 3
    part[7], labels[7] = 3, label
    masks = {name: part == number for number, name in enumerate(("train_mask", "val_mask", "test_mask"))}
    metadata = None if names is None else {"classes": json.dumps(names)}
    data = graph_files.load(written(tmp_path, metadata, x=torch.ones(nodes, 2), y=labels, **masks))
    assert data.train.classes == tuple(names or ("0", "1", "2"))
    assert sum(map(len, data.parts.values())) == nodes - 1


def test_a_label_outside_the_named_classes(tmp_path: Path) -> None:
    assert message(written(tmp_path, {"classes": '["a", "b"]'})) == (
        f"y: node 2, of the test part: expected a label in 0..1, found 2; {DAMAGED}"
    )


def test_what_is_no_file_of_this_kind(tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    assert message(path) == f"expected a file, found none of that name; {REMEDY}"
    path.symlink_to("nowhere")
    assert message(path) == f"expected a file, found a link to nothing; {REMEDY}"
    path.unlink()
    path.mkdir()
    assert message(path) == f"expected a file that can be read, found a folder; {REMEDY}"
    path.rmdir()
    os.mkfifo(path)
    assert message(path) == (
        f"expected a file that can be read, found a pipe or device, which is no plain file; {REMEDY}"
    )


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_a_cut_file(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    assert message(path).startswith("expected a safetensors file, found ")


def test_the_file_that_the_documentation_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    data = graph_files.load(tmp_path / "graph.safetensors")
    assert data.train.classes == ("even", "odd")
    assert [part.index.tolist() for part in (data.train, data.validation, data.test)] == [[0, 1], [2, 3], [4, 5]]
    assert data.train.graph.neighbours.edges == 5


def test_the_tensors_that_the_documentation_lists() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| (`edge_index`|`x`|`y`|`train_mask`.*?) \| (\w+) (\[.*?\]) \| (.*?) \|", page, re.M)
    listed = {
        name.strip("` "): (usual, shape, others) for names, usual, shape, others in rows for name in names.split(",")
    }
    kinds = {
        name: (shape, [str(kind).removeprefix("torch.") for kind in kinds])
        for name, (shape, kinds) in graph_files.KINDS.items()
    }
    assert listed == {name: (usual, shape, ", ".join(others)) for name, (shape, (usual, *others)) in kinds.items()}
