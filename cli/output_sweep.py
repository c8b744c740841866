"""What `sltpack sweep` draws: its points and what they will cost, how far it is, and what came out."""

from __future__ import annotations

import json
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sltpack.errors import SltpackError, one_line

from .output import console

if TYPE_CHECKING:
    from sltpack.sweep.costs import Cost
    from sltpack.sweep.executors import Executor, Task
    from sltpack.sweep.folders import Result
    from sltpack.sweep.points import Point
    from sltpack.sweep.sweeps import Sweep

_REFRESH = 2
"""Times a second that the running table is drawn."""
_LEFT_OUT = 3
"""Points that cannot exist, of which a sweep tells the reason before it begins."""


def show_costs(sweep: Sweep, folder: Path | None, threads: int | None, jobs: int, as_json: bool) -> None:
    """Prints the points of a sweep and what they will cost.

    Args:
        sweep: the sweep.
        folder: of its runs, where one was named; what is done there costs nothing.
        threads: of each run; None leaves them to torch.
        jobs: how many would be made side by side.
        as_json: whether to print an object.
    """
    from sltpack.progress import bar
    from sltpack.sweep.costs import costs_of
    from sltpack.sweep.folders import progress_of
    from sltpack.sweep.sweeps import finished

    done = {} if folder is None else finished(sweep, folder)
    runs = [run for run in sweep.runs if run.point.name not in done]
    with bar("timing", len(runs)) as timing:
        costs = costs_of(runs, threads, timing.advance)
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
    table = _table("run", "state", right=("epochs", "steps", "a step", "time"))
    for row in rows:
        table.add_row(*row.cells())
    console().print(table)
    alone = f"{len(runs)} of {len(sweep.runs)} runs to make, {_duration(seconds)} one after another"
    side = f", about {_duration(seconds / jobs)} with {jobs} side by side" if jobs > 1 else ""
    click.echo(f"{alone}{side}")


@dataclass(frozen=True)
class _Row:
    """A point and what is still to be done of it."""

    point: Point
    state: str
    cost: Cost | None
    epochs: int

    @property
    def seconds(self) -> float:
        return 0.0 if self.cost is None else self.cost.start + self.cost.pace.seconds(self.cost.epochs - self.epochs)

    def told(self) -> dict[str, Any]:
        point = self.point
        told: dict[str, Any] = {"name": point.name, "command": point.command, "options": dict(point.options)}
        told["state"] = self.state
        if self.cost is None:
            return {**told, "seconds": 0.0}
        pace = self.cost.pace
        timed = {"epochs": self.cost.epochs, "steps": pace.steps, "step_seconds": pace.step}
        return {**told, **timed, "seconds": self.seconds}

    def cells(self) -> list[Text]:
        cells = [one_line(self.point.name), self.state]
        if self.cost is not None:
            pace = self.cost.pace
            step = f"{1000 * pace.step:.3g} ms"
            cells += [str(self.cost.epochs), f"{pace.steps:,}", step, _duration(self.seconds)]
        return [Text(cell) for cell in cells]


