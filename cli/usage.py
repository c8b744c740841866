"""A wrong call, in one line: what is wrong, what may have been meant, and where the help is."""

from __future__ import annotations

import re

import click

from sltpack.errors import closest, one_line

_VALUE = re.compile(r"'(.*?)' is not (?:one of|any of)")


def in_one_line(error: click.UsageError) -> str:
    """Write click's error about a call in one line.

    Args:
        error: as click raised it.

    Returns:
        Such as "No such command 'serch'. Did you mean search? Help: sltpack --help".
    """
    message = one_line(" ".join(error.format_message().split()))
    meant = None if "id you mean" in message else _meant(error)
    names = []
    context = error.ctx
    while context is not None and context.parent is not None:
        names.append(context.info_name or "")
        context = context.parent
    path = " ".join(["sltpack", *reversed(names), "--help"])  # however this program was started
    return " ".join(filter(None, (message, meant, f"Help: {path}")))


def _meant(error: click.UsageError) -> str | None:
    """Return what may have been meant where a command or one of a few values was misspelt."""
    if isinstance(error, click.BadParameter):
        kind = error.param.type if error.param is not None else None
        given = _VALUE.match(error.message)
        found = closest(given[1], map(str, kind.choices)) if given and isinstance(kind, click.Choice) else None
    else:
        command = error.ctx.command if error.ctx is not None else None
        given = re.match(r"No such command '(.*?)'", error.message)
        found = closest(given[1], command.commands) if given and isinstance(command, click.Group) else None
    return None if found is None else found[0].upper() + found[1:]
