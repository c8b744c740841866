"""`sltpack infer`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.core import ParameterSource

from . import options

_FOR_DATA = ("data_dir", "workers", "split", "limit", "predictions", "force")
"""Options that say nothing about image files."""


@click.command("infer")
@options.ticket_argument()
@click.argument("images", metavar="[IMAGES]...", nargs=-1, type=options.PATH)
@click.option(
    "--data",
    "data_name",
    help=f"{options.DATA}. folder: and imagenet: crop pictures in ways of their own: take the kind that the ticket was "
    "searched on.",
)
@click.option("--image", is_flag=True, help="Classify the image files that follow FILE, instead of --data.")
@options.data_dir_option()
@options.workers_option()
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train", "all"]),
    default="test",
    show_default=True,
    help="Which part of the data to tell of; validation only of graphs.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Run on no more images than this, or tell of no more nodes.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Images to run at a time.",
)
@options.device_option()
@click.option(
    "--predictions",
    type=options.PATH,
    help="Write a CSV file with a line for each image: index, label, predicted, label_name, predicted_name and, of "
    "folder:PATH and imagenet:PATH, file, within PATH; of a graph a line for each node, with its part.",
)
@click.option("--model", "builder", help="package.module:builder of the ticket's own model; its code is run.")
@options.force_option()
@options.json_option()
@options.max_weights_option()
@click.pass_context
def command(
    context: click.Context,
    file: str,
    images: tuple[Path, ...],
    data_name: str | None,
    image: bool,
    data_dir: Path | None,
    workers: int | None,
    split: str,
    limit: int | None,
    batch_size: int,
    device: str,
    predictions: Path | None,
    builder: str | None,
    force: bool,
    as_json: bool,
    max_weights: int,
) -> None:
    """Run a ticket: on a data set for its accuracy, or on image files for their classes.

    FILE is a ticket, the name of one that comes with sltpack, or a ckpt.pt that a search or weight training left.

    \b
    Examples:
      sltpack infer conv6-cifar10 --data cifar10
      sltpack infer runs/trained/ckpt.pt --data cifar10
      sltpack infer model.slt --data folder:photos --predictions out.csv
      sltpack infer model.slt --image cat.png dog.jpg
    """
    if image != bool(images) or bool(images) == (data_name is not None):
        raise click.UsageError(
            "give either --data NAME, or --image and the files, as in: infer FILE --image a.png b.png"
        )
    for name in _FOR_DATA if image else ():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --data; leave it out with --image")

    from sltpack.errors import one_line
    from sltpack.inference.network import classify_files
    from sltpack.inference.scoring import score_on

    if images:
        ranked = classify_files(
            file, images, batch_size=batch_size, device=device, builder=builder, max_weights=max_weights
        )
        if as_json:
            click.echo(json.dumps([{"file": str(path), "classes": likely} for path, likely in ranked]))
            return
        for path, likely in ranked:
            click.echo(one_line(f"{path}: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in likely)))
        return
    assert data_name is not None
    result = score_on(
        file,
        data_name,
        data_dir=data_dir,
        workers=workers,
        split=split,
        limit=limit,
        batch_size=batch_size,
        device=device,
        predictions=predictions,
        force=force,
        builder=builder,
        max_weights=max_weights,
    )
    if as_json:
        click.echo(json.dumps(result.summary()))
        return
    peak = result.peak_memory
    speed = f"{result.per_second:,.0f} {result.unit} a second on {result.device}"
    owner = "GPU" if result.device.startswith("cuda") else "process"
    memory = "unknown" if peak is None else f"{peak / 2**20:,.0f} MiB"
    reached = f"accuracy {result.accuracy:.4f}, {result.right:,} of {result.count:,}"
    click.echo(one_line(f"{file} on {data_name} ({split}): {reached}"))
    if len(result.parts) > 1:
        click.echo(", ".join(f"{name} {part.accuracy:.4f}" for name, part in result.parts.items()))
    click.echo(f"{speed}, loaded in {result.load_seconds:.2f} s, peak memory of the {owner} {memory}")
