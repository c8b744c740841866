"""Progress of long jobs on standard error: drawn in a terminal, silent in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@dataclass(frozen=True)
class Bar:
    """One running bar."""

    progress: Progress
    task: TaskID

    def advance(self, amount: float = 1, note: str | None = None) -> None:
        """Moves the bar on, and changes the words behind it where some are given."""
        if note is None:
            self.progress.advance(self.task, amount)
        else:
            self.progress.update(self.task, advance=amount, note=note)


@contextmanager
def bar(description: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Shows how far a job is and how long it will still take.

    Args:
        description: what is done.
        total: how much there is to do, in any unit.
        done: how much of it is done at the start.

    Yields:
        The bar to advance.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, progress.add_task(description, total=total, completed=done, note=""))
