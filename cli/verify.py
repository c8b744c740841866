"""`sltpack verify`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from sltpack.errors import FormatError, one_line

from . import options


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
    from sltpack.tickets.verification import verify

    try:
        digests = asdict(verify(file, max_weights))
    except FormatError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"file": file, "ok": False, "error": str(error)}))
        context.exit(error.exit_status)
    if as_json:
        click.echo(json.dumps({"file": file, "ok": True, **digests}))
    else:
        click.echo(one_line(f"{file}: ok, " + ", ".join(f"{name} {digest}" for name, digest in digests.items())))
