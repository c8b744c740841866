"""`sltpack export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from . import options


@click.command("export")
@options.ticket_argument()
@click.option("--to", "target", required=True, metavar="TARGET", help="onnx, html or js.")
@options.output_option("The file to write.")
@click.option("--model", "builder", help="package.module:builder of a model of your own; its code is run (onnx).")
@click.option(
    "--weights",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="How weights stand in an ONNX model; int8 holds -1, 0 and +1 with one step a layer, exactly.",
)
@click.option("--with-preprocessing", is_flag=True, help="Have the ONNX model take the bytes of pixels.")
@options.force_option()
@options.max_weights_option()
def command(
    file: str,
    target: str,
    output: Path,
    builder: str | None,
    weights: Literal["float32", "int8"],
    with_preprocessing: bool,
    force: bool,
    max_weights: int,
) -> None:
    """Export a ticket for other tools: a page for a browser, a reader in another language.

    The ticket is verified first: both digests have to match.

    \b
    Targets:
      onnx  the network as an ONNX model (extra onnx)
      html  one self-contained page with the ticket, a reader and the network
      js    a reader of .slt files as an ES module, for Node and browsers

    \b
    Examples:
      sltpack export conv6-cifar10 --to html -o cifar10.html
      sltpack export conv6-cifar10 --to onnx --weights int8 --with-preprocessing -o cifar10.onnx
      sltpack export model.slt --to js -o slt.mjs
    """
    from sltpack.errors import one_line
    from sltpack.export.targets import Options, export

    chosen = Options(builder, weights, with_preprocessing)
    size = export(file, target, output, chosen, force=force, max_weights=max_weights)
    click.echo(one_line(f"{output}: {size:,} bytes"))
