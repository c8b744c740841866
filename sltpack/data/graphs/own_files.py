"""A user's own graph as one safetensors file, laid out as PyTorch Geometric names its parts (docs/graphs.md)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ...errors import DataError, shown
from ...files import open_plain
from ...format.parsing import parse
from ..dataset import DataSet
from ..sources import Reader
from ..storage.places import unreadable
from .graph import connect, make_graph, make_parts

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_MASKS = (torch.bool, torch.uint8)
KINDS = {
    "edge_index": ("[2, m]", _INTEGERS),
    "x": ("[n, F]", _FLOATS),
    "y": ("[n]", _INTEGERS),
    "train_mask": ("[n]", _MASKS),
    "val_mask": ("[n]", _MASKS),
    "test_mask": ("[n]", _MASKS),
}
"""The tensors of a file: the shape of each in words, and the types that are taken, the usual one first."""
_REMEDY = "write the file as docs/graphs.md says"


def reader(name: str) -> Reader:
    """Return how a file is read."""
    return Reader(lambda choices: load(choices.files))


def load(path: Path) -> DataSet:
    """Read a graph.

    Args:
        path: a safetensors file with the tensors `edge_index` (pairs of nodes, in any direction), `x` (features), `y`
            (labels; of nodes in no part anything) and `train_mask`, `val_mask` and `test_mask` (which nodes are in
            which part); the names of the classes may stand in its metadata, as a list in JSON under `classes`.

    Returns:
        The graph's training, validation and test nodes.

    Raises:
        DataError: the file is missing, damaged or no such file, or its tensors do not fit to each other.
    """
    tensors, named = _read(path)
    features, labels = tensors["x"].float(), tensors["y"].long()
    count = len(features)
    if not count:
        raise _unfit(f"{path}: x", "at least one node", "none")
    for name in ("y", "train_mask", "val_mask", "test_mask"):
        if len(tensors[name]) != count:
            raise _unfit(f"{path}: {name}", f"as many values as x has rows: {count}", f"{len(tensors[name])}")
    if len(tensors["edge_index"]) != 2:
        raise _unfit(f"{path}: edge_index", KINDS["edge_index"][0], f"{list(tensors['edge_index'].shape)}")
    masks = {"train": "train_mask", "validation": "val_mask", "test": "test_mask"}
    parts = {part: tensors[mask].nonzero()[:, 0] for part, mask in masks.items()}
    classes = _classes(path, labels, torch.cat(list(parts.values()))) if named is None else _names(path, named)
    neighbours = connect(tensors["edge_index"].long().numpy(), count, f"{path}: edge_index")
    graph = make_graph(features.numpy(), labels.numpy(), neighbours, classes, f"{path}: x")
    indices = {part: index.numpy() for part, index in parts.items()}
    return make_parts(graph, indices, {part: f"{path}: {mask}" for part, mask in masks.items()}, f"{path}: y")


def _read(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """Return the tensors, each of a type and with as many dimensions as it may have, and the names of the classes."""
    try:
        open_plain(path).close()
        with safe_open(path, framework="pt") as stored:
            there = set(stored.keys())
            missing = [name for name in KINDS if name not in there]
            if missing:
                raise _unfit(path, f"the tensors {', '.join(KINDS)}", f"no {missing[0]}")
            tensors: dict[str, torch.Tensor] = {name: stored.get_tensor(name) for name in KINDS}
            named = (stored.metadata() or {}).get("classes")
    except SafetensorError as error:
        raise _unfit(path, "a safetensors file", f"{error}") from error
    except OSError as error:
        raise unreadable(path, error, _REMEDY) from error
    for name, (shape, kinds) in KINDS.items():
        tensor = tensors[name]
        if tensor.dtype not in kinds or tensor.ndim != len(shape.split()):
            usual, *others = map(_word, kinds)
            expected = f"{usual} {shape} (or {', '.join(others)})"
            raise _unfit(f"{path}: {name}", expected, f"{_word(tensor.dtype)} {list(tensor.shape)}")
    return tensors, named


def _word(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _classes(path: Path, labels: torch.Tensor, nodes: torch.Tensor) -> tuple[str, ...]:
    """Numbers the classes, of which there are no more than nodes, by the labels of the nodes in the parts."""
    if not len(nodes):
        return ("0",)  # that no part has a node is told elsewhere
    node = int(nodes[labels[nodes].argmax()])
    largest = int(labels[node])
    if largest < 0:
        raise _unfit(f"{path}: y", "at least one class among the nodes of the parts", "only labels below 0")
    if largest >= len(labels):
        expected = f"a label in 0..{len(labels) - 1}, or names of the classes"
        raise _unfit(f"{path}: y: node {node}", expected, f"{largest}")
    return tuple(map(str, range(largest + 1)))


def _names(path: Path, text: str) -> tuple[str, ...]:
    try:
        names = parse(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _unfit(f"{path}: metadata, classes", "a list of names in JSON", shown(text))
    ((name, times),) = Counter(names).most_common(1)
    if times > 1:
        raise _unfit(f"{path}: metadata, classes", "each name once", f"{shown(name)} {times} times")
    return tuple(names)


def _unfit(where: object, expected: str, found: str) -> DataError:
    return DataError(where, expected=expected, found=found, remedy=_REMEDY)
