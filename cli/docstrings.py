"""The help of the commands where `python -OO` has removed the docstrings that click takes it from."""

from __future__ import annotations

import ast
import inspect
import textwrap

import click


def restore_help(command: click.Command) -> None:
    """Give a command, and those within a group, the help that stands in their source again.

    Args:
        command: the command; one that has help, or whose source is not installed, stays as it is.
    """
    if command.help is None and command.callback is not None:
        command.help = _docstring(command.callback)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        restore_help(inner)


def _docstring(function: object) -> str | None:
    try:
        source = inspect.getsource(function)  # type: ignore[arg-type]
        (node,) = ast.parse(textwrap.dedent(source)).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    return ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
