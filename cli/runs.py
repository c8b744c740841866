"""What `sltpack search` and `sltpack train` share: the options of a run, and how it is told that it ended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sltpack.format.records import source_parts
from sltpack.searching.options import Option, options_of
from sltpack.searching.presets import DEFAULT_RECIPE, RECIPES
from sltpack.searching.request import RunRequest

from . import options
from .loading import loading

if TYPE_CHECKING:
    from sltpack.checkpoints.records import Kept

_FILLED = ("ticket", "budget")
"""The groups of options that a preset or a recipe fills in."""


def request_options(kind: type[RunRequest], *groups: str) -> options.Decorator[Any]:
    """Make the options of a command from the fields of the request that it makes.

    Args:
        kind: the request.
        groups: whose options, in this order; within a group they stand as the request has them.
    """
    known = options_of(kind)
    chosen = [name for group in groups for name, option in known.items() if option.group == group]
    defaults = {own.name: own.default for own in fields(kind)}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(chosen):
            command = _made(name, known[name], defaults[name])(command)
        return command

    return decorate


def _made(name: str, option: Option, default: object) -> options.Decorator[Any]:
    """Make an option of the command line; where a preset or recipe fills it in, it has no default of its own."""
    names = (f"--{option.flag or name.replace('_', '-')}", name)
    if option.kind is bool:
        return click.option(*names, is_flag=True, help=option.help)
    shown = default if option.group not in _FILLED else None
    return click.option(
        *names,
        type=_type(option),
        default=shown,
        show_default=shown is not None,
        help=option.help,
        envvar=option.variable,
    )


def display_options() -> options.Decorator[Any]:
    """Return the decorator of what progress is shown; `shown` obeys it."""
    quiet = click.option("--quiet", is_flag=True, help="Show no progress; a run's log.txt has it in any case.")
    every = click.option(
        "--log-every",
        type=click.FloatRange(min=0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="The time between two lines of progress within an epoch, in log.txt and where there is no terminal.",
    )
    return lambda command: quiet(every(command))


@contextmanager
def shown(quiet: bool, log_every: float) -> Iterator[None]:
    """Show progress inside the `with` block as the user asked for, from the moment on in which torch is imported.

    Args:
        quiet: whether nothing is shown.
        log_every: seconds between two plain lines.
    """
    with nullcontext() if quiet else loading("torch"):
        import torch  # noqa: F401

        from sltpack.progress import Display, displaying
    with displaying(Display(quiet, log_every)):
        yield


def _type(option: Option) -> click.ParamType[Any]:
    if option.choices:
        return click.Choice(option.choices)
    if option.is_path:
        return options.PATH
    if option.group == "ticket":  # whose shares are checked where they are placed, as those of a plan are
        return click.FLOAT
    if option.kind is int:
        most = None if option.most is None else int(option.most)
        return click.IntRange(None if option.least is None else int(option.least), most)
    low = option.least if option.above is None else option.above
    high = option.most if option.below is None else option.below
    return click.FloatRange(low, high, min_open=option.above is not None, max_open=option.below is not None)


def recipe_option() -> options.Decorator[Any]:
    """What fills the budget."""
    return click.option(
        "--recipe",
        type=click.Choice(list(RECIPES)),
        default=DEFAULT_RECIPE,
        show_default=True,
        help="Sets the following up to --warmup, where they are not given.",
    )


def resume_option() -> options.Decorator[Any]:
    """Leave to go on."""
    return click.option(
        "--resume", is_flag=True, help="Go on from the folder's last whole epoch, or begin where there is none."
    )


def print_run(found: Kept, output: Path, as_json: bool, what: str, following: str) -> None:
    """Print how a search or weight training ended and what to do next, in the first of its processes.

    Args:
        found: its result.
        output: its folder.
        as_json: whether to print an object.
        what: what was done, in a few words.
        following: the command to call next, with {} for the checkpoint.
    """
    from sltpack.errors import one_line
    from sltpack.launch import leads_here
    from sltpack.searching.run_folder import BEST

    metrics = found.metrics
    if not leads_here():
        return
    if as_json:
        source = {name: value for name, value in source_parts(found.source).items() if name != "layers"}
        sizes = {"weights": found.source.size, "searched": found.source.searched}
        settings = {name: value for name, value in found.settings.items() if name != "class_names"}
        told = {"checkpoint": str(output / BEST), **source, **sizes, **metrics, "settings": settings}
        click.echo(json.dumps(told))
        return
    line = (
        f"{output / BEST}: epoch {metrics['epoch']} of {found.settings['epochs']}, "
        f"validation accuracy {metrics['validation_accuracy']:.4f}, test accuracy {metrics['test_accuracy']:.4f}, "
        f"{what}"
    )
    click.echo(one_line(line))
    click.echo(one_line(f"next: {following.format(shlex.quote(str(output / BEST)))}"))
