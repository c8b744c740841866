"""kill -9, SIGTERM and SIGHUP at random moments of search, train, pack and sweep: nothing is lost.

Each command is begun, killed and resumed many times over in one folder, and then left to end. What it leaves must be, bit
for bit, what a run leaves that nobody disturbed. The processes are forked from one that has imported torch: this file,
run as a script.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from sltpack import files
from sltpack.checkpoints.reading import load_any
from sltpack.checkpoints.records import Kept
from sltpack.checkpoints.results import TICKET
from sltpack.locks import LOCK
from sltpack.searching.run_folder import BEST, LAST, LOG, METRICS, is_begun
from sltpack_cli.main import cli

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these processes are forked")

SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP")
OPTIONS = {
    "model": "conv2",
    "width": "0.125",
    "data": "digits",
    "device": "cpu",
    "precision": "float32",
    "epochs": "4",
    "batch-size": "128",
    "learning-rate": "0.1",
    "warmup": "1",
}
WORDS = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
PLAN = "[fixed]\n" + "".join(
    f"{name} = {value if value.replace('.', '').isdecimal() else repr(value)}\n" for name, value in OPTIONS.items()
)
COUNTS = {"few": {"search": 3, "train": 3, "pack": 3}, "many": {"search": 40, "train": 25, "pack": 30, "sweep": 8}}


def forked(words: list[str], number: int | None, delay: float) -> int:
    """Runs a command in a process of its own, sends it a signal, and gives its exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open("errors", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            for usual in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(usual, signal.SIG_DFL)
            cli(words)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            os._exit(status)
    if number is not None:
        time.sleep(delay)
        os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def chain(seconds: float, count: int, words: list[str], folder: Path, kept: list[Path]) -> dict[str, Any]:
    """Runs a command again and again, kills it each time but the last, and tells how each ended and what it left.

    It is killed within the `seconds` that it takes undisturbed. `kept` are the checkpoints and tickets that must be whole or missing after each kill.
    """
    chance = random.Random(count)
    ended, epochs = [], []
    for turn in range(count):
        kind = SIGNALS[turn % len(SIGNALS)]
        number = getattr(signal, kind)
        status = forked(words, number, chance.uniform(0, seconds))
        ended.append((kind, status))
        for path in kept:
            if path.suffix == ".pt" and path.exists():
                load_any(path)  # raises where it is damaged
            elif path.exists():
                assert path.read_bytes() == (folder / "whole.slt").read_bytes(), "a damaged ticket"
        epochs.append(
            max([0, *(load_any(path).metrics["epoch"] for path in kept if path.name == LAST and path.exists())])
        )
    return {"ended": ended, "epochs": epochs, "last": forked(words, None, 0)}


def timed(words: list[str]) -> float:
    """Runs a command undisturbed, and gives the seconds that it took."""
    begin = time.monotonic()
    assert forked(words, None, 0) == 0
    return time.monotonic() - begin


def main(counts: dict[str, int]) -> dict[str, Any]:
    """Makes all runs in the working folder."""
    torch.optim.SGD([torch.zeros(1)])  # whose first use imports as much as torch itself
    here, found = Path(), {}
    for name in ("search", "train"):
        seconds = timed([name, *WORDS, "-o", f"whole {name}"])
        words = [name, *WORDS, "-o", f"killed {name}", "--resume"]
        kept = [here / f"killed {name}" / file for file in (BEST, LAST)]
        found[name] = chain(seconds, counts[name], words, here, kept)
    seconds = timed(["pack", f"whole search/{BEST}", "-o", "whole.slt"])
    (here / "packed").mkdir()
    shutil.copy("whole.slt", "packed/old.slt")
    for turn, (target, *force) in enumerate((("old.slt", "--force"), ("new.slt", "--force"))):
        words = ["pack", f"whole search/{BEST}", "-o", f"packed/{target}", *force]
        count = counts["pack"] // 2 + turn * (counts["pack"] % 2)
        found[f"pack {target}"] = chain(seconds, count, words, here, [here / "packed" / target])
    if "sweep" in counts:
        (here / "plan.toml").write_text(PLAN + "[axes]\nseed = [0, 1]\n")
        seconds = timed(["sweep", "plan.toml", "-o", "whole sweep"])
        points = [path.name for path in Path("whole sweep").iterdir() if path.is_dir()]
        kept = [here / "killed sweep" / point / file for point in points for file in (BEST, LAST)]
        words = ["sweep", "plan.toml", "-o", "killed sweep"]
        found["sweep"] = chain(seconds, counts["sweep"], words, here, kept)
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
    """What a file of metrics holds, but for the time."""
    timed = ("seconds", "time")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


def assert_same(folder: Path, whole: Path, *more: str) -> None:
    """Compares all that two runs left, bit for bit."""
    assert sorted(path.name for path in folder.iterdir()) == sorted([LOCK, BEST, LAST, LOG, METRICS, *more])
    for name in (BEST, LAST):
        one, other = (values(load_any(place / name)) for place in (folder, whole))
        assert set(one) == set(other)
        assert [key for key in one if one[key] != other[key]] == [], name
    assert measured(folder / METRICS) == measured(whole / METRICS)
    for name in more:
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def statuses(kind: str) -> tuple[int, ...]:
    """How a command may end that gets a signal: before it, by it, or as it says itself that it was stopped."""
    number = getattr(signal, kind)
    return (0, -number) if kind == "SIGKILL" else (0, -number, 128 + number)


@pytest.mark.parametrize("size", ["few", pytest.param("many", marks=pytest.mark.slow)])
def test_nothing_is_lost(tmp_path: Path, size: str) -> None:
    script = subprocess.run(
        [sys.executable, __file__, json.dumps(COUNTS[size])],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    found = json.loads(script.stdout)
    assert sum(len(told["ended"]) for told in found.values()) == sum(COUNTS[size].values())
    for name, told in found.items():
        print(name, dict(Counter(map(str, told["ended"]))), "epochs", told["epochs"])
        for kind, status in told["ended"]:
            assert status in statuses(kind), name
        assert told["epochs"] == sorted(told["epochs"]), "a whole epoch was lost"
        assert told["last"] == 0, name
    for name in ("search", "train"):
        assert_same(tmp_path / f"killed {name}", tmp_path / f"whole {name}")
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == ["new.slt", "old.slt"]
    for name in ("new.slt", "old.slt"):
        assert (tmp_path / "packed" / name).read_bytes() == (tmp_path / "whole.slt").read_bytes()
    if "sweep" in COUNTS[size]:
        for folder in (path for path in (tmp_path / "whole sweep").iterdir() if is_begun(path)):
            assert_same(tmp_path / "killed sweep" / folder.name, folder, TICKET)
    assert not list(tmp_path.rglob(f"*{files.TEMPORARY}"))
    errors = (tmp_path / "errors").read_text() if (tmp_path / "errors").exists() else ""
    assert "Traceback" not in errors and "Error:" not in errors, errors


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
