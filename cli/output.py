"""What the commands draw on standard output: plain text, coloured in a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from sltpack.errors import one_line
from sltpack.format.accounting import Account
from sltpack.format.container import Container
from sltpack.format.records import NO_INIT, input_parts, known_parts

if TYPE_CHECKING:
    from sltpack.theory import Curve

BAR_CELLS = 28
"""Characters of a whole bar."""
_WIDTH = 1000
"""Columns, more than a table takes, so that none is cut: a terminal folds what is too wide for it."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def console() -> Console:
    """Gives standard output for drawing.

    Returns:
        A console with colours only where it is a terminal.
    """
    file = io.StringIO() if sys.stdout is None else None  # a closed standard output takes nothing
    return Console(file=file, highlight=False, soft_wrap=True, width=_WIDTH)


def print_parts(name: str, account: Account) -> None:
    """Prints the size of a file and the chart of its parts.

    Args:
        name: the file's.
        account: where its bits go.
    """
    out = console()
    out.print(
        Text.assemble((one_line(name), "bold"), f"  {account.file_bits:,} bits = {account.file_bits // 8:,} bytes"),
        no_wrap=True,
    )
    out.print(parts_chart(account))


def parts_chart(account: Account) -> Table:
    """Draws where the bits of a file go.

    Args:
        account: of the file.

    Returns:
        A row for each part, the largest first.
    """
    chart = _columns("left", "right", "right", "left")
    for part, bits in sorted(account.parts.items(), key=lambda item: -item[1]):
        share = bits / account.file_bits
        chart.add_row(part.replace("_", " "), f"{bits:,}", f"{100 * share:.1f} %", Text(bar(share), "cyan"))
    return chart


def weights_chart(account: Account) -> Table:
    """Draws what becomes of a network's weights.

    Args:
        account: of the file.

    Returns:
        A row for each of the four ends a weight can come to.
    """
    chart = _columns("left", "right", "right", "left")
    searched_kept = account.kept - account.locked
    rows = (
        ("pruned, frozen", account.pruned, "red"),
        ("locked, frozen", account.locked, "green"),
        ("searched, kept", searched_kept, "green"),
        ("searched, pruned", account.searched - searched_kept, "red"),
    )
    for name, count, colour in rows:
        share = count / account.weights
        chart.add_row(name, f"{count:,}", f"{100 * share:.1f} %", Text(bar(share), colour))
    return chart


def described(container: Container) -> list[str]:
    """Says where a ticket's weights come from, how it is fed and what was measured.

    Args:
        container: the file.

    Returns:
        A line for each; none where nothing is known.
    """
    header, source = container.header, container.header.source
    seeds = source.seeds
    drawn = "no random weights" if source.init == NO_INIT else f"{source.init.upper()}, seed {seeds.weights}"
    lines = [
        f"{container.origin}: {drawn}, scale {source.scale}; "
        f"freezing by {source.ratios.method.upper()} ratios, seed {seeds.freezing}; codec {header.codec}"
    ]
    if header.input is not None:
        lines.append(_listed("input", input_parts(header.input)))
    if header.classes:
        lines.append(f"{len(header.classes)} classes: {', '.join(header.classes)}")
    lines += [_listed("result", known_parts(result)) for result in header.results]
    return lines


def layer_table(account: Account) -> Table:
    """Lists the layers.

    Args:
        account: of the file.

    Returns:
        A row for each layer, in their order.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("layer", "shape"):
        table.add_column(name, no_wrap=True)
    for name in ("weights", "pruned", "locked", "searched", "kept", "entropy"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("written", no_wrap=True)
    for layer in account.layers:
        counts = (layer.weights, layer.pruned, layer.locked, layer.searched, layer.kept)
        shape = "x".join(map(str, layer.shape))
        entropy = f"{layer.entropy_bits:,.0f}"
        table.add_row(Text(one_line(layer.name)), shape, *(f"{count:,}" for count in counts), entropy, layer.written)
    return table


def needed_chart(curves: Sequence[Curve]) -> Table:
    """Draws how many variables are needed.

    Args:
        curves: one for each row, in their order.

    Returns:
        A row for each: p, l, epsilon, the needed n, how many of them are free, and C of this row alone.
    """
    chart = _headed("p", "l", "epsilon", "needed n", "of them free", "C")
    chart.add_column("")
    longest = max(curve.tried for curve in curves)
    for curve in curves:
        asked, constant = curve.experiment, curve.constant
        known = constant is not None
        chart.add_row(
            *(f"{asked.prune:g}", f"{asked.lock:g}", f"{asked.epsilon:g}"),
            *(f"{'' if known else 'over '}{curve.tried}", f"{curve.free:.1f}" if known else ""),
            f"{constant:.2f}" if constant is not None else "",
            Text(bar(curve.tried / longest) if longest and known else "", "red" if asked.lock else "cyan"),
        )
    return chart


def successes_chart(curve: Curve) -> Table:
    """Draws how often every target was reached.

    Args:
        curve: over the number of variables.

    Returns:
        A row for each number, from the last one with which every trial failed.
    """
    chart = _headed("n", "reached", "share")
    chart.add_column("")
    trials = curve.experiment.trials
    start = max(sum(not reached for reached in curve.successes) - 1, 0)
    for count, reached in enumerate(curve.successes[start:], start):
        chart.add_row(
            f"{count}", f"{reached:,}", f"{100 * reached / trials:.1f} %", Text(bar(reached / trials), "cyan")
        )
    return chart


def bar(share: float) -> str:
    """Draws a share as a bar; what is not nothing is seen.

    Args:
        share: in 0..1.

    Returns:
        Blocks to an eighth of a cell, or whole cells of "#" where standard output cannot write those.
    """
    eighths = max(round(share * BAR_CELLS * 8), 1 if share else 0)
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


def _headed(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _columns(*justify: JustifyMethod) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for side in justify:
        grid.add_column(justify=side)
    return grid
