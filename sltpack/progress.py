"""Progress of long jobs on standard error: drawn in a terminal by the first of several processes, silent in a pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from .errors import one_line


@dataclass(frozen=True)
class Bar:
    """One running bar."""

    progress: Progress
    task: TaskID

    def advance(self, amount: float = 1, note: str | None = None) -> None:
        """Moves the bar on.

        Args:
            amount: how much more is done, in the bar's unit.
            note: the words behind the bar from now on; without it, those that stand there.
        """
        if note is None:
            self.progress.advance(self.task, amount)
        else:
            self.progress.update(self.task, advance=amount, note=one_line(note))


def leads_here() -> bool:
    """Tells whether this process is alone or the first of those that torchrun started, which shows and prints."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1 or os.environ.get("RANK", "0") == "0"


@contextmanager
def bar(description: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Shows how far a job is and how long it will still take.

    Args:
        description: what is done; plain text, of which a stranger's file may have chosen a part.
        total: how much there is to do, in any unit.
        done: how much of it is done at the start.

    Yields:
        The bar to advance.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True, min_width=5)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
        TextColumn("left", table_column=Column(no_wrap=True, min_width=4)),
        # In a narrow terminal, these words are what is cut.
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=console, disable=not (console.is_terminal and leads_here())) as progress:
        yield Bar(progress, progress.add_task(one_line(description), total=total, completed=done, note=""))
