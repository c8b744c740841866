"""The folder of a run: its files, and which run may go on from them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ..checkpoints.reading import is_history
from ..checkpoints.records import Kept
from ..checkpoints.torch_files import HOW_TO_MAKE
from ..errors import FormatError, RequestError, shown
from ..files import open_plain, write_atomically
from ..format import records as headers
from ..format.records import Source
from ..limits import METRICS_EPOCHS, METRICS_LINE
from .steps import REMEMBERED

BEST = "ckpt.pt"
"""What had the best validation accuracy: the run's result."""
LAST = "last.pt"
"""The state after the last whole epoch, to go on from."""
METRICS = "metrics.jsonl"
"""One line an epoch."""
LOG = "log.txt"
"""What a run says while it goes on, to read and not to compute with."""
_MAY_DIFFER = ("date", "sltpack", "data_title")
_IN_WORDS = {"train_sha256": "training data", "validation_sha256": "validation data", "test_sha256": "test data"}
_REMEDY = "resume with the options, data and model that it began with, or choose another folder"

_PUT_BACK = "put it back, or choose another folder"

Load = Callable[[Path], Kept]


def require_unused(folder: Path) -> None:
    """Make sure that a new run overwrites none.

    Args:
        folder: where it is to go.

    Raises:
        RequestError: the folder holds a run.
    """
    if is_begun(folder):
        raise RequestError(
            folder,
            expected="a folder without a run",
            found="one with checkpoints",
            remedy="go on with --resume, or choose another folder",
        )


def require_own_files(folder: Path) -> None:
    """Make sure that the files that a run will write are its own: what a link stands for may be anybody's.

    Args:
        folder: of the run.

    Raises:
        RequestError: one of its names is taken by a link, or by what is no file.
    """
    for name in (BEST, LAST, METRICS, LOG):
        path = folder / name
        if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
            raise RequestError(
                path,
                expected="a file of the run's own",
                found="a link" if os.path.islink(path) else "a folder, pipe or device",
                remedy="move it away, or choose another folder",
            )


def is_begun(folder: Path) -> bool:
    """Tell whether a folder holds a run.

    Args:
        folder: the folder, which need not be there.
    """
    return any((folder / name).exists() for name in (BEST, LAST))


def load_last(
    folder: Path, load: Load, source: Source, noted: Mapping[str, Any], buffers: Mapping[str, torch.Tensor]
) -> tuple[Kept, Mapping[str, Any]]:
    """Read the state to go on from, and make sure that it is of the same run.

    Args:
        folder: of the run.
        load: reads a state of this kind of run.
        source: the source network of this call.
        noted: the settings of this call, and what it notes beside them.
        buffers: of the model of this call.

    Returns:
        The state after the last whole epoch, and what was measured of the best one, or of the former where there is no
        best one yet.

    Raises:
        RequestError: the best one is gone, or something that the result depends on is another.
        FormatError: a file is damaged.
    """
    ours = {**headers.source_parts(source), **noted, "buffers": _described(buffers)}
    kept = f"; {BEST} holds the best so far" if (folder / BEST).exists() else ""
    last = load_ours(folder / LAST, load, ours, f"put it back, or choose another folder: this run cannot go on{kept}")
    history = last.metrics["history"]
    remembered = _remembered(noted) if history else ()
    if set(last.memory) != set(remembered):
        raise RequestError(
            f"{folder / LAST}: what the optimizer remembers",
            expected=", ".join(remembered) or "nothing",
            found=", ".join(last.memory) or "nothing",
            remedy="put the right file back, or choose another folder",
        )
    if (folder / BEST).exists():
        return last, load_ours(folder / BEST, load, ours, _PUT_BACK).metrics
    if history:
        raise RequestError(folder / BEST, expected="the best state so far", found="no such file", remedy=_PUT_BACK)
    return last, last.metrics


def _remembered(noted: Mapping[str, Any]) -> tuple[str, ...]:
    stateless = noted["optimizer"] == "sgd" and not noted["momentum"]
    return () if stateless or noted.get("method") == "random" else REMEMBERED[noted["optimizer"]]


def forget(folder: Path) -> None:
    """Remove the checkpoints of a run that failed before its first whole epoch: no result, and none to go on from.

    Args:
        folder: of the run; another run may begin in it.
    """
    # The last one last: alone it is still a run that can go on.
    for name in (LOG, METRICS, BEST, LAST):
        with suppress(OSError):  # whatever stands in the way, the run's own error is the one to tell
            (folder / name).unlink(missing_ok=True)


