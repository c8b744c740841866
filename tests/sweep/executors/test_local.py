"""Runs side by side, each in a process of its own: how they end, and that they end with what started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sltpack.errors import RequestError
from sltpack.sweep.executors.local import Local, Task
from sltpack.sweep.plan.points import Point


class Said(Task):
    """A task of given words."""

    def commands(self) -> list[list[str]]:
        return [[self.point.command]]


def task(folder: Path, name: str, command: str) -> Said:
    return Said(Point(name, command, {}, {}), folder / name)


def test_what_a_run_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "seed=1"
    told = {name: Task(Point("seed=1", name, {}, {"seed": 1}), folder).commands() for name in ("search", "train")}
    run = ["--seed=1", f"--output={folder}", "--resume", "--quiet"]
    assert told["train"] == [["train", *run]]
    packed = ["pack", f"--output={folder / 'model.slt'}", "--force", "--", str(folder / "ckpt.pt")]
    assert told["search"] == [["search", *run], packed]


def test_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    begun: list[str] = []
    tasks = [task(tmp_path, "a", "--version"), task(tmp_path, "b", "nonsense"), task(tmp_path, "c", "--version")]
    ended = {
        outcome.task.point.name: outcome.fault
        for outcome in Local(2).run(tasks, lambda one: begun.append(one.point.name))
    }
    assert begun == ["a", "b", "c"]
    assert ended == {"a": None, "b": "No such command 'nonsense'.", "c": None}


def test_a_run_imports_nothing_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "numpy", "types", "json", "click"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    for name in ("sltpack", "sltpack_cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    verified = task(tmp_path, "a", "verify")
    monkeypatch.setattr(Said, "commands", lambda _: [["verify", "conv6-cifar10"]])
    assert [outcome.fault for outcome in Local().run([verified], lambda _: None)] == [None]


def test_the_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in Local(1).environment()
    assert Local(10_000).environment()["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Local(10_000).environment()["OMP_NUM_THREADS"] == "3"


def test_no_jobs() -> None:
    with pytest.raises(RequestError, match="--jobs: expected at least 1, found 0; choose a larger one"):
        Local(0)


def worker(folder: Path) -> subprocess.Popen[str]:
    """Starts a worker that would read a ticket from a pipe that nobody writes into, and so never end."""
    os.mkfifo(folder / "pipe")
    (folder / "waits.py").write_text("import sys\nprint('begun', flush=True)\nopen('pipe').read()\n")
    code = "import runpy; from sltpack.sweep.executors import worker; runpy.run_module = lambda *_, **__: runpy.run_path('waits.py')"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; worker.main()"],
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps({"folder": str(folder), "commands": [["anything"]]}) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes by name")
def test_a_worker_ends_with_what_started_it(tmp_path: Path) -> None:
    process = worker(tmp_path)
    assert process.poll() is None
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    assert process.wait(30) == 137
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def noted(*words: object, **more: object) -> subprocess.Popen[bytes]:
        started.append(real(*words, **more))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    outcomes = Local().run([task(tmp_path, "a", "--version")], lambda _: started[0].send_signal(signal.SIGKILL))
    assert [outcome.fault for outcome in outcomes] == ["killed by SIGKILL"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_stops_the_iterator_stops_the_runs(tmp_path: Path) -> None:
    begin = time.monotonic()
    running = Local(2).run([task(tmp_path, "a", "nonsense"), task(tmp_path, "b", "--help")], lambda _: None)
    next(running)
    running.close()
    assert time.monotonic() - begin < 25
