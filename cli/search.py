"""`sltpack search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sltpack.searching import presets
from sltpack.searching.request import SearchRequest

from . import options, runs


@click.command("search")
@options.model_option()
@options.data_option()
@options.output_option("The folder for ckpt.pt (best validation accuracy), last.pt and metrics.jsonl.")
@click.option(
    "--preset",
    type=click.Choice(list(presets.PRESETS)),
    default=presets.DEFAULT_PRESET,
    show_default=True,
    help="Sets all of the following up to --threshold, where they are not given; one of --freeze, --prune and --lock "
    "takes the place of all three, and another --init that of --scale.",
)
@runs.request_options(SearchRequest, "ticket")
@runs.recipe_option()
@runs.request_options(SearchRequest, "budget", "steps", "seeds", "place")
@runs.resume_option()
@options.json_option()
def command(model: str, data: str, output: Path, as_json: bool, resume: bool, **chosen: Any) -> None:
    """Search a ticket: which of a random network's weights to keep.

    A random part of the weights is frozen first, pruned or locked for good; only the rest is searched, by edge-popup
    with one threshold for the whole network unless other options say so. Ctrl-C leaves a usable checkpoint; the same
    command with --resume goes on.

    \b
    Examples:
      sltpack search --model conv6 --data cifar10 --sparsity 0.5 --freeze 0.5 -o runs/conv6
      sltpack search --model conv6 --data cifar10 --preset sparse --recipe short -o runs/sparse
      sltpack search --model resnet18 --data cifar10 --prune 0.3 --lock 0.4 --init ku -o runs/resnet
      sltpack search --model conv4 --data folder:photos --image-size 32 --epochs 20 -o runs/photos
      sltpack search --model conv6 --data cifar10 -o runs/conv6 --resume
      torchrun --nproc-per-node 2 -m sltpack search --model conv6 --data cifar10 -o runs/conv6
    """
    from sltpack.searching.performing import perform

    found = perform(SearchRequest.of(model, data, **chosen), output, resume=resume)
    what = f"{found.source.searched:,} of {found.source.size:,} weights searched"
    runs.print_run(found, output, as_json, what)
