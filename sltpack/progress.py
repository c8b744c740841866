"""Progress of long jobs on standard error: drawn in a terminal by the first of several processes, silent in a pipe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from .errors import one_line

_SHARE_CELLS = 5
_BAR_CELLS = 8
_TIME_CELLS = 7
"""Of hours, minutes and seconds; without hours, two fewer."""
_LEFT = "left"
_NOTE_CELLS = 10
"""Fewer say nothing."""


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
        done: how much of it is done at the start; where it is all, nothing is drawn.

    Yields:
        The bar to advance.
    """
    console = Console(stderr=True)
    drawn = console.is_terminal and leads_here() and done < total
    with _Line(console, disable=not drawn) as progress:
        yield Bar(progress, progress.add_task(one_line(description), total=total, completed=done, note=""))


class _Line(Progress):
    """One line as wide as the terminal is at the moment; in a narrow one the least needed parts are left out."""

    def __init__(self, console: Console, *, disable: bool) -> None:
        self._terminal = console
        self._bar = BarColumn(bar_width=_BAR_CELLS)
        # Kept from one drawing to the next, since it works the time out but twice a second.
        self._time = TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True))
        super().__init__(console=console, disable=disable)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """Draws the line."""
        tasks = list(tasks)
        self.columns = self._fitting(max((cell_len(task.description) for task in tasks), default=0))
        return super().make_tasks_table(tasks)

    def _fitting(self, label: int) -> tuple[ProgressColumn, ...]:
        self.expand = False
        room = self._terminal.width - 1 - _SHARE_CELLS
        columns: list[ProgressColumn] = [_text("{task.description}", max(1, min(label, room)))]
        room -= label
        if room > _BAR_CELLS:
            columns.append(self._bar)
            room -= 1 + _BAR_CELLS
        columns.append(_text("{task.percentage:>3.0f} %", _SHARE_CELLS))
        if room > _TIME_CELLS + 1 + len(_LEFT):
            columns += [self._time, _text(_LEFT, len(_LEFT))]
            room -= 1 + _TIME_CELLS + 1 + len(_LEFT)
            self.expand = room > _NOTE_CELLS
            if self.expand:
                columns.append(_text("{task.fields[note]}", None))
        return tuple(columns)


def _text(text: str, cells: int | None) -> TextColumn:
    """Gives a text that takes so many cells, or all that are left over, and is cut to them."""
    ratio = 1 if cells is None else None
    column = Column(no_wrap=True, overflow="ellipsis", width=cells, ratio=ratio)
    return TextColumn(text, markup=False, table_column=column)


def say(line: str) -> None:
    """Write a line on standard error, in the process that shows and prints.

    Args:
        line: the text; control characters are escaped.
    """
    if leads_here():
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(one_line(line))
