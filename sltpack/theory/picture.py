"""The needed number of variables as a picture, SVG written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .needed import Curve, fit

WIDTH, HEIGHT, TOP, BOTTOM = 760, 410, 34, 82
PANELS = ((48, 344), (424, 744))
"""Left and right edge of each panel."""
STYLES = (
    *(("#0b5fa5", "", "square"), ("#b35900", "6 4", "diamond"), ("#2a7f3f", "2 3", "triangle")),
    *(("#8a2be2", "10 3 2 3", "square"), ("#c2185b", "14 4", "diamond"), ("#00838f", "1 4", "triangle")),
)
"""Colours, dashes and shapes, so that the ways of freezing can be told apart in black and white."""
_UNFROZEN = ("#111111", "", "circle")
_LINE = 20
"""Pixels from a row of the legend to the next."""
_PER_ROW = 4

Style = tuple[str, str, str]


@dataclass(frozen=True)
class _Group:
    """Curves of one way to freeze: the share of the frozen variables that is locked; None where none is frozen."""

    locked: float | None
    style: Style
    curves: tuple[Curve, ...]

    @property
    def name(self) -> str:
        if self.locked is None:
            return "nothing frozen"
        if self.locked in (0, 1):
            return "all frozen locked" if self.locked else "all frozen pruned"
        return f"{100 * self.locked:.0f} % locked"


@dataclass(frozen=True)
class _Axis:
    """An axis from one number of pixels to another, logarithmic but where it starts at zero."""

    low: float
    high: float
    first: float
    last: float

    def place(self, value: float) -> float:
        """Tells at which pixel a value stands."""
        share = value / self.high if not self.low else math.log(value / self.low) / math.log(self.high / self.low)
        return self.first + (self.last - self.first) * share

    def ticks(self) -> Iterator[float]:
        """Gives the round numbers within."""
        if not self.low:
            yield from (0, 0.2, 0.4, 0.6, 0.8, 1)
        for power in range(5 if self.low else 0):
            yield from (digit * 10**power for digit in (1, 2, 5) if self.low <= digit * 10**power <= self.high)


def draw(curves: Sequence[Curve]) -> str:
    """Draws the needed number of variables over f, and over what the lemmas measure it by.

    Args:
        curves: measured with one delta; those that did not come to a needed n above 0 are left out. The left panel
            shows those with the smallest epsilon, the right one all.

    Returns:
        An SVG document.
    """
    known = [curve for curve in curves if curve.needed]
    groups = _groups(known)
    height = HEIGHT + _LINE * max(0, (len(groups) - 1) // _PER_ROW)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="13" '
        f'viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    if known:
        parts += [*_over_freezing(known, groups), *_over_scale(known, groups), *_legend(groups)]
    else:
        parts.append(_text(20, 40, "no curve came to its needed number of variables", "start"))
    return "\n".join([*parts, "</svg>", ""])


def _groups(curves: Sequence[Curve]) -> list[_Group]:
    shares = sorted({share for share in map(_locked, curves) if share is not None})
    styles: dict[float | None, Style] = {None: _UNFROZEN}
    styles |= {share: STYLES[index % len(STYLES)] for index, share in enumerate(shares)}
    groups = [_Group(share, styles[share], tuple(c for c in curves if _locked(c) == share)) for share in styles]
    return [group for group in groups if group.curves]


def _locked(curve: Curve) -> float | None:
    freeze = curve.experiment.freeze
    return round(curve.experiment.lock / freeze, 2) if freeze else None


def _over_freezing(curves: Sequence[Curve], groups: Sequence[_Group]) -> Iterator[str]:
    """Draws the left panel: for the smallest epsilon a line for each way to freeze."""
    epsilon = min(curve.experiment.epsilon for curve in curves)
    x, y = _Axis(0, 1, *PANELS[0]), _upright(curves)
    yield from _frame(x, y, f"needed n, epsilon {epsilon:g}", "freezing ratio f = p + l")
    unfrozen = [curve for group in groups if group.locked is None for curve in group.curves]
    for group in sorted(groups, key=lambda group: group.locked is None):  # the point that all lines share on top
        shown = [c for c in {*unfrozen, *group.curves} if c.experiment.epsilon == epsilon]
        places = sorted((x.place(c.experiment.freeze), y.place(c.needed or 0)) for c in shown)
        colour, dashes, _ = group.style
        line = "M" + "L".join(f"{across:.1f} {up:.1f}" for across, up in places)
        if len(places) > 1:
            yield f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        yield from (_mark(*place, group.style) for place in places)


def _over_scale(curves: Sequence[Curve], groups: Sequence[_Group]) -> Iterator[str]:
    """Draws the right panel: all points, and the line that fits those without locking."""
    scales = [curve.experiment.scale for curve in curves]
    x, y = _Axis(0.8 * min(scales), 1.25 * max(scales), *PANELS[1]), _upright(curves)
    constant = fit(curves)
    line = "" if constant is None else f"; line: n = {constant:.1f} x"
    yield from _frame(x, y, f"needed n, every epsilon{line}", "x = log(1 / min(delta, epsilon)) / (1 - f)")
    low, high = max(x.low, y.low / (constant or 1)), min(x.high, y.high / (constant or 1))
    if constant is not None and low < high:
        start, end = ((x.place(scale), y.place(constant * scale)) for scale in (low, high))
        yield f'<path d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}" stroke="#777"/>'
    for group in groups:
        for curve in group.curves:
            yield _mark(x.place(curve.experiment.scale), y.place(curve.needed or 0), group.style)


def _upright(curves: Sequence[Curve]) -> _Axis:
    needed = [curve.needed or 0 for curve in curves]
    return _Axis(0.8 * min(needed), 1.25 * max(needed), HEIGHT - BOTTOM, TOP)


def _frame(x: _Axis, y: _Axis, above: str, below: str) -> Iterator[str]:
    for tick in y.ticks():
        height = y.place(tick)
        yield f'<path d="M{x.first} {height:.1f}H{x.last}" stroke="#ddd"/>'
        yield _text(x.first - 6, height + 4, f"{tick:g}", "end")
    for tick in x.ticks():
        across = x.place(tick)
        yield f'<path d="M{across:.1f} {y.first}v4" stroke="#999"/>'
        yield _text(across, y.first + 17, f"{tick:g}", "middle")
    yield f'<path d="M{x.first} {y.first}H{x.last}" stroke="#999"/>'
    yield _text(x.first, TOP - 14, above, "start")
    yield _text((x.first + x.last) / 2, y.first + 35, below, "middle")


def _legend(groups: Sequence[_Group]) -> Iterator[str]:
    for index, group in enumerate(groups):
        across = PANELS[0][0] + index % _PER_ROW * (WIDTH - PANELS[0][0]) / _PER_ROW
        up = HEIGHT - 24 + index // _PER_ROW * _LINE
        colour, dashes, _ = group.style
        if group.locked is not None:
            yield f'<path d="M{across} {up}h32" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        yield _mark(across + 16, up, group.style)
        yield _text(across + 40, up + 4, group.name, "start")


def _mark(x: float, y: float, style: Style) -> str:
    colour, _, shape = style
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="white" stroke="{colour}" stroke-width="2"/>'
    corners = {
        "square": "m-4 -4h8v8h-8z",
        "diamond": "m0 -6l5 6l-5 6l-5 -6z",
        "triangle": "m0 -5l5 9h-10z",
    }[shape]
    return f'<path d="M{x:.1f} {y:.1f}{corners}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
