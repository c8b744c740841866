"""`sltpack pack`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sltpack.format.records import CODECS

from . import options, streams
from .screen import say

BEST = "ckpt.pt"
"""The file of a run's folder that is packed, `sltpack.searching.run_folder.BEST`."""


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
@options.force_option()
@options.json_option()
@options.max_weights_option()
def command(
    checkpoint: Path,
    output: Path,
    buffers: str,
    codec: str,
    builder: str | None,
    force: bool,
    as_json: bool,
    max_weights: int,
) -> None:
    """Pack a search's checkpoint into a .slt file.

    CKPT is a ckpt.pt, or the folder of a run that holds one. The file is read back and has to give the same weights,
    bit for bit, before it gets its name.

    \b
    Examples:
      sltpack pack runs/conv6 -o model.slt
      sltpack pack runs/resnet18/ckpt.pt -o small.slt --buffers f16
      sltpack pack runs/conv6/ckpt.pt -o plain.slt --codec raw
    """
    from sltpack.checkpoints.packing import pack

    from .output import print_parts

    output = streams.in_folder(output, checkpoint, ".slt")
    if checkpoint.is_dir():
        checkpoint /= BEST
    packed = pack(
        checkpoint, output, buffers=buffers, codec=codec, force=force, builder=builder, max_weights=max_weights
    )
    file = packed.account
    if as_json:
        told = {"file": str(output), "file_bits": file.file_bits, "parts": file.parts, "validated": packed.validated}
        click.echo(json.dumps(told))
    else:
        print_parts(str(output), file)
    if not packed.validated:
        say(
            "note: the search was stopped in its first epoch, and what it found was never validated; "
            "sltpack search --resume goes on",
            error=True,
            page=False,
        )
