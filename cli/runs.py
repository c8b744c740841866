"""What `sltpack search` and `sltpack train` share: the options of a run, and how it is told that it ended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sltpack.format.records import SEED_LIMIT, source_parts
from sltpack.searching.presets import DEFAULT_RECIPE, OPTIMIZERS, PRECISIONS, RECIPES

from . import options
from .loading import loading

if TYPE_CHECKING:
    from sltpack.checkpoints.records import Kept

SEED = click.IntRange(0, SEED_LIMIT - 1)
TRAINING_SETTINGS = (
    *(
        "epochs",
        "batch_size",
        "optimizer",
        "learning_rate",
        "momentum",
        "weight_decay",
        "warmup",
        "precision",
        "compiled",
    ),
    *("seed", "split_seed", "order_seed", "augmentation_seed"),
)
"""The options that become settings, of weight training as of a search."""


def training_options() -> options.Decorator[Any]:
    """All that a search and weight training are told alike."""
    positive = click.IntRange(min=1)
    decorators = (
        click.option(
            "--recipe",
            type=click.Choice(list(RECIPES)),
            default=DEFAULT_RECIPE,
            show_default=True,
            help="Sets the following up to --warmup, where they are not given.",
        ),
        click.option("--epochs", type=positive, help="Passes over what is trained on."),
        click.option(
            "--batch-size",
            type=positive,
            help="Images or nodes in a step; otherwise 128 images, or 64, 32 or 16 where an epoch would have fewer "
            "than 20 steps, and of a graph all that train.",
        ),
        click.option(
            "--optimizer",
            type=click.Choice(OPTIMIZERS),
            help="What takes the steps; adamw wants a --learning-rate of its own, such as 0.01.",
        ),
        click.option(
            "--learning-rate",
            type=click.FloatRange(min=0, min_open=True),
            help="The highest; it falls to 0 along a cosine.",
        ),
        click.option(
            "--momentum",
            type=click.FloatRange(0, 1, max_open=True),
            help="The share of a step that goes on in the next; of adamw, its first beta.",
        ),
        click.option(
            "--weight-decay", type=click.FloatRange(min=0), help="How strongly a step draws to 0 what is trained."
        ),
        click.option(
            "--warmup",
            type=click.IntRange(min=0),
            help="Epochs at the start in which the rate rises from 0; otherwise the recipe's, at most a third of all.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="auto",
            show_default=True,
            help="Of the training steps' products; auto is bfloat16 where the device multiplies it faster.",
        ),
        click.option("--compile", "compiled", is_flag=True, help="Have torch compile the training steps."),
        click.option(
            "--width",
            type=click.FloatRange(0, 1024, min_open=True),
            default=1.0,
            show_default=True,
            help="Factor of the model's channels.",
        ),
        click.option(
            "--seed", type=SEED, default=0, show_default=True, help="Of all chance that has no seed of its own."
        ),
        click.option("--weight-seed", type=SEED, help="Of the random weights."),
        click.option("--split-seed", type=SEED, help="Of the split into training and validation."),
        click.option("--order-seed", type=SEED, help="Of the order of the images."),
        click.option("--augmentation-seed", type=SEED, help="Of crops and mirrors."),
        options.data_dir_option(),
        click.option("--image-size", type=positive, help="Scale and crop the images of a folder to this size."),
        options.workers_option(),
        options.device_option(),
        click.option(
            "--resume", is_flag=True, help="Go on from the folder's last whole epoch, or begin where there is none."
        ),
        click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard into the folder too."),
        options.max_weights_option(),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


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


def recipe_kind(command: str, data_name: str) -> str:
    """Gives the kind of recipe that a command takes for a data set."""
    from sltpack.data import is_graph

    return "graph" if is_graph(data_name) else command


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
