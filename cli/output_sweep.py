"""What `sltpack sweep` draws: its points and what they will cost, how far it is, and what came out."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sltpack import progress
from sltpack.errors import SltpackError, one_line
from sltpack.progress import duration

from .output import Rows, console
from .screen import say

if TYPE_CHECKING:
    from sltpack.checkpoints.results import Result
    from sltpack.sweep.costs import Cost
    from sltpack.sweep.executors.local import Executor, Task
    from sltpack.sweep.plan.points import Point
    from sltpack.sweep.sweeps import Sweep

_REFRESH = 2
"""Times a second that the running table is drawn."""
_NAME_CELLS = 12
"""Columns that the name of a run has at least in the running table, however narrow the terminal is."""
_LEFT_OUT = 3
"""Points that cannot exist, of which a sweep tells the reason before it begins."""


def show_costs(sweep: Sweep, folder: Path | None, threads: int | None, jobs: int, as_json: bool) -> None:
    """Print the points of a sweep and what they will cost.

    Args:
        sweep: the sweep.
        folder: of its runs, where one was named; what is done there costs nothing.
        threads: of each run; None leaves them to torch.
        jobs: how many would be made side by side.
        as_json: whether to print an object.
    """
    from sltpack.progress import bar
    from sltpack.sweep.costs import costs_of, side_by_side
    from sltpack.sweep.folders import progress_of
    from sltpack.sweep.sweeps import finished

    done = {} if folder is None else finished(sweep, folder)
    runs = [run for run in sweep.runs if run.point.name not in done]
    with bar("timing", len(runs)) as timing:
        costs = costs_of(sweep.where, runs, threads, timing.advance)
    rows = []
    by_name = {run.point.name: cost for run, cost in zip(runs, costs, strict=True)}
    for run in sweep.runs:
        name = run.point.name
        epochs = 0 if folder is None else progress_of(folder / name)[0]
        state = "finished" if name in done else f"epoch {epochs}" if epochs else "new"
        rows.append(_Row(run.point, state, by_name.get(name), epochs))
    seconds = sum(row.seconds for row in rows)
    if as_json:
        told = {"plan": sweep.where, "points": [row.told() for row in rows], "left_out": _left_out(sweep)}
        click.echo(json.dumps({**told, "seconds": seconds, "jobs": jobs}))
        return
    _print_left_out(sweep)
    head = ("run", "state", "epochs", "steps", "a step", "time")
    console().print(Rows(head, tuple(row.cells() for row in rows), left=2).drawn())
    alone = f"{len(runs)} of {len(sweep.runs)} runs to make, {duration(seconds)} one after another"
    together = duration(side_by_side([row.seconds for row in rows if row.cost is not None], jobs))
    say(f"{alone}, about {together} with {jobs} side by side" if jobs > 1 else alone, page=False)


@dataclass(frozen=True)
class _Row:
    """A point and what is still to be done of it."""

    point: Point
    state: str
    cost: Cost | None
    epochs: int

    @property
    def seconds(self) -> float:
        if self.cost is None:
            return 0.0
        return self.cost.start + self.cost.pace.seconds(max(0, self.cost.epochs - self.epochs))

    def told(self) -> dict[str, Any]:
        point = self.point
        told = {**_asked(point), "state": self.state}
        if self.cost is None:
            return {**told, "seconds": 0.0}
        pace = self.cost.pace
        timed = {"epochs": self.cost.epochs, "steps": pace.steps, "step_seconds": pace.step}
        return {**told, **timed, "seconds": self.seconds}

    def cells(self) -> tuple[str, ...]:
        named = one_line(self.point.name), self.state
        if self.cost is None:
            return *named, "", "", "", ""
        pace = self.cost.pace
        step = f"{1000 * pace.step:.3g} ms"
        return *named, str(self.cost.epochs), f"{pace.steps:,}", step, duration(self.seconds)


def show_runs(sweep: Sweep, folder: Path, executor: Executor, as_json: bool) -> None:
    """Make the runs of a sweep, show how far they are, and print what came out.

    Args:
        sweep: the sweep.
        folder: of its runs.
        executor: makes them.
        as_json: whether to print an object, and nothing else.

    Raises:
        Stopped: by Ctrl-C or a signal.
        SltpackError: the folder of a point holds something else, or runs are broken.
    """
    from sltpack.checkpoints.results import Result
    from sltpack.stopping import Stopped
    from sltpack.sweep.sweeps import carry_on, finished

    results = finished(sweep, folder)
    if not as_json:
        _print_left_out(sweep, _LEFT_OUT)
        if results:
            click.echo(f"{len(results)} of {len(sweep.runs)} runs are finished already")
    broken: dict[str, str] = {}
    screen = progress.screen()
    board = _Board({run.point.name: run.request.settings.epochs for run in sweep.runs}, results, screen)
    live = Live(get_renderable=board.drawn, console=screen, refresh_per_second=_REFRESH, transient=True)
    try:
        with (
            _shown(board, live),
            closing(carry_on(sweep, folder, results, executor, board.begin)) as endings,
        ):
            for task, ended in endings:
                name = task.point.name
                if isinstance(ended, Result):
                    results[name] = ended
                else:
                    broken[name] = ended
                board.end(task, isinstance(ended, str))
                if not as_json:
                    _tell(one_line(f"{name}: {_line(ended)}"), live)
    except KeyboardInterrupt as error:
        raise Stopped(
            folder,
            error,
            # Some may have ended while all were stopped.
            done=f"with {len(finished(sweep, folder))} finished of {len(sweep.runs)} runs",
            remedy="the same command goes on",
        ) from error
    told = [(run.point, results[run.point.name]) for run in sweep.runs if run.point.name in results]
    if as_json:
        faults = [{"name": name, "fault": fault} for name, fault in broken.items()]
        runs = [{**_asked(point), **result.told()} for point, result in told]
        click.echo(json.dumps({"plan": sweep.where, "runs": runs, "broken": faults, "left_out": _left_out(sweep)}))
    else:
        console().print(_results(told).drawn())
        for name, fault in broken.items():
            say(one_line(f"broken: {name}: {fault}"), page=False)
    if broken:
        name, fault = next(iter(broken.items()))
        raise SltpackError(
            folder,
            expected=f"{len(sweep.runs)} finished runs",
            found=f"{len(broken)} broken; {name}: {fault}",
            remedy="the same command repeats what is broken, from the start where its folder is removed",
        )


class _Board:
    """The table that is drawn while runs are made."""

    def __init__(self, epochs: dict[str, int], finished: Collection[str], screen: Console) -> None:
        self._epochs, self._screen = epochs, screen
        self._ended, self._broken = set(finished), 0
        self._running: dict[str, tuple[Task, float]] = {}
        self._since = time.monotonic()
        # Epochs that were there before this call are no measure of its pace.
        self._found = {name: epochs[name] for name in finished}

    def begin(self, task: Task) -> None:
        """Add a run."""
        from sltpack.sweep.folders import progress_of

        name = task.point.name
        self._running[name] = task, time.monotonic()
        self._found.setdefault(name, progress_of(task.folder)[0])

    def end(self, task: Task, broken: bool) -> None:
        """Take a run away."""
        name = task.point.name
        del self._running[name]
        self._ended.add(name)
        if broken:
            self._broken += 1
            self._found[name] = self._epochs[name]  # nor are those that it did not make

    def drawn(self) -> Group:
        """Draw the runs that are under way, and how many there are."""
        titles = ("epochs", "best", "since")
        rows: dict[str, tuple[str, ...]] = {}
        looked = self._look()
        for name, (epochs, best, since) in looked.items():
            accuracy = "" if best is None else f"{best:.4f}"
            rows[name] = f"{epochs}/{self._epochs[name]}", accuracy, duration(time.monotonic() - since)
        widest = (max(map(len, column)) for column in zip(titles, *rows.values(), strict=True))
        room = self._screen.width - sum(2 + cells for cells in widest)
        table = _table("run", right=titles)
        for name, cells in rows.items():
            table.add_row(Text(_end_of(one_line(name), max(room, _NAME_CELLS))), *cells)
        return Group(table, Text(self._finished() + self._left(looked), "bold"))

    def line(self) -> str:
        """Return the same in one line."""
        looked = self._look()
        running = "".join(f", {name} at epoch {epochs}/{self._epochs[name]}" for name, (epochs, *_) in looked.items())
        return one_line(self._finished() + self._left(looked) + running)

    def _look(self) -> dict[str, tuple[int, float | None, float]]:
        """Return the whole epochs of each run under way, the best accuracy of them, and since when it goes on."""
        from sltpack.sweep.folders import progress_of

        running = list(self._running.items())
        return {name: (*progress_of(task.folder), since) for name, (task, since) in running}

    def _finished(self) -> str:
        broken = f", {self._broken} broken" if self._broken else ""
        return f"{len(self._ended) - self._broken} of {len(self._epochs)} runs finished{broken}"

    def _left(self, looked: dict[str, tuple[int, float | None, float]]) -> str:
        """Return how long it will take, from the epochs that were made so far."""
        reached = {name: min(epochs, self._epochs[name]) for name, (epochs, *_) in looked.items()}
        done = {**{name: self._epochs[name] for name in self._ended}, **reached}
        made = sum(epochs - self._found[name] for name, epochs in done.items())
        if made <= 0:
            return ""
        left = sum(self._epochs.values()) - sum(done.values())
        return f", about {duration((time.monotonic() - self._since) * left / made)} left"


@contextmanager
def _shown(board: _Board, live: Live) -> Iterator[None]:
    """Show the board: as a table in a terminal, otherwise as a plain line once in a while."""
    if progress.display().quiet:
        yield
    elif progress.is_terminal():
        with live:
            yield
    else:
        ended, every = threading.Event(), progress.display().every

        def say() -> None:
            while not ended.wait(every):
                with suppress(OSError, ValueError):  # nobody reads it, which is no reason to stop
                    click.echo(board.line(), err=True)

        speaker = threading.Thread(target=say, daemon=True)
        speaker.start()
        try:
            yield
        finally:
            ended.set()
            speaker.join()


def _end_of(name: str, cells: int) -> str:
    """Cut a name in front: side by side run points that differ behind."""
    return name if len(name) <= cells else f"…{name[1 - cells :]}"


def _tell(line: str, live: Live) -> None:
    """Print a line; above the running table where both stand in one terminal."""
    if live.is_started and sys.stdout is not None and sys.stdout.isatty():
        live.console.print(Text(line), soft_wrap=True)
    else:
        say(line, page=False)


def _asked(point: Point) -> dict[str, Any]:
    return {"name": point.name, "command": point.command, "options": dict(point.options)}


def _results(results: list[tuple[Point, Result]]) -> Rows:
    rows = []
    for point, result in results:
        shares = ["" if share is None else f"{share:.3g}" for share in (result.sparsity, result.prune, result.lock)]
        measured = [f"{result.validation_accuracy:.4f}", f"{result.test_accuracy:.4f}", f"{result.bits:,}"]
        rows.append((one_line(point.name), *shares, f"{result.searched:,}", *measured))
    return Rows(("run", "k", "p", "l", "search space", "validation", "test", "bits"), tuple(rows))


def _line(ended: Result | str) -> str:
    if isinstance(ended, str):
        return f"broken: {ended}"
    measured = f"validation accuracy {ended.validation_accuracy:.4f}, test accuracy {ended.test_accuracy:.4f}"
    return f"{measured}, {ended.bits:,} bits"


def _left_out(sweep: Sweep) -> list[dict[str, str]]:
    return [{"name": left.point.name, "reason": left.reason} for left in sweep.left_out]


def _print_left_out(sweep: Sweep, most: int | None = None) -> None:
    for left in sweep.left_out[:most]:
        say(one_line(f"left out: {left.point.name}: {left.reason}"), page=False)
    more = len(sweep.left_out[most:]) if most is not None else 0
    if more:
        say(f"left out: {more} more that cannot exist; --dry-run names them", page=False)


def _table(first: str, *, right: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
