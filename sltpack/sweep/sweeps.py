"""A sweep: the points that can exist, what is finished of them, and the rest of the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..checkpoints.results import Result
from ..errors import RequestError, SltpackError
from ..files import make_folder
from ..locks import locked
from .executors.local import Executor, Task
from .folders import result_of
from .plan.points import Point
from .plan.requests import DataSets, Prepared, prepare


@dataclass(frozen=True)
class LeftOut:
    """A point that cannot exist.

    Attributes:
        point: the point.
        reason: why, in one line.
    """

    point: Point
    reason: str


@dataclass(frozen=True)
class Sweep:
    """The points of a plan.

    Attributes:
        where: the plan.
        runs: those that can exist, at least one.
        left_out: those that cannot.
    """

    where: str
    runs: tuple[Prepared, ...]
    left_out: tuple[LeftOut, ...]


def sweep_of(where: str, points: Sequence[Point]) -> Sweep:
    """Read the data of all points, and tell those that can exist from those that cannot.

    Args:
        where: the plan.
        points: of the plan.

    Returns:
        The sweep.

    Raises:
        RequestError: no point can exist.
        SltpackError: a point's data or model is wrong; the error names the point.
    """
    sets = DataSets()
    runs, left_out = [], []
    for point in points:
        try:
            prepared = prepare(point, sets)
        except SltpackError as error:
            raise of_point(where, point, error) from error
        if prepared.fault is None:
            runs.append(prepared)
        else:
            left_out.append(LeftOut(point, prepared.fault))
    if not runs:
        raise RequestError(
            where,
            expected="at least one point that can exist",
            found=f"none of {len(left_out)}; {left_out[0].point.name}: {left_out[0].reason}",
            remedy="correct the plan",
        )
    return Sweep(where, tuple(runs), tuple(left_out))


def of_point(where: str, point: Point, error: SltpackError) -> SltpackError:
    """Return an error that names the point of a plan that it comes from.

    Args:
        where: the plan.
        point: the point.
        error: as it was raised.
    """
    place = ": ".join(filter(None, (where, point.name, error.where)))
    return type(error)(place, expected=error.expected, found=error.found, remedy=error.remedy)


def finished(sweep: Sweep, folder: Path) -> dict[str, Result]:
    """Look for the runs that need not be made again.

    Args:
        sweep: the sweep.
        folder: that holds the folders of its runs, and need not be there.

    Returns:
        Their results, by name.

    Raises:
        SltpackError: a point's folder holds another run, or a checkpoint of another version, or a damaged one.
    """
    results = {run.point.name: result_of(run, folder / run.point.name) for run in sweep.runs}
    return {name: result for name, result in results.items() if result is not None}


def carry_on(
    sweep: Sweep, folder: Path, done: Mapping[str, Result], executor: Executor, begun: Callable[[Task], None]
) -> Generator[tuple[Task, Result | str], None, None]:
    """Make the runs that are not finished.

    Args:
        sweep: the sweep.
        folder: for the folders of its runs; made where it is missing.
        done: the finished runs, by name.
        executor: makes the others.
        begun: called when one begins.

    Yields:
        Each of the others as it ends, with its result, or why it has none. What stops the iterator stops the runs.

    Raises:
        OutputError: the folder cannot be made.
        RequestError: another sweep is at work in it.
        SltpackError: the executor can make no runs.
    """
    make_folder(folder)
    runs = {run.point.name: run for run in sweep.runs if run.point.name not in done}
    tasks = [Task(run.point, run.request, folder / name) for name, run in runs.items()]
    with locked(folder), closing(executor.run(tasks, begun)) as outcomes:
        for outcome in outcomes:
            task = outcome.task
            if outcome.fault is not None:
                yield task, outcome.fault
                continue
            try:
                result = result_of(runs[task.point.name], task.folder)
            except SltpackError as error:
                yield task, str(error)
            else:
                yield task, result or "the run ended without a result"
