"""What a run is after kill -9 at any moment and `--resume`: bit for bit what it would have been.

The runs are the command's, each in a process of its own. These are forked from one that has done nothing but import
torch, which would otherwise take most of the time: this file, run as a script.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sltpack import files
from sltpack.checkpoints import reading as checkpoint_reader
from sltpack.checkpoints.records import Checkpoint, Kept
from sltpack.locks import LOCK
from sltpack.searching.run_folder import BEST, LAST, LOG, METRICS
from sltpack.searching.steps import Stepper
from sltpack_cli.main import cli

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these processes are forked")

DATA = ("--data", "digits", "--device", "cpu", "--precision", "float32")
SHARED = (*DATA, "--epochs", "3", "--batch-size", "128", "--learning-rate", "0.1", "--warmup", "1")
# Seeds by which an epoch after the first is the best: otherwise a kill could lose nothing.
RUNS = {
    "search": ("search", "--model", "conv2", "--width", "0.125", *SHARED, "--seed", "4"),
    "search by AdamW": (
        *("search", "--model", "conv2", "--width", "0.125", *SHARED),
        *("--optimizer", "adamw", "--learning-rate", "0.05"),
    ),
    "search on a graph": (
        *("search", "--model", "gin", "--width", "0.1", "--data", "graph:own.safetensors", "--device", "cpu"),
        *("--epochs", "24", "--init", "ku"),
    ),
    "search with BatchNorm": ("search", "--model", "resnet18", "--width", "0.0625", *SHARED),
    "train with BatchNorm": ("train", "--model", "resnet18", "--width", "0.0625", *SHARED, "--seed", "3"),
    "search of a model of the user's own": ("search", "--model", "own_model:build", *SHARED),
}
BUILDER = """
from torch import nn

def build(width, classes, input_shape):
    norm = nn.BatchNorm2d(8, momentum=None, affine=False)
    first = nn.Conv2d(1, 8, 3, stride=2, bias=False), norm, nn.ReLU()
    return nn.Sequential(*first, nn.Flatten(), nn.Dropout(0.2), nn.Linear(72, classes, bias=False))
"""
"""A network that draws from torch's own chance, and whose BatchNorm takes the mean over all batches so far."""
STEPS = 8
"""Of an epoch: 1,437 - 287 = 1,150 images."""


@dataclass(frozen=True)
class Point:
    """Where a process is killed.

    Attributes:
        when: "step" after so many steps; "half" with half of a file written under its temporary name; "written" with
            all of it, but not yet under its own; "named" once it has that.
        number: which time that it comes there.
        name: of the file.
    """

    when: str
    number: int
    name: str = ""


POINTS = {
    "in the first epoch": Point("step", 3),
    "in the second epoch": Point("step", STEPS + 5),
    "in the last step": Point("step", 3 * STEPS),
    "in the first file": Point("half", 1, LAST),
    "between the first two files": Point("named", 1, LAST),
    "in the second file": Point("half", 1, BEST),
    "in the first best": Point("half", 2, BEST),
    "before the first best has its name": Point("written", 2, BEST),
    "between best and last": Point("named", 2, BEST),
    "in the last": Point("half", 2, LAST),
    "before the last has its name": Point("written", 2, LAST),
    "between last and metrics": Point("named", 2, LAST),
    # One of these three epochs is the best of all, and must not be lost.
    "between last and metrics of the second epoch": Point("named", 3, LAST),
    "between last and metrics of the third epoch": Point("named", 4, LAST),
    "in the metrics": Point("half", 2, METRICS),
    "between two epochs": Point("named", 2, METRICS),
    "between the last epoch and the test": Point("named", 4, METRICS),
}
CASES = [
    *(("search", point) for point in POINTS),
    ("search by AdamW", "in the second epoch"),
    ("search on a graph", "in the second epoch"),
    ("search on a graph", "between best and last"),
    ("search with BatchNorm", "in the second epoch"),
    ("search with BatchNorm", "between best and last"),
    ("train with BatchNorm", "in the second epoch"),
    ("train with BatchNorm", "in the first best"),
    ("train with BatchNorm", "between last and metrics"),
    ("search of a model of the user's own", "in the second epoch"),
]


