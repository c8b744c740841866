"""`sltpack verify`."""

from __future__ import annotations

import json

import click

from . import options


@click.command("verify")
@options.ticket_argument()
@options.json_option()
@options.max_weights_option()
def command(file: str, as_json: bool, max_weights: int) -> None:
    """Check both digests of a ticket: of the file, and of the weights regenerated from it.

    The exit status is 0 where both hold and 1 where one does not.

    \b
    Examples:
      sltpack verify model.slt
      sltpack verify conv6-cifar10 && echo fine
    """
    from sltpack import container
    from sltpack.bundled import locate
    from sltpack.tickets import Ticket

    read = container.read(locate(file), max_weights)
    ticket = Ticket.from_container(read, file)
    ticket.check(ticket.digest(), file)
    digests = {"file_sha256": container.file_sha256(read), "weights_sha256": ticket.weights_sha256}
    if as_json:
        click.echo(json.dumps({"file": file, "ok": True, **digests}))
    else:
        click.echo(f"{file}: ok, " + ", ".join(f"{name} {digest}" for name, digest in digests.items()))
