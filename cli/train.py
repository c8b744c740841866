"""`sltpack train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sltpack.header import INITS
from sltpack.presets import of_recipe

from . import options, runs


@click.command("train")
@options.model_option()
@options.data_option()
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt and metrics.jsonl.")
@click.option("--init", type=click.Choice(INITS), default="ku", show_default=True, help="Where the weights begin.")
@runs.training_options()
@options.json_option()
def command(model: str, data_name: str, output: Path, as_json: bool, recipe: str, **chosen: Any) -> None:
    """Train the weights of a network: what a ticket is measured against.

    The same network, data, steps and checkpoints as in a search, but with all weights trained and none frozen. What
    comes out is run by sltpack infer; there is no ticket in it to pack.

    \b
    Examples:
      sltpack train --model conv6 --data cifar10 -o runs/trained
      sltpack train --model conv6 --data cifar10 --recipe short -o runs/trained
      sltpack infer runs/trained/ckpt.pt --data cifar10
    """
    from sltpack.search import TrainingSettings, train_on

    chosen = of_recipe(recipe, runs.recipe_kind("train", data_name), chosen)
    settings = TrainingSettings(**{name: chosen.pop(name) for name in runs.TRAINING_SETTINGS})
    found = train_on(model, data_name, output, settings, **chosen)
    runs.print_run(found, output, as_json, f"{found.source.size:,} weights trained")
