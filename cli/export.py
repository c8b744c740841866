"""`sltpack export`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command("export")
@options.ticket_argument()
@click.option("--to", "target", required=True, metavar="TARGET", help="html or js.")
@options.output_option("The file to write.")
@options.force_option()
@options.max_weights_option()
def command(file: str, target: str, output: Path, force: bool, max_weights: int) -> None:
    """Export a ticket for other tools: a page for a browser, a reader in another language.

    The ticket is verified first: both digests have to match.

    \b
    Targets:
      html  one self-contained page with the ticket, a reader and the network
      js    a reader of .slt files as an ES module, for Node and browsers

    \b
    Examples:
      sltpack export conv6-cifar10 --to html -o cifar10.html
      sltpack export model.slt --to js -o slt.mjs
    """
    from sltpack.errors import one_line
    from sltpack.export.targets import export

    size = export(file, target, output, force=force, max_weights=max_weights)
    click.echo(one_line(f"{output}: {size:,} bytes"))