def write_graph(path: Path) -> None:
    """Writes a graph whose features tell the classes, but not at once."""
    random, labels = torch.Generator().manual_seed(0), torch.arange(120) % 4
    part = torch.randint(0, 3, (120,), generator=random)
    tensors = {
        "edge_index": torch.randint(0, 120, (2, 90), generator=random),
        "x": torch.eye(4)[labels].repeat(1, 3) + torch.randn(120, 12, generator=random),
        "y": labels,
        **{f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))},
    }
    save_file(tensors, path)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWriter:
    """A file in which half of what is written arrives."""

    def __init__(self, handle: int, _: str) -> None:
        self.handle = handle

    def __enter__(self) -> HalfWriter:
        return self

    def __exit__(self, *_: object) -> None:
        raise AssertionError("there was nothing to write")

    def write(self, data: bytes) -> None:
        os.write(self.handle, data[: len(data) // 2])
        die()


def arm(point: Point) -> None:
    """Has this process killed at a point."""
    times = itertools.count(1)

    def comes() -> bool:
        return next(times) == point.number

    if point.when == "step":
        step: Callable[..., Any] = Stepper.step

        def last_step(*arguments: Any) -> Any:
            taken = step(*arguments)
            if comes():
                die()
            return taken

        Stepper.step = last_step  # type: ignore[method-assign, assignment]
    elif point.when == "half":
        make = files._open_temporary

        def made(final: Path, mode: int) -> tuple[Path, int]:
            if final.name == point.name and comes():
                files.open = HalfWriter  # type: ignore[attr-defined]
            return make(final, mode)

        files._open_temporary = made
    else:
        rename = os.replace

        def renamed(source: Path, final: Path) -> None:
            now = Path(final).name == point.name and comes()
            if now and point.when == "written":
                die()
            rename(source, final)
            if now:
                die()

        os.replace = renamed  # type: ignore[assignment]


def forked(point: Point | None, words: list[str]) -> int:
    """Runs a command in a process of its own, and gives its exit status, negative where a signal ended it."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            if point is not None:
                arm(point)
            cli(words)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_all(plan: list[tuple[dict[str, Any] | None, list[str]]], folders: list[str]) -> list[dict[str, Any]]:
    """Runs commands one after the other, and tells how each ended and what then was in its folder."""
    torch.optim.SGD([torch.zeros(1)])  # whose first use imports as much as torch itself
    ended = []
    for (point, words), folder in zip(plan, folders, strict=True):
        status = forked(Point(**point) if point else None, [*words, "-o", folder])
        left = {path.name: path.stat().st_size for path in Path(folder).iterdir()}
        ended.append({"status": status, "left": left})
    return ended


Ended = dict[tuple[str, str | None], tuple[Path, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """For each kind of run and point, its folder, and how the killed command and the resumed one ended."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "own_model.py").write_text(BUILDER)
    write_graph(folder / "own.safetensors")
    plan: list[tuple[Any, list[str]]] = [(None, [*words]) for words in RUNS.values()]
    places = [(name, None) for name in RUNS]
    for name, point in CASES:
        plan += [(asdict(POINTS[point]), [*RUNS[name]]), (None, [*RUNS[name], "--resume"])]
        places += [(name, point)] * 2
    folders = [folder / f"{name}, {point}" for name, point in places]
    script = subprocess.run(
        [sys.executable, __file__, json.dumps([plan, list(map(str, folders))]), str(folder / "ended.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    found: Ended = {}
    for place, where, how in zip(places, folders, json.loads((folder / "ended.json").read_text()), strict=True):
        found.setdefault(place, (where, []))[1].append(how)
    return found


def values(kept: Kept) -> dict[str, Any]:
    """All that a checkpoint holds, comparable."""
    parts: dict[str, Any] = {"source": kept.source, "metrics": kept.metrics}
    parts["settings"] = {name: value for name, value in kept.settings.items() if name != "date"}
    groups = {"planes": kept.planes, "buffers": kept.buffers, "memory": kept.memory, kept.holds: {"": kept.parameters}}
    for group, tensors in groups.items():
        parts |= {f"{group} {name}": (list(one.shape), one.numpy().tobytes()) for name, one in tensors.items()}
    return parts


def measured(path: Path) -> list[dict[str, float]]:
    """What a file of metrics holds, but for the time, which no two runs share."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    # That of the last epoch is lost where it was killed between its state and its line.
    assert sum("time" not in line for line in lines) <= 1
    return [{name: value for name, value in line.items() if name not in ("seconds", "time")} for line in lines]


def assert_same(folder: Path, whole: Path) -> None:
    """Compares all that two runs left, bit for bit."""
    assert sorted(path.name for path in folder.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS])
    for name in (BEST, LAST):
        one, other = (values(checkpoint_reader.load_any(place / name)) for place in (folder, whole))
        assert set(one) == set(other)
        assert [key for key in one if one[key] != other[key]] == [], name
    assert measured(folder / METRICS) == measured(whole / METRICS)


@pytest.mark.parametrize(("name", "point"), CASES)
def test_a_killed_and_resumed_run_gives_the_same_bits(ended: Ended, name: str, point: str) -> None:
    whole, (unharmed,) = ended[name, None]
    folder, (killed, resumed) = ended[name, point]
    assert (unharmed["status"], killed["status"], resumed["status"]) == (0, -signal.SIGKILL, 0)
    assert_same(folder, whole)


@pytest.mark.parametrize(("name", "point"), CASES)
def test_the_processes_were_killed_where_they_should(ended: Ended, name: str, point: str) -> None:
    where = POINTS[point]
    _, (killed, _) = ended[name, point]
    left = killed["left"]
    unfinished = [file for file in left if file.endswith(files.TEMPORARY)]
    assert len(unfinished) == (where.when in ("half", "written"))
    for file in unfinished:
        assert file.startswith(files.temporary_prefix(where.name))
    if where.when == "half":
        finished = ended[name, None][1][0]["left"][where.name]
        assert 0 < left[unfinished[0]] < 0.6 * finished  # half, but for what the history adds until the end


def test_the_runs_have_something_to_lose(ended: Ended) -> None:
    for name in RUNS:
        folder, _ = ended[name, None]
        best, last = (checkpoint_reader.load_any(folder / file) for file in (BEST, LAST))
        assert last.metrics["epoch"] == (24 if "graph" in name else 3)
        assert last.memory and all(bool(values.any()) for values in last.memory.values())
        assert best.metrics["validation_accuracy"] > best.metrics["history"][0]["validation_accuracy"]
        assert bool(best.buffers) == (name not in ("search", "search by AdamW", "search on a graph"))
        assert isinstance(best, Checkpoint) == ("search" in name)


def test_the_plain_command_killed_from_outside(tmp_path: Path, ended: Ended) -> None:
    words = [sys.executable, "-m", "sltpack", *RUNS["search with BatchNorm"], "-o", str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    metrics = tmp_path / "run" / METRICS
    while not (metrics.exists() and metrics.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(metrics.read_text().splitlines()) < 3
    subprocess.run([*words, "--resume"], env=environment, check=True, capture_output=True, timeout=120)
    assert_same(tmp_path / "run", ended["search with BatchNorm", None][0])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run_all(*json.loads(sys.argv[1]))))
