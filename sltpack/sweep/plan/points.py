"""The points of a plan: one run each, in a folder that its name is readable from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...errors import FormatError, RequestError
from .files import Grid, Plan, Value

_MAX_NAME = 200
"""Characters: file systems take no more than 255 bytes."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes:
        name: of its folder.
        command: "search" or "train".
        axes: what sets it apart from the others, by option.
        options: all that it is told, by option.
    """

    name: str
    command: str
    axes: Mapping[str, Value]
    options: Mapping[str, Value]


def points_of(plan: Plan) -> tuple[Point, ...]:
    """List the points of a plan, grid after grid, the last axis of each changing fastest.

    Args:
        plan: the plan.

    Returns:
        At least one point, each with a name of its own.

    Raises:
        RequestError: two of them have one name.
        FormatError: a name is longer than a folder's may be.
    """
    points = [point for grid in plan.grids for point in _points(grid)]
    seen: set[str] = set()
    for point in points:
        alike = point.name.lower()  # as some file systems compare names
        if alike in seen:
            raise RequestError(
                f"{plan.where}: {point.name}",
                expected="points with a name each",
                found="two of this name",
                remedy="leave one of them out, or give a grid a name",
            )
        seen.add(alike)
        if len(point.name) > _MAX_NAME:
            raise FormatError(
                f"{plan.where}: {point.name}",
                expected=f"names of at most {_MAX_NAME} characters",
                found=f"one of {len(point.name)}",
                remedy="let fewer options vary in one plan, or shorten their values",
            )
    return tuple(points)


def _points(grid: Grid) -> Iterator[Point]:
    head = grid.name or ("" if grid.command == "search" else grid.command)
    for places in itertools.product(*(axis.values for axis in grid.axes)):
        axes = {
            option: value
            for axis, place in zip(grid.axes, places, strict=True)
            for option, value in zip(axis.options, place, strict=True)
        }
        parts = [head] if head else []
        parts += [f"{option}={_text(value)}" for option, value in axes.items()]
        yield Point(",".join(parts) or grid.command, grid.command, axes, {**grid.fixed, **axes})


def _text(value: Value) -> str:
    """Write a value so that it can stand in the name of a folder."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return _UNSAFE.sub("-", str(value)).strip("-")
