"""What the commands draw on standard output: plain text, coloured in a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sltpack.errors import one_line
from sltpack.format.accounting import Account
from sltpack.format.container import Container
from sltpack.format.records import NO_INIT, input_parts, known_parts

from .screen import PAGE, TOGETHER, columns, fitted

if TYPE_CHECKING:
    from sltpack.theory import Curve

BAR_CELLS = 28
"""Characters of a whole bar where there is room for it."""
_FEWEST_CELLS = 4
"""Characters of a whole bar at least."""
_GAP = "  "
"""Between columns."""
_WIDTH = 1000
"""Columns, more than a table takes, so that none is cut; what is too wide for the terminal is not drawn as a table."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def console() -> Console:
    """Return standard output for drawing.

    Returns:
        A console with colours only where it is a terminal.
    """
    file = io.StringIO() if sys.stdout is None else None  # a closed standard output takes nothing
    return Console(file=file, highlight=False, soft_wrap=True, width=_WIDTH)


@dataclass(frozen=True)
class Rows:
    """A table as data, to be drawn as wide as there is room.

    Attributes:
        head: the names of the columns; a bar's has none.
        rows: the cells.
        left: how many columns, from the first, are flush left; the last one is where it is a bar or a text.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str | Text, ...], ...]
    left: int = 1

    def drawn(self) -> Table | Text:
        """Draw the table, or where the terminal is narrower, each row as lines of names and values."""
        cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows]
        room = columns(sys.stdout)
        widths = [max(map(len, column)) for column in zip(self.head, *cells, strict=True)]
        if room is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= room:
            table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0))
            for at, name in enumerate(self.head):
                table.add_column(name, justify="left" if at < self.left or not name else "right", no_wrap=True)
            for row in cells:
                table.add_row(*row)
            return table
        lines = []
        for first, *others in cells:
            named = [
                f"{name}{TOGETHER}{cell.plain}"
                for name, cell in zip(self.head[1:], others, strict=True)
                if name and cell
            ]
            lines += [fitted(f"{self.head[0]} {first.plain}", room), fitted(", ".join(named), room, _GAP, _GAP)]
        return Text("\n".join(lines))


def write(out: Console, text: str, *, bold: int = 0, page: int | None = PAGE) -> None:
    """Print a line that is broken between words where there is no room for it.

    Args:
        out: the console.
        text: one line.
        bold: how many of its first characters are.
        page: columns where there is no terminal; None for any number.
    """
    line = Text(fitted(text, columns(sys.stdout) or page, after=_GAP))
    line.stylize("bold", 0, bold)
    out.print(line)


def print_parts(name: str, account: Account) -> None:
    """Print the size of a file and the chart of its parts.

    Args:
        name: the file's.
        account: where its bits go.
    """
    out = console()
    shown = one_line(name)
    write(out, f"{shown}  {account.file_bits:,} bits = {account.file_bits // 8:,} bytes", bold=len(shown), page=None)
    out.print(parts_chart(account))


def parts_chart(account: Account) -> Table:
    """Draw where the bits of a file go.

    Args:
        account: of the file.

    Returns:
        A row for each part, the largest first.
    """
    parts = sorted(account.parts.items(), key=lambda item: -item[1])
    return _shares([(part.replace("_", " "), bits, "cyan") for part, bits in parts], account.file_bits)


def weights_chart(account: Account) -> Table:
    """Draw what becomes of a network's weights.

    Args:
        account: of the file.

    Returns:
        A row for each of the four ends a weight can come to.
    """
    searched_kept = account.kept - account.locked
    rows = (
        ("pruned, frozen", account.pruned, "red"),
        ("locked, frozen", account.locked, "green"),
        ("searched, kept", searched_kept, "green"),
        ("searched, pruned", account.searched - searched_kept, "red"),
    )
    return _shares(rows, account.weights)


def described(container: Container) -> list[str]:
    """Say where a ticket's weights come from, how it is fed and what was measured.

    Args:
        container: the file.

    Returns:
        A line for each; none where nothing is known.
    """
    header, source = container.header, container.header.source
    seeds = source.seeds
    ratios = source.ratios.method.upper()
    freezing = "nothing frozen" if ratios == "NONE" else f"freezing by {ratios} ratios, seed {seeds.freezing}"
    drawn = "no random weights" if source.init == NO_INIT else f"{source.init.upper()}, seed {seeds.weights}"
    lines = [
        f"{container.origin}: {drawn}, scale {source.scale}; {freezing}; codec {header.codec}",
    ]
    if header.input is not None:
        lines.append(_listed("input", input_parts(header.input)))
    if header.classes:
        lines.append(f"{len(header.classes)} classes: {', '.join(header.classes)}")
    lines += [_listed("result", known_parts(result)) for result in header.results]
    return lines


def layer_table(account: Account) -> Rows:
    """List the layers.

    Args:
        account: of the file.

    Returns:
        A row for each layer, in their order.
    """
    rows = []
    for layer in account.layers:
        counts = (layer.weights, layer.pruned, layer.locked, layer.searched, layer.kept)
        shape = "x".join(map(str, layer.shape))
        entropy = f"{layer.entropy_bits:,.0f}"
        rows.append((one_line(layer.name), shape, *(f"{count:,}" for count in counts), entropy, layer.written))
    head = ("layer", "shape", "weights", "pruned", "locked", "searched", "kept", "entropy", "written")
    return Rows(head, tuple(rows), left=2)


def needed_chart(curves: Sequence[Curve]) -> Rows:
    """Draw how many variables are needed.

    Args:
        curves: one for each row, in their order.

    Returns:
        A row for each: p, l, epsilon, the needed n, how many of them are free, and C of this row alone.
    """
    longest = max(curve.tried for curve in curves)
    rows = []
    for curve in curves:
        asked, constant = curve.experiment, curve.constant
        known = constant is not None
        rows.append(
            (
                *(f"{asked.prune:g}", f"{asked.lock:g}", f"{asked.epsilon:g}"),
                *(f"{'' if known else 'over '}{curve.tried}", f"{curve.free:.1f}" if known else ""),
                f"{constant:.2f}" if constant is not None else "",
                Text(bar(curve.tried / longest) if longest and known else "", "red" if asked.lock else "cyan"),
            )
        )
    return Rows(("p", "l", "epsilon", "needed n", "of them free", "C", ""), tuple(rows), left=0)


def successes_chart(curve: Curve) -> Rows:
    """Draw how often every target was reached.

    Args:
        curve: over the number of variables.

    Returns:
        A row for each number, from the last one with which every trial failed.
    """
    trials = curve.experiment.trials
    start = max(sum(not reached for reached in curve.successes) - 1, 0)
    rows = [
        (f"{count}", f"{reached:,}", f"{100 * reached / trials:.1f} %", Text(bar(reached / trials, 12), "cyan"))
        for count, reached in enumerate(curve.successes[start:], start)
    ]
    return Rows(("n", "reached", "share", ""), tuple(rows), left=0)


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Draw a share as a bar; what is not nothing is seen.

    Args:
        share: in 0..1.
        cells: characters of a whole bar.

    Returns:
        Blocks to an eighth of a cell, or whole cells of "#" where standard output cannot write those.
    """
    eighths = max(round(share * cells * 8), 1 if share else 0)
    drawn = _FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return drawn if _writes_blocks() else "#" * len(drawn)


def _listed(name: str, values: Mapping[str, object]) -> str:
    return f"{name}: " + ", ".join(f"{key} {_plain(value)}" for key, value in values.items())


def _plain(value: object) -> str:
    numbers = value if isinstance(value, list) else [value]
    return " ".join(f"{number:.4g}" if isinstance(number, float) else f"{number}" for number in numbers)


def _writes_blocks() -> bool:
    try:
        (_FULL + _EIGHTHS).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _shares(rows: Sequence[tuple[str, int, str]], whole: int) -> Table:
    """Draw names, counts and their shares of a whole, with a bar as long as there is room."""
    cells = [(name, f"{count:,}", f"{100 * count / whole:.1f} %") for name, count, _ in rows]
    taken = sum(max(map(len, column)) + len(_GAP) for column in zip(*cells, strict=True))
    room = columns(sys.stdout) or PAGE
    length = max(_FEWEST_CELLS, min(BAR_CELLS, room - taken))
    grid = Table.grid(padding=(0, len(_GAP), 0, 0))
    for side in ("left", "right", "right", "left"):
        grid.add_column(justify=side)
    for texts, (_, count, colour) in zip(cells, rows, strict=True):
        grid.add_row(*texts, Text(bar(count / whole, length), colour))
    return grid
