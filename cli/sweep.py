"""`sltpack sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sltpack.errors import RequestError, SltpackError, one_line
from sltpack.limits import PLAN_BYTES, PLAN_POINTS

from . import options, runs, search, train
from .screen import say

if TYPE_CHECKING:
    from sltpack.sweep.executors.local import Executor
    from sltpack.sweep.plan.files import Limits, Option
    from sltpack.sweep.sweeps import Sweep

_COMMANDS = {"search": search, "train": train}
_OF_THE_SWEEP = ("output", "resume", "dry-run", "quiet", "log-every", "json", "help")
"""Options that a sweep gives its runs itself."""


def _change(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, str]]:
    """Read what stands behind each --set: an option and its value."""
    changes = []
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not OPTION=VALUE.", context, parameter)
        changes.append((name, value))
    return changes


@click.command("sweep")
@click.argument("plans", metavar="PLAN...", nargs=-1, required=True, type=options.PLAN)
@click.option("-o", "--output", type=options.PATH, help="The folder for the runs, a folder each; made where missing.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="How many runs are made side by side."
)
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help="Make the runs on a cluster of Ray: HOST:PORT of its head, auto for the one that this machine is a node of, "
    "local for one of this machine alone. Each run takes OMP_NUM_THREADS CPUs, or one, and a GPU where it uses one.",
)
@click.option("--dry-run", is_flag=True, help="Show the points and what they will cost, and run none.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="OPTION=VALUE",
    callback=_change,
    help="What an option is instead of what the plan says; [1, 2] becomes an axis. Can be given more than once.",
)
@click.option(
    "--allow-model",
    "allowed",
    multiple=True,
    metavar="MODULE:BUILDER",
    help="Let the plan use this model of your own, whose code is run. One that --set model=... names is allowed too.",
)
@click.option(
    "--max-points",
    type=click.IntRange(min=1),
    default=PLAN_POINTS,
    show_default=True,
    help="The most runs that one plan may ask for.",
)
@click.option(
    "--max-plan-bytes",
    type=click.IntRange(min=1),
    default=PLAN_BYTES,
    show_default=True,
    help="The longest plan that is read.",
)
@runs.display_options()
@options.json_option()
def command(
    plans: tuple[str, ...],
    output: Path | None,
    jobs: int,
    address: str | None,
    dry_run: bool,
    changes: list[tuple[str, str]],
    allowed: tuple[str, ...],
    max_points: int,
    max_plan_bytes: int,
    quiet: bool,
    log_every: float,
    as_json: bool,
) -> None:
    """Make every run of a plan: searches and trainings over whole ranges of their options.

    PLAN is a TOML file that names what is fixed and what varies, or a plan of the package: paper:positions,
    paper:sparsity, paper:width, paper:size, paper:table, and each of them with -small behind it, for minutes on two
    cores instead of days on a GPU. Every point is a run in its own folder. The same command goes on after any stop:
    what is finished is skipped, what is broken repeated. Of several plans each has its own folder, by its name. A plan
    may come from a stranger: a model of one's own that it names is used only where --allow-model names it too.

    \b
    Examples:
      sltpack sweep paper:positions-small -o runs/positions
      sltpack sweep paper:width-small paper:size-small -o runs --jobs 2
      sltpack sweep mine.toml --dry-run
      sltpack sweep mine.toml -o runs/mine --jobs 2
      sltpack sweep mine.toml -o /shared/runs/mine --ray auto
      sltpack sweep paper:positions -o runs/positions --set recipe=short --set seed=[0,1,2]
    """
    from sltpack.sweep.plan.files import Limits

    if output is None and not dry_run:
        raise click.UsageError("Missing option '-o' / '--output'.")
    with runs.shown(quiet, log_every):
        _sweep_all(plans, output, jobs, address, dry_run, changes, allowed, Limits(max_plan_bytes, max_points), as_json)


def _sweep_all(
    plans: tuple[str, ...],
    output: Path | None,
    jobs: int,
    address: str | None,
    dry_run: bool,
    changes: list[tuple[str, str]],
    allowed: tuple[str, ...],
    limits: Limits,
    as_json: bool,
) -> None:
    from sltpack.stopping import Stopped

    from .output_sweep import show_costs, show_runs

    executor = _executor(jobs, address)
    folders = _folders(plans, output)
    sweeps = [_sweep(plan, changes, allowed, limits) for plan in plans]
    broken: list[SltpackError] = []
    for sweep, folder in zip(sweeps, folders, strict=True):
        if len(sweeps) > 1 and not as_json:
            say(one_line(sweep.where), page=False)
        if dry_run or folder is None:
            show_costs(sweep, folder, executor.threads(), jobs, as_json)
            continue
        try:
            show_runs(sweep, folder, executor, as_json)
        except Stopped:
            raise
        except SltpackError as error:  # stops no other plan
            broken.append(error)
    if broken:
        raise broken[0]


def _folders(plans: tuple[str, ...], output: Path | None) -> list[Path | None]:
    """Return the folder for the runs of each plan: the one that was named, or one in it for each of several plans."""
    if output is None:
        return [None] * len(plans)
    if len(plans) == 1:
        return [output]
    from sltpack.sweep.plan.bundled import name_of

    names = [name_of(plan) for plan in plans]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(
                name, expected="plans of different names", found="two of this name", remedy="sweep them one by one"
            )
    return [output / name for name in names]


def _sweep(plan: str, changes: list[tuple[str, str]], allowed: tuple[str, ...], limits: Limits) -> Sweep:
    """Read a plan and the data of its points."""
    from sltpack.sweep.plan.files import read, value_of
    from sltpack.sweep.plan.points import points_of
    from sltpack.sweep.sweeps import sweep_of

    told = [(option, value_of(text)) for option, text in changes]
    found = read(plan, _commands(), told, allowed=allowed, limits=limits)
    return sweep_of(found.where, points_of(found))


def _executor(jobs: int, address: str | None) -> Executor:
    """Return what makes the runs: a cluster where one is named, otherwise this machine."""
    from sltpack.sweep.executors.local import Local
    from sltpack.sweep.executors.ray.cluster import Cluster

    if address is None:
        return Local(jobs)
    if jobs != 1:
        raise RequestError(
            "--jobs",
            expected="none with --ray, whose cluster says how many runs there is room for",
            found=f"{jobs}",
            remedy="leave one of them out",
        )
    return Cluster(address)


def _commands() -> dict[str, dict[str, Option]]:
    """Return the options of each command that a plan can set, by their long names."""
    return {
        name: {option: _described(parameter) for option, parameter in _parameters(name).items()} for name in _COMMANDS
    }


def _parameters(command_name: str) -> dict[str, click.Option]:
    parameters = _COMMANDS[command_name].command.params
    named = {
        max(parameter.opts, key=len).removeprefix("--"): parameter
        for parameter in parameters
        if isinstance(parameter, click.Option)
    }
    return {name: parameter for name, parameter in named.items() if name not in _OF_THE_SWEEP}


def _described(parameter: click.Option) -> Option:
    """Tell what an option takes, in a plan as on the command line."""
    from sltpack.sweep.plan.files import Option

    if parameter.is_flag:
        return Option("true or false", lambda value: isinstance(value, bool))
    kind = parameter.type
    types: tuple[type, ...]
    if isinstance(kind, click.Choice):
        expected, types = " or ".join(map(str, kind.choices)), (str,)
    elif isinstance(kind, click.types.IntParamType):
        expected, types = "a whole number" + _range(kind), (int,)
    elif isinstance(kind, click.types.FloatParamType):
        expected, types = "a number" + _range(kind), (int, float)
    else:
        expected, types = "a text", (str,)

    def fits(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, types):
            return False
        try:
            text = str(value)
            kind.convert(text, parameter, None)
        except (click.BadParameter, ValueError):  # of a whole number of thousands of digits
            return False
        return text.isprintable()

    return Option(expected, fits)


def _range(kind: object) -> str:
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    words = [] if least is None else [f"{'above' if getattr(kind, 'min_open', False) else 'of at least'} {least}"]
    words += [] if most is None else [f"{'below' if getattr(kind, 'max_open', False) else 'of at most'} {most}"]
    return " ".join(["", " and ".join(words)]) if words else ""
