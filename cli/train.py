"""`sltpack train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sltpack.searching.request import TrainRequest

from . import options, runs


@click.command("train")
@options.model_option()
@options.data_option()
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt and metrics.jsonl.")
@runs.request_options(TrainRequest, "start")
@runs.recipe_option()
@runs.request_options(TrainRequest, "budget", "steps", "seeds", "place")
@runs.resume_option()
@options.json_option()
def command(model: str, data: str, output: Path, as_json: bool, resume: bool, **chosen: Any) -> None:
    """Train the weights of a network: what a ticket is measured against.

    The same network, data, steps and checkpoints as in a search, but with all weights trained and none frozen. What
    comes out is run by sltpack infer; there is no ticket in it to pack.

    \b
    Examples:
      sltpack train --model conv6 --data cifar10 -o runs/trained
      sltpack train --model conv6 --data cifar10 --recipe short -o runs/trained
      sltpack infer runs/trained/ckpt.pt --data cifar10
    """
    from sltpack.searching.performing import perform

    found = perform(TrainRequest.of(model, data, **chosen), output, resume=resume)
    runs.print_run(found, output, as_json, f"{found.source.size:,} weights trained")
