"""Lines that fit the terminal: broken between words, so that numbers and names stay whole."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Any

import click

PAGE = 80
"""Columns of what is written where there is no terminal, so that it reads well in a file too."""
TOGETHER = "\N{NO-BREAK SPACE}"
"""A space at which `fitted` breaks no line, and which it writes as a plain one."""
_LEAST = 20
"""Columns below which nothing is broken."""


def columns(stream: Any) -> int | None:
    """Return the width of the terminal that a stream writes to.

    Args:
        stream: such as standard output; None where the shell has closed it.

    Returns:
        Columns, those of the variable COLUMNS where it is set; None where the stream is no terminal.
    """
    try:
        if stream is None or not stream.isatty():
            return None
        told = os.environ.get("COLUMNS", "")
        width = int(told) if told.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # a stream that is closed, or of a test
        return None
    return width if width >= _LEAST else None


def fitted(text: str, width: int | None, indent: str = "", after: str = "") -> str:
    """Break a line between words.

    Args:
        text: one line.
        width: columns; None leaves the line as it is.
        indent: in front of it.
        after: in front of the lines that follow.

    Returns:
        Lines of at most so many columns, but for a single longer word.
    """
    if width is not None and len(indent) + len(text) > width:
        lines = textwrap.wrap(
            text, width - max(len(indent), len(after)), break_long_words=False, break_on_hyphens=False
        )
        text = f"\n{after}".join(lines)
    return (indent + text).replace(TOGETHER, " ")


def say(text: str, *, indent: str = "", error: bool = False, page: bool = True) -> None:
    """Print a line so that it fits the terminal.

    Args:
        text: one line.
        indent: in front of it, and of the lines that it is broken into.
        error: whether it goes to standard error.
        page: whether it is broken at `PAGE` columns where there is no terminal.
    """
    width = columns(sys.stderr if error else sys.stdout)
    click.echo(fitted(text, width or (PAGE if page else None), indent, indent), err=error)
