"""`sltpack train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sltpack.format.records import INITS
from sltpack.searching.presets import of_recipe

from . import options, runs

if TYPE_CHECKING:
    from sltpack.searching.settings import TrainingSettings


@click.command("train")
@options.model_option()
@options.data_option()
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt, metrics.jsonl and log.txt.")
@click.option("--init", type=click.Choice(INITS), default="ku", show_default=True, help="Where the weights begin.")
@runs.training_options()
@runs.display_options()
@options.json_option()
def command(
    model: str, data_name: str, output: Path, quiet: bool, log_every: float, as_json: bool, **chosen: Any
) -> None:
    """Train the weights of a network: what a ticket is measured against.

    The same network, data, steps and checkpoints as in a search, but with all weights trained and none frozen. What
    comes out is run by sltpack infer; there is no ticket in it to pack.

    \b
    Examples:
      sltpack train --model conv6 --data cifar10 -o runs/trained
      sltpack train --model conv6 --data cifar10 --recipe short -o runs/trained
      sltpack infer runs/trained/ckpt.pt --data cifar10
    """
    with runs.shown(quiet, log_every):
        from sltpack.searching.request import train_on

        settings, choices = settled(data_name, **chosen)
        found = train_on(model, data_name, output, settings, **choices)
    what = f"{found.source.size:,} weights trained"
    runs.print_run(found, output, as_json, what, f"sltpack infer {{}} --data {shlex.quote(data_name)}")


def settled(data_name: str, recipe: str, **chosen: Any) -> tuple[TrainingSettings, dict[str, Any]]:
    """Works out what the options of weight training stand for.

    Args:
        data_name: of the data.
        recipe: fills the budget where it was not chosen.
        chosen: every other option by the name of its parameter, None where it was not given.

    Returns:
        The settings, and the other arguments of `train_on` by name.

    Raises:
        RequestError: a setting is out of its range.
    """
    from sltpack.searching.settings import TrainingSettings

    chosen = of_recipe(recipe, runs.recipe_kind("train", data_name), chosen)
    return TrainingSettings(**{name: chosen.pop(name) for name in runs.TRAINING_SETTINGS}), chosen