def write_metrics(folder: Path, history: list[dict[str, float]]) -> None:
    """Write what was measured, one JSON object a line and epoch.

    Args:
        folder: of the run.
        history: each epoch's numbers by name.

    Raises:
        OutputError: the file cannot be written.
    """
    lines = "".join(json.dumps(entry) + "\n" for entry in history)
    write_atomically(folder / METRICS, lines.encode(), force=True)


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """Read what was measured so far, if it can be read.

    Args:
        folder: of the run.

    Returns:
        Each epoch's numbers by name; none where there is no such file, or it is not one of a run, or too long.
    """
    try:
        return list(_epochs(folder, METRICS_EPOCHS))
    except (OSError, ValueError, RecursionError):
        return []


def read_accuracies(folder: Path, max_epochs: int = METRICS_EPOCHS) -> list[float]:
    """Read the validation accuracy after each epoch so far, if it can be read.

    Args:
        folder: of the run.
        max_epochs: the most lines that the file may have.

    Returns:
        One accuracy an epoch, in 0..1; none where there is no such file, or it is not one of a run, or too long.
    """
    try:
        return [float(entry["validation_accuracy"]) for entry in _epochs(folder, max_epochs)]
    except (OSError, ValueError, RecursionError):
        return []


def _epochs(folder: Path, most: int) -> Iterator[dict[str, float]]:
    """Read the lines of a run's metrics one by one, so that a long file takes no more memory than what is kept."""
    with open_plain(folder / METRICS, follow=False) as stream:
        for number in itertools.count():
            line = stream.readline(METRICS_LINE + 1)
            if not line:
                return
            if len(line) > METRICS_LINE or number == most:
                raise ValueError("more than a run writes")
            entry = [json.loads(line)]
            if not is_history(entry):
                raise ValueError("what no run writes")
            yield entry[0]


def in_words(name: str) -> str:
    """Return what an error calls a setting that no option has the name of.

    Args:
        name: of a setting, as a checkpoint has it.
    """
    return _IN_WORDS.get(name, name)


def load_ours(path: Path, load: Load, ours: Mapping[str, Any], remedy: str) -> Kept:
    """Read a state, and make sure that it is of this run.

    Args:
        path: the file.
        load: reads a state of this kind of run.
        ours: what the run depends on, by the names of `header.source_parts`, of settings and of what is noted; what
            is left out may be anything.
        remedy: where there is no such file, or it is no checkpoint.

    Returns:
        The state.

    Raises:
        RequestError: something that the result depends on is another.
        FormatError: the file is damaged, or of another version.
    """
    try:
        found = load(path)
    except (RequestError, FormatError) as error:
        # A damaged file's remedy begins with what is wrong with it.
        if not error.remedy.endswith(HOW_TO_MAKE):
            raise
        remedy = error.remedy.removesuffix(HOW_TO_MAKE) + remedy
        raise type(error)(path, expected=error.expected, found=error.found, remedy=remedy) from error
    theirs = {**headers.source_parts(found.source), **found.settings, "buffers": _described(found.buffers)}
    ours, theirs = _seeds_settled(ours), _seeds_settled(theirs)
    for name in ours:
        if name in _MAY_DIFFER or ours[name] == theirs.get(name):
            continue
        if name not in theirs:
            raise RequestError(
                path,
                expected="a run of this version of sltpack",
                found=f"one of an older version, which knew no {in_words(name)}",
                remedy=f"its {BEST} can be packed or run; begin again in another folder",
            )
        if name in _IN_WORDS:
            raise RequestError(
                path,
                expected=f"the {in_words(name)} that the run began with",
                found="others",
                remedy="put the data back as they were, or choose another folder",
            )
        raise RequestError(
            f"{path}: {name}",
            expected=f"{shown(ours[name])}, as this call has it",
            found=shown(theirs.get(name)),
            remedy=_REMEDY,
        )
    return found


def _seeds_settled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return each seed that was left out the one of all, which it stands for."""
    return {
        name: values.get("seed") if value is None and name.endswith("_seed") else value
        for name, value in values.items()
    }


def _described(buffers: Mapping[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(values.shape) for name, values in buffers.items()}
