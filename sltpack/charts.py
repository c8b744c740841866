"""Pictures of numbers as SVG: lines over an axis, told apart by colour, dashes and marks, so in black and white too.

matplotlib, an extra, draws them; what they look like is here, and nowhere else.
"""

from __future__ import annotations

import io
import math
import os
import textwrap
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import RequestError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.6, 3.1
"""Inches of one panel without the legend: as wide as the screen of a telephone, its letters can still be read."""
_BACKEND = "MPLBACKEND"
_BACKEND_HIDDEN = threading.Lock()
_FONT = 11
_LEGEND_LINE = 0.24
"""Inches from a row of the legend to the next."""
_LEGEND_LETTERS = 54
"""Of a row below one panel."""
_SWATCH_LETTERS = 7
"""What the sample of a line and the gaps around it take in such a row."""
_TITLE_LETTERS = 40
"""Of a line of a panel's title."""
_TITLE_LINE = 0.2
"""Inches from such a line to the next."""
_FEW = 12
"""Points of a line up to which each gets a mark."""
# Colours by Okabe and Ito, which most colour-blind people tell apart, the light ones darkened. The numbers of colours,
# dashes and marks have no common divisor, so that hundreds of lines have a look each.
_COLOURS = ("#0072b2", "#c04a00", "#00795a", "#a0468a", "#000000", "#8a6d00", "#6b6b6b")
_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    *((0, ()), (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2))),
    *((0, (3, 1.2)), (0, (9, 2.5))),
)
_NARROW = 2.25
"""The highest number of a logarithmic axis over its lowest, below which equal steps label it better."""
_DIGITS = (
    *((4, (1, 1.5, 2, 3, 4, 5, 6, 8)), (30, (1, 2, 5)), (1000, (1, 3))),
    (math.inf, (1,)),
)
"""First digits of the labels of a logarithmic axis, by the highest of its numbers over the lowest."""
_MARKS = ("o", "s", "^", "D", "v", "X", "P", "<", ">", "p", "*")
_SETTINGS: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": _FONT,
    "font.family": "sans-serif",
    "font.size": _FONT,
    "grid.color": "#dddddd",
    "legend.columnspacing": 1.0,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "svg.fonttype": "none",  # letters stay letters: small files, which a browser can search
    "svg.hashsalt": "sltpack",  # the same picture is the same bytes
    "text.parse_math": False,  # a dollar sign in somebody's name is a dollar sign
}


@dataclass(frozen=True)
class Point:
    """One measured number.

    Attributes:
        x: where it stands.
        y: the number.
        deviation: half the length of the bar through it; 0 for none.
    """

    x: float
    y: float
    deviation: float = 0.0


@dataclass(frozen=True)
class Line:
    """Points that belong together, joined from left to right.

    Attributes:
        name: in the legend; lines of one name look alike in all panels.
        points: at least one.
        joined: whether a line goes through them.
    """

    name: str
    points: tuple[Point, ...]
    joined: bool = True


