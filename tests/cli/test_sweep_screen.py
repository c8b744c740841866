"""The running table of `sltpack sweep` in a terminal: what is printed meanwhile stands above it."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import click
import pytest
from rich.console import Console

from sltpack.searching.request import SearchRequest
from sltpack.searching.run_folder import LAST, METRICS
from sltpack.sweep.executors import local as executors
from sltpack.sweep.executors.local import Outcome, Task
from sltpack.sweep.plan.points import Point
from sltpack_cli.main import cli
from sltpack_cli.output_sweep import _Board

PLAN = 'fixed = { model = "conv2", width = 0.125, data = "digits", device = "cpu" }\naxes = { seed = [0, 1] }\n'

REQUEST = SearchRequest.of("conv2", "digits")


class Screen:
    """The other side of a terminal."""

    def __init__(self) -> None:
        self.shown = b""
        self._ours, self.terminal = os.openpty()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # Linux tells so that the terminal is closed
                return
            if not part:
                return
            self.shown += part

    def wait_for(self, text: bytes) -> None:
        until = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < until
            time.sleep(0.01)

    def close(self) -> None:
        self._reader.join(60)
        os.close(self._ours)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="terminals")
def test_the_line_of_a_run_stands_above_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()

    class Failing(executors.Local):
        """Has each run fail as soon as the table is drawn."""

        def run(self, tasks: Sequence[Task], begun: Callable[[Task], None]) -> Generator[Outcome, None, None]:
            for number, task in enumerate(tasks):
                begun(task)
                screen.wait_for(f"{number} broken".encode() if number else b"0 of 2 runs finished")
                yield Outcome(task, "it was to")

    monkeypatch.setattr(executors, "Local", Failing)
    monkeypatch.setenv("TERM", "xterm")
    (tmp_path / "plan.toml").write_text(PLAN)
    with open(screen.terminal, "w") as terminal, pytest.raises(click.ClickException) as caught:
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        words = ["sweep", str(tmp_path / "plan.toml"), "-o", str(tmp_path / "runs")]
        cli.main(words, prog_name="sltpack", standalone_mode=False)
    screen.close()
    assert "found 2 broken" in caught.value.message
    for line in (b"seed=0: broken: it was to", b"seed=1: broken: it was to"):
        assert screen.shown.count(line) == 1
        assert re.search(rb"finished[^\r\n]*" + line, screen.shown) is None


@pytest.mark.parametrize("columns", [36, 40, 60, 80])
def test_a_narrow_terminal_cuts_names_and_no_numbers(columns: int, tmp_path: Path) -> None:
    (tmp_path / LAST).touch()
    (tmp_path / METRICS).write_text('{"epoch": 1, "validation_accuracy": 0.25}\n' * 7)
    screen = Console(width=columns)
    names = [f"prune=0.25,lock=0.25,sparsity=0.5,seed={seed}" for seed in (10, 11)]
    board = _Board(dict.fromkeys([*names, "done"], 100), ["done"], screen)
    for name in names:
        board.begin(Task(Point(name, "search", {}, {}), REQUEST, tmp_path))
    with screen.capture() as drawn:
        screen.print(board.drawn())
    titles, *rows, last = drawn.get().splitlines()
    assert titles.split() == ["run", "epochs", "best", "since"]
    for row, name in zip(rows, names, strict=True):
        shown, *numbers = row.split()
        assert (numbers[:2], numbers[3]) == (["7/100", "0.2500"], "s")
        assert name.endswith(shown.removeprefix("\u2026"))
        assert shown.endswith(name[-10:])
        assert (shown == name) == (columns >= 80)
    assert last == "1 of 3 runs finished"


def test_the_time_left_is_that_of_the_epochs_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    screen = Console(width=80)
    board = _Board(dict.fromkeys(("done", "went on", "new", "broken", "waits"), 10), ["done"], screen)
    tasks = {
        name: Task(Point(name, "search", {}, {}), REQUEST, tmp_path / name) for name in ("went on", "new", "broken")
    }

    def epochs(name: str, count: int) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / LAST).touch()
        (tmp_path / name / METRICS).write_text('{"epoch": 1, "validation_accuracy": 0.25}\n' * count)

    def told() -> str:
        with screen.capture() as drawn:
            screen.print(board.drawn())
        return drawn.get().splitlines()[-1]

    epochs("went on", 6)
    board.begin(tasks["went on"])
    now[0] += 60
    assert told() == "1 of 5 runs finished"  # no epoch yet to tell by
    epochs("went on", 8)
    assert told() == "1 of 5 runs finished, about 16 min 00 s left"  # 2 in a minute; 2, 10, 10 and 10 are left
    board.end(tasks["went on"], broken=False)
    board.begin(tasks["broken"])
    board.end(tasks["broken"], broken=True)
    board.begin(tasks["new"])
    epochs("new", 6)
    now[0] += 60
    assert told() == "2 of 5 runs finished, 1 broken, about 2 min 48 s left"  # 10 in two minutes, 14 are left
