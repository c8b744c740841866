"""A word in the terminal while a large library is imported, which takes seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def loading(library: str) -> Iterator[None]:
    """Show that a library is being imported, and clear the line once it is.

    Nothing is shown where the library is imported already, or where standard error is no terminal.

    Args:
        library: its name.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    leads = os.environ.get("RANK", "0") == "0"
    if library in sys.modules or not terminal or not leads:
        yield
        return
    words = f"loading {library} ..."
    click.echo(words, nl=False, err=True)
    try:
        yield
    finally:
        click.echo(f"\r{' ' * len(words)}\r", nl=False, err=True)
