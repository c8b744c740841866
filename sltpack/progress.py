"""Progress of long jobs on standard error: a bar in a terminal, plain lines elsewhere; a run's log has them too."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from .descriptors import open_regular
from .errors import OutputError, one_line, reason
from .launch import leads_here

EVERY = 60.0
"""Seconds between two plain lines of a job."""
_SHARE_CELLS = 5
_BAR_CELLS = 8
"""Of the shortest bar, in a terminal narrower than `_WIDE`; in a wider one it takes at least a fifth."""
_MOST_BAR_CELLS = 60
_WIDE = 100
_TIME_CELLS = 8
"""Of hours, minutes and seconds; without hours, three fewer."""
_LEFT = "left"


@dataclass(frozen=True)
class Display:
    """How progress is shown, as the user chose it for a whole command.

    Attributes:
        quiet: whether nothing is shown; log files are written in any case.
        every: seconds between two plain lines of a job, where there is no terminal and in log files.
    """

    quiet: bool = False
    every: float = EVERY


_DISPLAY: ContextVar[Display] = ContextVar("display", default=Display())  # noqa: B039 - it is frozen


@contextmanager
def displaying(display: Display) -> Iterator[None]:
    """Show the progress of all jobs inside the `with` block in this way.

    Args:
        display: the way.
    """
    before = _DISPLAY.set(display)
    try:
        yield
    finally:
        _DISPLAY.reset(before)


def display() -> Display:
    """Return how progress is shown here."""
    return _DISPLAY.get()


def is_terminal() -> bool:
    """Return whether standard error is a terminal in which a line can be redrawn.

    rich would also take a file for one where FORCE_COLOR is set, and fill it with bars.
    """
    stream = sys.stderr
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def screen() -> Console:
    """Return standard error to draw on; what moves is drawn only where it is a terminal."""
    return Console(stderr=True, highlight=False, force_terminal=is_terminal())


def duration(seconds: float) -> str:
    """Write a time in its two largest units.

    Args:
        seconds: the time.

    Returns:
        Such as "12 s", "3 min 05 s" or "14 h 20 min".
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@dataclass(frozen=True)
class Log:
    """A text file that lines are added to, each behind its time.

    Attributes:
        path: the file; made where it is missing.
    """

    path: Path

    def write(self, line: str) -> None:
        """Add a line.

        Args:
            line: the text; control characters are escaped.

        Raises:
            OutputError: the file cannot be written, or is a link, a pipe or a device.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            # Never through a link, and never waiting for the reader of a pipe.
            descriptor = open_regular(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, follow=False)
            with open(descriptor, "ab") as stream:
                stream.write(f"{now} {one_line(line)}\n".encode())
        except OSError as error:
            raise OutputError(
                self.path,
                expected="a log file that can be written",
                found=reason(error),
                remedy="make room, or remove what stands there; --resume goes on",
            ) from error


class Bar:
    """A job that is under way.

    Args:
        description: what is done.
        total: how much there is to do.
        done: how much of it is done.
        line: the live line of a terminal, None where nothing is drawn.
        plain: whether plain lines go to standard error.
        log: where they go too.
    """

    def __init__(
        self, description: str, total: int, done: int, line: _Line | None, plain: bool, log: Log | None
    ) -> None:
        self._description, self._total, self._done, self._at_start = description, total, float(done), done
        self._line, self._plain, self._log = line, plain, log
        self._note = ""
        self._every = display().every
        self._since = self._said = time.monotonic()
        if line is not None:
            self._task = line.add_task(description, total=total, completed=done, notes=())

    def advance(self, amount: float = 1, *notes: str) -> None:
        """Move the bar on.

        Args:
            amount: how much more is done, in the bar's unit.
            notes: the words beside the bar from now on, in forms from the longest to the shortest, of which the first
                one that fits is shown; without any, those that stand there.
        """
        self._done += amount
        if notes:
            self._note = notes[0]
        if self._line is not None:
            if notes:
                self._line.update(self._task, advance=amount, notes=tuple(map(one_line, notes)))
            else:
                self._line.advance(self._task, amount)
        if time.monotonic() - self._said >= self._every and self._done < self._total:
            self._say(", ".join(filter(None, (f"{self._description} {self._percent()} %", self._note, self._left()))))

    def restart(self, done: float) -> None:
        """Set the bar back.

        Args:
            done: how much is done, in the bar's unit.
        """
        self._done = done
        if self._line is not None:
            self._line.update(self._task, completed=done)

    def tell(self, *forms: str) -> None:
        """Say that a part of the job is done: above the bar in a terminal, where it stays, and as a plain line.

        Args:
            forms: what there is to say, from the longest form to the shortest; a terminal shows the longest that fits.
        """
        if self._line is not None:
            lines = [one_line(form) for form in forms]
            fitting = (line for line in lines if cell_len(line) <= self._line.console.width)
            self._line.console.print(Text(next(fitting, lines[-1])), soft_wrap=True)
        self._say(", ".join(filter(None, (forms[0], self._left()))))

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        if self._plain and sys.stderr is not None:
            with suppress(OSError, ValueError):  # nobody reads it, which is no reason to end the job
                sys.stderr.write(f"{one_line(line)}\n")
                sys.stderr.flush()
        if self._log is not None:
            self._log.write(line)

    def _percent(self) -> int:
        return int(100 * self._done / self._total)

    def _left(self) -> str:
        made = self._done - self._at_start
        if made <= 0 or self._done >= self._total:
            return ""
        return f"about {duration((time.monotonic() - self._since) * (self._total - self._done) / made)} left"


@contextmanager
def bar(description: str, total: int, done: int = 0, log: Log | None = None) -> Iterator[Bar]:
    """Show how far a job is and how long it will still take.

    Where standard error is no terminal, a plain line says so once in a while.

    Args:
        description: what is done; plain text, of which a stranger's file may have chosen a part.
        total: how much there is to do, in any unit.
        done: how much of it is done at the start; where it is all, nothing is drawn.
        log: a file for the plain lines, whatever else is shown.

    Yields:
        The bar to advance.

    Raises:
        OutputError: the log file cannot be written.
    """
    description, shown = one_line(description), leads_here() and not display().quiet
    log = log if leads_here() else None
    if not (shown and is_terminal() and done < total):
        yield Bar(description, total, done, None, shown and not is_terminal(), log)
        return
    with _Line(screen()) as line:
        yield Bar(description, total, done, line, False, log)


class _Line(Progress):
    """One line as wide as the terminal is at the moment; in a narrow one the least needed parts are left out."""

    def __init__(self, console: Console) -> None:
        self._terminal = console
        # Kept from one drawing to the next, since it works the time out but twice a second.
        self._time = TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True))
        super().__init__(console=console)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """Draw the line."""
        tasks = list(tasks)
        if tasks:
            self.columns = self._fitting(tasks[0].description, tasks[0].fields["notes"])
        return super().make_tasks_table(tasks)

    def _fitting(self, description: str, notes: tuple[str, ...]) -> tuple[ProgressColumn, ...]:
        width, label = self._terminal.width, cell_len(description)
        room = width - 1 - _SHARE_CELLS
        columns: list[ProgressColumn] = [_text("{task.description}", max(1, min(label, room)))]
        behind: list[ProgressColumn] = [_text("{task.percentage:>3.0f} %", _SHARE_CELLS)]
        room -= label
        shortest = _BAR_CELLS if width < _WIDE else width // 5
        if room <= shortest:
            return (*columns, *behind)
        room -= 1 + shortest
        if room > _TIME_CELLS + 1 + len(_LEFT):
            behind += [self._time, _text(_LEFT, len(_LEFT))]
            room -= 1 + _TIME_CELLS + 1 + len(_LEFT)
            note = next((note for note in notes if cell_len(note) < room), "")
            if note:
                behind.append(_text(note.replace("{", "{{").replace("}", "}}"), cell_len(note)))
                room -= 1 + cell_len(note)
        columns.append(BarColumn(bar_width=max(shortest, min(shortest + room, _MOST_BAR_CELLS))))
        return (*columns, *behind)


def _text(text: str, cells: int) -> TextColumn:
    """Return a text that takes so many cells, and is cut to them."""
    column = Column(no_wrap=True, overflow="ellipsis", width=cells)
    return TextColumn(text, markup=False, table_column=column)


def say(line: str) -> None:
    """Write a line on standard error, in the process that shows and prints.

    Args:
        line: the text; control characters are escaped.
    """
    if leads_here() and not display().quiet:
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(one_line(line))
