"""`sltpack search`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sltpack.searching import presets
from sltpack.searching.request import SearchRequest

from . import options, runs

if TYPE_CHECKING:
    from sltpack.searching.estimate import Estimate


@click.command("search")
@options.model_option()
@options.data_option()
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="The folder for ckpt.pt (best validation accuracy), last.pt, metrics.jsonl and log.txt; needed but for "
    "--dry-run.",
)
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
@click.option("--dry-run", is_flag=True, help="Time some steps, say what the search will come to, and write nothing.")
@runs.display_options()
@options.json_option()
def command(
    model: str,
    data: str,
    output: Path | None,
    resume: bool,
    dry_run: bool,
    quiet: bool,
    log_every: float,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Search a ticket: which of a random network's weights to keep.

    A random part of the weights is frozen first, pruned or locked for good; only the rest is searched, by edge-popup
    with one threshold for the whole network unless other options say so. Ctrl-C leaves a usable checkpoint; the same
    command with --resume goes on.

    \b
    Examples:
      sltpack search --model conv6 --data cifar10 --sparsity 0.5 --freeze 0.5 -o runs/conv6
      sltpack search --model conv6 --data cifar10 --sparsity 0.5 --freeze 0.5 --dry-run
      sltpack search --model conv6 --data cifar10 --preset sparse --recipe short -o runs/sparse
      sltpack search --model resnet18 --data cifar10 --prune 0.3 --lock 0.4 --init ku -o runs/resnet
      sltpack search --model conv4 --data folder:photos --image-size 32 --epochs 20 -o runs/photos
      sltpack search --model conv6 --data cifar10 -o runs/conv6 --resume
      torchrun --nproc-per-node 2 -m sltpack search --model conv6 --data cifar10 -o runs/conv6
    """
    if output is None and not dry_run:
        raise click.UsageError("Missing option '-o' / '--output'.")
    with runs.shown(quiet, log_every):
        from sltpack.searching.performing import perform

        request = SearchRequest.of(model, data, **chosen)
        if output is None or dry_run:
            from sltpack.searching.estimate import estimate

            _print_estimate(estimate(request), as_json)
            return
        found = perform(request, output, resume=resume)
    what = f"{found.source.searched:,} of {found.source.size:,} weights searched"
    runs.print_run(found, output, as_json, what, f"sltpack pack {{}} -o {shlex.quote(str(output / 'model.slt'))}")


def _print_estimate(found: Estimate, as_json: bool) -> None:
    from sltpack.progress import duration

    source, pace = found.source, found.pace
    counts = {"weights": source.size, "pruned": source.pruned, "locked": source.locked, "searched": source.searched}
    if as_json:
        timed = {"epochs": found.epochs, "steps": pace.steps, "step_seconds": pace.step, "seconds": found.seconds}
        click.echo(json.dumps({**counts, "file_bits": found.file_bits, **timed}))
        return
    click.echo(f"source network: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")
    click.echo(f"file: about {found.file_bits:,} bits = {found.file_bits // 8:,} bytes")
    click.echo(f"time: {1000 * pace.step:.3g} ms per step, {pace.steps:,} steps per epoch")
    click.echo(f"      about {duration(found.seconds)} for {found.epochs:,} epoch{'s' if found.epochs > 1 else ''}")