@dataclass(frozen=True)
class Panel:
    """Lines over one pair of axes.

    Attributes:
        title: above it.
        x_label: what x is.
        y_label: what y is.
        lines: drawn in this order.
        x_logarithmic: whether powers of ten are equally far apart on the x axis.
        y_logarithmic: the same of the y axis.
        x_whole: whether x is counted, so that only whole numbers label its axis.
        percent: whether y is a share that is written in percent.
        guide: the ends of a thin straight line behind the others, where there is one.
        y_reach: numbers that the y axis reaches at least, where it is compared with another panel's.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_logarithmic: bool = False
    y_logarithmic: bool = False
    x_whole: bool = False
    percent: bool = False
    guide: tuple[Point, Point] | None = None
    y_reach: tuple[float, float] | None = None


def require_charts(where: str) -> None:
    """Make sure that pictures can be drawn.

    Args:
        where: the command or option that wants them.

    Raises:
        RequestError: matplotlib is not installed.
    """
    try:
        _matplotlib()
    except ImportError as error:
        raise RequestError(
            where,
            expected="the package matplotlib",
            found="none",
            remedy="install it: pip install 'sltpack[figures]'",
        ) from error


def _matplotlib() -> Any:
    """Import matplotlib without the backend of the environment.

    None is used here. A notebook names one for its own process and all that it starts, which matplotlib refuses to be
    imported with where it is not installed.
    """
    with _BACKEND_HIDDEN:
        backend = os.environ.pop(_BACKEND, None)
        try:
            import matplotlib.figure
        finally:
            if backend is not None:
                os.environ[_BACKEND] = backend
    return matplotlib


def draw(panels: Sequence[Panel], names: Sequence[str] = ()) -> str:
    """Draw panels side by side, with one legend below.

    Args:
        panels: at least one.
        names: of lines in the order of their looks, so that several pictures agree; those that are not among them
            follow.

    Returns:
        An SVG document; the same panels and names give the same text with the same matplotlib.
    """
    matplotlib = _matplotlib()
    from matplotlib.figure import Figure

    own = [line.name for panel in panels for line in panel.lines]
    looks = {name: _look(number) for number, name in enumerate(dict.fromkeys([*names, *own]))}
    shown = sorted(set(own), key=list(looks).index)
    columns = _columns(shown, len(panels))
    rows = -(-len(shown) // columns) if len(shown) > 1 else 0
    letters = len(panels) * _LEGEND_LETTERS - _SWATCH_LETTERS
    names_of_lines = {name: _wrapped(name, letters) for name in shown}
    legend = rows * max((1 + name.count("\n") for name in names_of_lines.values()), default=1)
    titles = max(_wrapped(panel.title, _TITLE_LETTERS).count("\n") for panel in panels)
    # Whatever a matplotlibrc of the user's says: the defaults, and what is ours.
    with matplotlib.rc_context({**_defaults(matplotlib.rcParamsDefault), **_SETTINGS}):
        height = HEIGHT + _LEGEND_LINE * legend + _TITLE_LINE * titles
        figure = Figure(figsize=(WIDTH * len(panels), height), layout="constrained")
        for number, panel in enumerate(panels, 1):
            _draw_panel(figure.add_subplot(1, len(panels), number), panel, looks)
        if rows:
            _draw_legend(figure, names_of_lines, looks, columns)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if not name.startswith(("backend", "interactive"))}


def _look(number: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKS[number % len(_MARKS)],
        "markerfacecolor": "none",  # of points in one place each is seen
        "markeredgewidth": 1.3,
    }


def _wrapped(text: str, letters: int) -> str:
    """Break a text into lines, within a word where one is longer than a line."""
    return text if len(text) <= letters else textwrap.fill(text, letters, break_on_hyphens=False)


def _columns(names: Sequence[str], panels: int) -> int:
    longest = max((len(name) for name in names), default=0) + _SWATCH_LETTERS
    return max(1, min(len(names), panels * _LEGEND_LETTERS // longest))


def _draw_panel(axes: Axes, panel: Panel, looks: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if panel.guide is not None:
        ends = [(point.x, point.y) for point in panel.guide]
        axes.plot(*zip(*ends, strict=True), color="#777777", linewidth=1, zorder=1)
    for line in panel.lines:
        points = sorted(line.points, key=lambda point: point.x)
        look = dict(looks[line.name])
        if not line.joined:
            look["linestyle"] = "none"
        every = 1 if len(points) <= _FEW else math.ceil(len(points) / _FEW)
        x, y = [point.x for point in points], [point.y for point in points]
        axes.plot(x, y, markevery=every, **look)
        bars = [point for point in points if point.deviation]
        if bars:
            axes.errorbar(
                [point.x for point in bars],
                [point.y for point in bars],
                yerr=[point.deviation for point in bars],
                fmt="none",
                ecolor=look["color"],
                elinewidth=1,
                capsize=3,
            )
    if panel.y_reach is not None:
        axes.update_datalim([(0.0, y) for y in panel.y_reach], updatex=False)
        axes.autoscale_view()
    axes.set_title(_wrapped(panel.title, _TITLE_LETTERS))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    for axis, logarithmic, scale in (
        (axes.xaxis, panel.x_logarithmic, axes.set_xscale),
        (axes.yaxis, panel.y_logarithmic, axes.set_yscale),
    ):
        if logarithmic:
            scale("log")
            _round_ticks(axis)
        else:
            whole = panel.x_whole and axis is axes.xaxis
            steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
            axis.set_major_locator(MaxNLocator(6, steps=steps, integer=whole))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def _round_ticks(axis: Any) -> None:
    """Labels a logarithmic axis with a few plain numbers; an axis of less than a decade has labels too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    low, high = axis.get_view_interval()
    range_of_axis = high / low
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    if range_of_axis < _NARROW:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1e4 else f"{value:.6g}"))
        return
    digits = next(digits for most, digits in _DIGITS if range_of_axis <= most)
    axis.set_major_locator(LogLocator(subs=digits, numticks=99))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(number: float) -> str:
    """Write a number with three digits and k, M or G behind it.

    Args:
        number: any.

    Returns:
        Such as "0.25", "340", "136 k", "2.26 M".
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"


def _draw_legend(
    figure: Figure, names: Mapping[str, str], looks: Mapping[str, Mapping[str, Any]], columns: int
) -> None:
    from matplotlib.lines import Line2D

    samples = [Line2D([], [], label=text, **looks[name]) for name, text in names.items()]
    figure.legend(handles=samples, loc="outside lower left", ncols=columns)
