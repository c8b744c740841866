"""The needed number of variables as a picture: over f, and over what the lemmas measure it by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from .. import charts
from ..charts import Line, Panel, Point, require_charts
from ..errors import RequestError
from .needed import Curve, fit

_NEEDED = "needed variables n"
_NAMES: Mapping[float | None, str] = {None: "nothing frozen", 0.0: "all frozen pruned", 1.0: "all frozen locked"}


def draw(curves: Sequence[Curve]) -> str:
    """Draw the needed number of variables over f, and over what the lemmas measure it by.

    Args:
        curves: measured with one delta; those that did not come to a needed n above 0 are left out. The left panel
            shows those with the smallest epsilon, the right one all, and the line that fits those without locking.

    Returns:
        An SVG document.

    Raises:
        RequestError: no curve came to its needed n, or matplotlib is not installed.
    """
    known = [curve for curve in curves if curve.needed]
    if not known:
        raise RequestError(
            "the picture",
            expected="at least one curve that came to its needed n",
            found="none",
            remedy="allow larger n (--most), more failures (--delta) or sums farther off (--epsilon)",
        )
    require_charts("the picture")
    return charts.draw([_over_freezing(known), _over_scale(known)])


def _over_freezing(known: Sequence[Curve]) -> Panel:
    epsilon = min(curve.experiment.epsilon for curve in known)
    shown = [curve for curve in known if curve.experiment.epsilon == epsilon]
    lines = tuple(_lines(shown, lambda curve: curve.experiment.freeze, joined=True))
    return Panel(f"epsilon {epsilon:g}", "freezing ratio f = p + l", _NEEDED, lines, y_logarithmic=True)


def _over_scale(known: Sequence[Curve]) -> Panel:
    scales = [curve.experiment.scale for curve in known]
    constant = fit(known)
    title, guide = "every epsilon", None
    if constant is not None:
        title += f"; line: n = {constant:.1f} x"
        guide = (Point(min(scales), constant * min(scales)), Point(max(scales), constant * max(scales)))
    lines = tuple(_lines(known, lambda curve: curve.experiment.scale, joined=False))
    scale = "x = log(1 / min(delta, epsilon)) / (1 - f)"
    return Panel(title, scale, _NEEDED, lines, x_logarithmic=True, y_logarithmic=True, guide=guide)


def _lines(curves: Sequence[Curve], x: Callable[[Curve], float], *, joined: bool) -> Iterator[Line]:
    """Make a line for each way to freeze; joined ones begin where nothing is frozen."""
    ways: dict[float | None, list[Curve]] = {}
    for curve in curves:
        ways.setdefault(_locked(curve), []).append(curve)
    for locked in sorted(ways, key=lambda share: (share is None, share or 0.0)):  # what all begin with, on top
        start = ways.get(None, []) if joined and locked is not None else []
        points = tuple(Point(x(curve), curve.needed or 0) for curve in (*start, *ways[locked]))
        yield Line(_name(locked), points, joined)


def _locked(curve: Curve) -> float | None:
    """Return the share of the frozen variables that is locked; None where none is frozen."""
    freeze = curve.experiment.freeze
    return round(curve.experiment.lock / freeze, 2) if freeze else None


def _name(locked: float | None) -> str:
    return _NAMES[locked] if locked in _NAMES else f"{100 * (locked or 0):.0f} % of the frozen locked"
