"""`sltpack verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sltpack.errors import FormatError, MismatchError, SltpackError, one_line

from . import options
from .screen import say

_GENERATED = 32


@click.command("verify")
@options.ticket_argument()
@click.option(
    "--run",
    "runs",
    is_flag=True,
    help="Also build the network, and compare the classes that it predicts on generated inputs with those in the file.",
)
@click.option(
    "--model", "builder", help="With --run: package.module:builder of the ticket's own model; its code is run."
)
@options.json_option()
@options.max_weights_option()
@click.pass_context
def command(
    context: click.Context, file: str, runs: bool, builder: str | None, as_json: bool, max_weights: int
) -> None:
    """Check both digests of a ticket: of the file, and of the weights regenerated from it.

    The exit status is 0 where both hold and 1 where one does not; --json then prints "ok": false and the error. With
    --run it is 1, too, where the network does not predict what it did when the file was made, as after a change of a
    model's code: at least 30 of 32 classes must be the same.

    \b
    Examples:
      sltpack verify model.slt
      sltpack verify conv6-cifar10 && echo fine
      sltpack verify conv6-cifar10 --run
      sltpack verify own.slt --run --model package.module:builder
    """
    if builder is not None and not runs:
        raise click.UsageError("--model goes with --run; leave it out without")

    from sltpack.tickets.verification import verify

    found: dict[str, Any] = {}
    try:
        found |= asdict(verify(file, max_weights))
        if runs:
            from sltpack.inference.checking import check_run

            found["outputs_alike"] = check_run(file, builder, max_weights)
    except SltpackError as error:
        named = error.within(Path(file))
        if not as_json or not isinstance(error, FormatError | MismatchError):
            raise named from error
        click.echo(json.dumps({"file": file, "ok": False, **found, "error": str(named)}))
        context.exit(error.exit_status)
    if as_json:
        click.echo(json.dumps({"file": file, "ok": True, **found}))
        return
    say(one_line(f"{file}: ok"))
    for name in ("file_sha256", "weights_sha256"):
        say(f"{name:<14}  {found[name]}")
    if runs:
        say(f"{'outputs':<14}  {found['outputs_alike']} of {_GENERATED} alike")
