"""`sltpack pack`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from sltpack.format.records import CODECS

from . import options, streams
from .screen import say

BEST = "ckpt.pt"
"""The file of a run's folder that is packed, `sltpack.searching.run_folder.BEST`."""


def _numbers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Read numbers with commas between them."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number, or numbers with commas between them") from error


@click.command("pack")
@click.argument("checkpoint", metavar="CKPT", type=options.PATH, callback=streams.read_from)
@options.output_file_option("The .slt file to write.")
@click.option(
    "--buffers",
    type=click.Choice(["f32", "f16", "q8"]),
    default="f32",
    show_default=True,
    help="How BatchNorm's statistics are written: 32, 16 or 8 bits for each mean and each variance.",
)
@click.option(
    "--codec",
    type=click.Choice(["auto", *CODECS]),
    default="auto",
    show_default=True,
    help="How the supermask is written: one bit each, by the layers' densities, or whichever is smaller.",
)
@click.option(
    "--model",
    "builder",
    help="package.module:builder of the search's own model; its code is run, to write what it predicts.",
)
@click.option(
    "--from",
    "kind",
    metavar="KIND",
    default="auto",
    show_default=True,
    help="Which code wrote CKPT: auto tells sltpack and others by the names in the file; frozen, hidden-networks, "
    "biprop, gem-miner, gem-miner-ep, gem-miner-global-ep, supsup, iterand, ugt, multicoated, torch-prune or mask.",
)
@click.option(
    "--prune-rate",
    "rates",
    callback=_numbers,
    metavar="R[,R...]",
    help="Of another code's checkpoint: the code's own rate, in the code's own sense.",
)
@click.option(
    "--sparsity",
    "sparsities",
    callback=_numbers,
    metavar="K[,K...]",
    help="Instead of --prune-rate: the share of removed weights.",
)
@click.option("--task", type=click.IntRange(min=0), help="Of a checkpoint with several tickets: the number of one.")
@click.option(
    "--values",
    type=click.Choice(["f32", "f16"]),
    help="Store the kept weights of another code's checkpoint where signs cannot hold them.",
)
@options.force_option()
@options.json_option()
@options.max_weights_option()
def command(
    checkpoint: Path,
    output: Path,
    buffers: str,
    codec: str,
    builder: str | None,
    kind: str,
    rates: tuple[float, ...],
    sparsities: tuple[float, ...],
    task: int | None,
    values: Literal["f32", "f16"] | None,
    force: bool,
    as_json: bool,
    max_weights: int,
) -> None:
    """Pack a search's checkpoint into a .slt file.

    CKPT is a ckpt.pt, or the folder of a run that holds one, or the checkpoint of another code (docs/import.md). The
    file is read back and has to give the same weights, bit for bit, before it gets its name.

    \b
    Examples:
      sltpack pack runs/conv6 -o model.slt
      sltpack pack runs/resnet18/ckpt.pt -o small.slt --buffers f16
      sltpack pack runs/conv6/ckpt.pt -o plain.slt --codec raw
      sltpack pack model_best.pth --from hidden-networks --prune-rate 0.3 --values f16 -o theirs.slt
    """
    from sltpack.checkpoints.packing import ForeignChoices, pack

    from .output import print_parts

    output = streams.in_folder(output, checkpoint, ".slt")
    if checkpoint.is_dir():
        checkpoint /= BEST
    if rates and sparsities:
        raise click.UsageError("--prune-rate and --sparsity say the same; leave one of them out")
    packed = pack(
        checkpoint,
        output,
        buffers=buffers,
        codec=codec,
        force=force,
        builder=builder,
        foreign=ForeignChoices(kind, rates, sparsities, task, values),
        max_weights=max_weights,
    )
    file = packed.account
    if as_json:
        told = {"file": str(output), "file_bits": file.file_bits, "parts": file.parts, "validated": packed.validated}
        told |= {"found": packed.found} if packed.found else {}
        click.echo(json.dumps(told))
    else:
        if packed.found:
            say(packed.found)
        print_parts(str(output), file)
    if not packed.validated:
        say(
            "note: the search was stopped in its first epoch, and what it found was never validated; "
            "sltpack search --resume goes on",
            error=True,
            page=False,
        )
