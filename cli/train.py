"""`sltpack train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from sltpack.searching.request import TrainRequest

from . import options, runs


@click.command("train")
@options.model_option()
@options.data_option()
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt, metrics.jsonl and log.txt.")
@runs.request_options(TrainRequest, "start")
@runs.recipe_option()
@runs.request_options(TrainRequest, "budget", "steps", "seeds", "place")
@runs.resume_option()
@runs.display_options()
@options.json_option()
def command(
    model: str,
    data: str,
    output: Path,
    resume: bool,
    quiet: bool,
    log_every: float,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train the weights of a network: the baseline of a ticket.

    The same network, data, steps and checkpoints as in a search, but with all weights trained and none frozen. What
    comes out is run by sltpack infer; there is no ticket in it to pack.

    \b
    Examples:
      sltpack train --model conv6 --data cifar10 -o runs/trained
      sltpack train --model conv6 --data cifar10 --recipe short -o runs/trained
      sltpack infer runs/trained/ckpt.pt --data cifar10
    """
    with runs.shown(quiet, log_every):
        from sltpack.searching.performing import perform

        found = perform(TrainRequest.of(model, data, **chosen), output, resume=resume)
    what = f"{found.source.size:,} weights trained"
    runs.print_run(found, output, as_json, what, f"sltpack infer {{}} --data {shlex.quote(data)}")
