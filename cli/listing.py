"""`sltpack list`."""

from __future__ import annotations

import json

import click

from . import options
from .screen import say


@click.command("list")
@options.json_option()
def command(as_json: bool) -> None:
    """List what comes with sltpack by name: tickets, models, data, presets, recipes and plans.

    \b
    Examples:
      sltpack list
      sltpack list --json | jq .tickets
    """
    from sltpack.bundled import names as tickets
    from sltpack.data import NAMES
    from sltpack.searching.presets import PRESETS, RECIPES
    from sltpack.sweep.plan.bundled import names as plans

    found = {
        "tickets": tickets(),
        "models": options.MODELS,
        "data": NAMES,
        "presets": tuple(PRESETS),
        "recipes": tuple(RECIPES),
        "plans": plans(),
    }
    if as_json:
        click.echo(json.dumps(found))
        return
    for kind, uses in _USES.items():
        say(f"{kind}, {uses}")
        say(", ".join(found[kind]), indent="  ")


_USES = {
    "tickets": "where a command takes FILE",
    "models": "for --model, beside package.module:builder of your own",
    "data": "for --data",
    "presets": "for search --preset",
    "recipes": "for --recipe",
    "plans": "for sweep",
}
"""Where each kind of name is used."""
