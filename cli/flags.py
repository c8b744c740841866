"""The parameters of the library as the command line spells them: `learning_rate` is --learning-rate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import click

from sltpack.errors import OptionError, SltpackError, one_line

_QUOTED = re.compile(r"`([a-z_]+)`")


def flags_of(commands: Iterable[click.Command]) -> Mapping[str, str]:
    """Return the longest flag of each option, by the name of its parameter.

    Args:
        commands: whose options they are.
    """
    return {
        parameter.name: max(parameter.opts, key=len)
        for command in commands
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name is not None
    }


def spelled(error: SltpackError, flags: Mapping[str, str]) -> str:
    """Return the sentence of an error with flags in place of parameters.

    Args:
        error: the error.
        flags: by the names of the parameters.
    """
    sentence = str(error)
    if isinstance(error, OptionError):
        place, _, name = error.where.rpartition(": ")
        told = one_line(f"{error.where}: ")
        flag = flags.get(name, name)
        sentence = (f"{place}: {flag}: " if place else f"{flag}: ") + sentence.removeprefix(told)
    return in_flags(sentence, flags)


def in_flags(sentence: str, flags: Mapping[str, str]) -> str:
    """Return a sentence with flags in place of the parameters between backquotes."""
    return _QUOTED.sub(lambda found: flags.get(found[1], found[0]), sentence)
