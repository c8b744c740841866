"""`sltpack verify`."""

from __future__ import annotations

import click

from . import options


@click.command("verify")
@options.ticket_argument()
@options.max_weights_option()
def command(file: str, max_weights: int) -> None:
    """Check both digests of a ticket: of the file, and of the weights regenerated from it.

    The exit status is 0 where both hold and 1 where one does not.

    \b
    Examples:
      sltpack verify model.slt
      sltpack verify conv6-cifar10 && echo fine
    """
    from sltpack.tickets import load

    ticket = load(file, max_weights)
    ticket.check(ticket.digest(), file)
    click.echo(f"{file}: ok, {ticket.source.size:,} weights, weights_sha256 {ticket.weights_sha256}")
