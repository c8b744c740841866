"""What torchrun, or whoever else started this process, says of the others that it started, in variables."""

from __future__ import annotations

import os

from .errors import RequestError


def count_processes() -> int:
    """Return how many processes share the work on all machines: `WORLD_SIZE`, or 1."""
    return _number("WORLD_SIZE", 1, least=1)


def count_local_processes() -> int:
    """Return how many of them run on this machine: `LOCAL_WORLD_SIZE`, or 1."""
    return _number("LOCAL_WORLD_SIZE", 1, least=1)


def local_rank() -> int:
    """Return which of those on this machine this process is, counted from 0: `LOCAL_RANK`, or 0."""
    return _number("LOCAL_RANK", 0, least=0)


def leads_here() -> bool:
    """Tell whether this process is alone or the first of all, which shows and prints."""
    return count_processes() == 1 or _number("RANK", 0, least=0) == 0


def _number(variable: str, default: int, *, least: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:  # job scripts often set a variable to nothing
        return default
    if not (text.isdecimal() and text.isascii() and len(text) < 10 and int(text) >= least):
        raise RequestError(
            variable,
            expected=f"a whole number of at least {least}, as torchrun sets it",
            found=repr(text),
            remedy="start several processes by torchrun, or unset the variable",
        )
    return int(text)
