"""`sltpack verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from sltpack.errors import FormatError, SltpackError, one_line

from . import options
from .screen import say


@click.command("verify")
@options.ticket_argument()
@options.json_option()
@options.max_weights_option()
@click.pass_context
def command(context: click.Context, file: str, as_json: bool, max_weights: int) -> None:
    """Check both digests of a ticket: of the file, and of the weights regenerated from it.

    The exit status is 0 where both hold and 1 where one does not; --json then prints "ok": false and the error.

    \b
    Examples:
      sltpack verify model.slt
      sltpack verify conv6-cifar10 && echo fine
    """
    from sltpack.checkpoints.packing import verify

    try:
        digests = asdict(verify(file, max_weights))
    except SltpackError as error:
        named = error.within(Path(file))
        if not as_json or not isinstance(error, FormatError):
            raise named from error
        click.echo(json.dumps({"file": file, "ok": False, "error": str(named)}))
        context.exit(error.exit_status)
    if as_json:
        click.echo(json.dumps({"file": file, "ok": True, **digests}))
        return
    say(one_line(f"{file}: ok"))
    for name, digest in digests.items():
        say(f"{name:<14}  {digest}")
