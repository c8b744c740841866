"""`sltpack infer`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.core import ParameterSource

from sltpack import limits

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
@click.option("--image", is_flag=True, hidden=True, help="Nothing: image files need no option.")
@options.data_dir_option()
@options.workers_option()
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train", "all"]),
    help="Which part of the data to report on.  [default: test; all of a folder that is itself called test, val or the "
    "like]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Run on no more images than this, or tell of no more nodes.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Images to run at a time; fewer where --max-memory would not do for so many.",
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
@options.max_memory_option()
@click.pass_context
def command(
    context: click.Context,
    file: str,
    images: tuple[Path, ...],
    data_name: str | None,
    image: bool,
    data_dir: Path | None,
    workers: int | None,
    split: str | None,
    limit: int | None,
    batch_size: int,
    device: str,
    predictions: Path | None,
    builder: str | None,
    force: bool,
    as_json: bool,
    max_weights: int,
    max_memory: int | None,
) -> None:
    """Run a ticket: on a data set for its accuracy, or on image files for their classes.

    FILE is a ticket, the name of one that comes with sltpack, or a ckpt.pt that a search or weight training left.
    IMAGES are pictures, folders of pictures and quoted patterns such as 'photos/**/*.png'.

    \b
    Examples:
      sltpack infer conv6-cifar10 --data cifar10
      sltpack infer runs/trained/ckpt.pt --data cifar10
      sltpack infer model.slt --data folder:photos --predictions out.csv
      sltpack infer model.slt cat.png dog.jpg
      sltpack infer model.slt photos
    """
    if bool(images) == (data_name is not None):
        raise click.UsageError("give either --data NAME, or image files, as in: infer FILE a.png b.png")
    for name in _FOR_DATA if images else ():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --data; leave it out with image files")

    from sltpack.data.images.listing import pictures_of
    from sltpack.data.images.notes import Notes
    from sltpack.errors import one_line
    from sltpack.inference.network import classify_files
    from sltpack.inference.scoring import score_on

    if images:
        notes = Notes()
        ranked = classify_files(
            file,
            pictures_of(images, notes),
            batch_size=batch_size,
            device=device,
            builder=builder,
            max_weights=max_weights,
            limits=limits.memory(max_memory),
            notes=notes,
        )
        for line in notes.lines("images"):
            click.echo(line, err=True)
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
        limits=limits.memory(max_memory),
    )
    for line in result.notes:
        click.echo(one_line(line), err=True)
    if as_json:
        click.echo(json.dumps(result.summary()))
        return
    peak = result.peak_memory
    speed = f"{result.per_second:,.0f} {result.unit} a second on {result.device}"
    owner = "GPU" if result.device.startswith("cuda") else "process"
    memory = "unknown" if peak is None else f"{peak / 2**20:,.0f} MiB"
    reached = f"accuracy {result.accuracy:.4f}, {result.right:,} of {result.count:,}"
    click.echo(one_line(f"{file} on {data_name} ({result.split}): {reached}"))
    if len(result.parts) > 1:
        click.echo(", ".join(f"{name} {part.accuracy:.4f}" for name, part in result.parts.items()))
    click.echo(f"{speed}, loaded in {result.load_seconds:.2f} s, peak memory of the {owner} {memory}")
