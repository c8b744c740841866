"""`sltpack search`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sltpack.format.records import INITS, METHODS, SCALES
from sltpack.searching import presets

from . import options, runs

if TYPE_CHECKING:
    from sltpack.searching.estimate import Estimate
    from sltpack.searching.settings import Settings


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
@click.option("--sparsity", type=float, help="k, the share of zero weights.")
@click.option("--freeze", type=float, help="f, the share of frozen weights, placed around k.")
@click.option(
    "--prune", type=float, help="Instead of --freeze: p, the share pruned for good; 0 where only --lock is given."
)
@click.option(
    "--lock", type=float, help="Instead of --freeze: l, the share locked for good; 0 where only --prune is given."
)
@click.option("--ratios", type=click.Choice(METHODS), help="How layers share the ratios.")
@click.option("--init", type=click.Choice(INITS), help="The random weights.")
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="Their scale; with another --init than the preset's, layer for skc and none for ku.",
)
@click.option(
    "--method",
    type=click.Choice(presets.METHODS),
    help="Search by edge-popup, or take the best of random supermasks, one an epoch.",
)
@click.option(
    "--threshold", type=click.Choice(presets.THRESHOLDS), help="One threshold for all layers, or one for each."
)
@runs.training_options()
@click.option("--freeze-seed", type=runs.SEED, help="Of the freezing.")
@click.option("--score-seed", type=runs.SEED, help="Of the scores' start, or of random supermasks.")
@click.option("--dry-run", is_flag=True, help="Time some steps, say what the search will come to, and write nothing.")
@runs.display_options()
@options.json_option()
def command(
    model: str,
    data_name: str,
    output: Path | None,
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
        from sltpack.searching.request import search_on

        settings, choices = settled(data_name, **chosen)
        if output is None or dry_run:
            _print_estimate(_estimate(model, data_name, settings, **choices), as_json)
            return
        found = search_on(model, data_name, output, settings, **choices)
    what = f"{found.source.searched:,} of {found.source.size:,} weights searched"
    runs.print_run(found, output, as_json, what, f"sltpack pack {{}} -o {shlex.quote(str(output / 'model.slt'))}")


def _estimate(
    model: str,
    data_name: str,
    settings: Settings,
    *,
    data_dir: Path | None,
    image_size: int | None,
    workers: int | None,
    device: str,
    resume: bool,
    tensorboard: bool,
    **origin_choices: Any,
) -> Estimate:
    from sltpack import data
    from sltpack.inference.devices import choose_device
    from sltpack.searching.estimate import estimate_search
    from sltpack.searching.origin import origin_of_search
    from sltpack.searching.request import noted

    place = choose_device(device, sparse=data.is_graph(data_name))
    loaded = data.load(data_name, data_dir, image_size, workers)
    origin = origin_of_search(model, loaded, settings, **origin_choices)
    told = noted(data_name, loaded, image_size)
    return estimate_search(origin.source(), loaded, settings, place, noted=told, builder=origin.builder)


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


def settled(data_name: str, preset: str, recipe: str, **chosen: Any) -> tuple[Settings, dict[str, Any]]:
    """Works out what the options of a search stand for.

    Args:
        data_name: of the data.
        preset: fills what was not chosen.
        recipe: fills the budget where it was not chosen.
        chosen: every other option by the name of its parameter, None where it was not given.

    Returns:
        The settings, and the other arguments of `search_on` by name.

    Raises:
        RequestError: a setting is out of its range.
    """
    from sltpack.searching.settings import Settings

    chosen = presets.of_recipe(recipe, runs.recipe_kind("search", data_name), presets.of_preset(preset, chosen))
    names = (*runs.TRAINING_SETTINGS, "sparsity", "method", "threshold", "score_seed")
    return Settings(**{name: chosen.pop(name) for name in names}), chosen