def show_runs(sweep: Sweep, folder: Path, executor: Executor, as_json: bool) -> None:
    """Makes the runs of a sweep, shows how far they are, and prints what came out.

    Args:
        sweep: the sweep.
        folder: of its runs.
        executor: makes them.
        as_json: whether to print an object, and nothing else.

    Raises:
        Stopped: by Ctrl-C.
        SltpackError: the folder of a point holds something else, or runs are broken.
    """
    from sltpack.sweep.folders import Result
    from sltpack.sweep.sweeps import Stopped, carry_on, finished

    results = finished(sweep, folder)
    if not as_json:
        _print_left_out(sweep, _LEFT_OUT)
        if results:
            click.echo(f"{len(results)} of {len(sweep.runs)} runs are finished already")
    board = _Board({run.point.name: run.request.settings.epochs for run in sweep.runs}, len(results))
    broken: dict[str, str] = {}
    screen = Console(stderr=True)
    live = Live(get_renderable=board.drawn, console=screen, refresh_per_second=_REFRESH, transient=True)
    try:
        with (
            live if screen.is_terminal else nullcontext(),
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
                    click.echo(one_line(f"{name}: {_line(ended)}"))
    except KeyboardInterrupt as error:
        raise Stopped(
            folder,
            expected=f"{len(sweep.runs)} runs",
            found=f"{len(results)} finished",
            remedy="the same command goes on",
        ) from error
    told = [results[run.point.name] for run in sweep.runs if run.point.name in results]
    if as_json:
        faults = [{"name": name, "fault": fault} for name, fault in broken.items()]
        runs = [result.told() for result in told]
        click.echo(json.dumps({"plan": sweep.where, "runs": runs, "broken": faults, "left_out": _left_out(sweep)}))
    else:
        console().print(_results(told))
        for name, fault in broken.items():
            click.echo(one_line(f"broken: {name}: {fault}"))
    if broken:
        name, fault = next(iter(broken.items()))
        raise SltpackError(
            folder,
            expected=f"{len(sweep.runs)} finished runs",
            found=f"{len(broken)} broken; {name}: {fault}",
            remedy="the same command repeats what is broken",
        )


class _Board:
    """The table that is drawn while runs are made."""

    def __init__(self, epochs: dict[str, int], finished: int) -> None:
        self._epochs, self._finished, self._broken = epochs, finished, 0
        self._running: dict[str, tuple[Task, float]] = {}

    def begin(self, task: Task) -> None:
        """Adds a run."""
        self._running[task.point.name] = task, time.monotonic()

    def end(self, task: Task, broken: bool) -> None:
        """Takes a run away."""
        del self._running[task.point.name]
        self._broken += broken
        self._finished += not broken

    def drawn(self) -> Group:
        """Draws the runs that are under way, and how many there are."""
        from sltpack.sweep.folders import progress_of

        table = _table("run", right=("epochs", "best", "since"))
        for name, (task, since) in list(self._running.items()):
            epochs, best = progress_of(task.folder)
            accuracy = "" if best is None else f"{best:.4f}"
            table.add_row(
                Text(one_line(name)), f"{epochs}/{self._epochs[name]}", accuracy, _duration(time.monotonic() - since)
            )
        broken = f", {self._broken} broken" if self._broken else ""
        return Group(table, Text(f"{self._finished} of {len(self._epochs)} runs finished{broken}", "bold"))


def _results(results: list[Result]) -> Table:
    table = _table("run", right=("k", "p", "l", "search space", "validation", "test", "bits"))
    for result in results:
        shares = ["" if share is None else f"{share:.3g}" for share in (result.sparsity, result.prune, result.lock)]
        measured = [f"{result.validation_accuracy:.4f}", f"{result.test_accuracy:.4f}", f"{result.bits:,}"]
        table.add_row(Text(one_line(result.point.name)), *shares, f"{result.searched:,}", *measured)
    return table


def _line(ended: Result | str) -> str:
    if isinstance(ended, str):
        return f"broken: {ended}"
    measured = f"validation accuracy {ended.validation_accuracy:.4f}, test accuracy {ended.test_accuracy:.4f}"
    return f"{measured}, {ended.bits:,} bits"


def _left_out(sweep: Sweep) -> list[dict[str, str]]:
    return [{"name": left.point.name, "reason": left.reason} for left in sweep.left_out]


def _print_left_out(sweep: Sweep, most: int | None = None) -> None:
    for left in sweep.left_out[:most]:
        click.echo(one_line(f"left out: {left.point.name}: {left.reason}"))
    more = len(sweep.left_out[most:]) if most is not None else 0
    if more:
        click.echo(f"left out: {more} more that cannot exist; --dry-run names them")


def _table(*left: str, right: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
