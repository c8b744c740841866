"""What a ticket says of its network beside its weights, in lines for a reader."""

from __future__ import annotations

from itertools import groupby

from sltpack.format.records import GraphInput, Header, ImageInput, Result

_SHOWN = 5
"""Class names, beside the last one."""


def lines_of(header: Header) -> list[str]:
    """Say how a network is fed, what it tells apart and how accurate it was measured to be.

    Args:
        header: of the ticket.

    Returns:
        A line for each that is known; what is not is said too, where one must know it to run the network.
    """
    lines = [_input(header.input)]
    if header.classes:
        names = header.classes
        short = names if len(names) <= _SHOWN + 1 else (*names[:_SHOWN], "...", names[-1])
        lines.append(f"{len(names):,} classes: {', '.join(short)}")
    for data, results in groupby(header.results, lambda result: result.data):
        lines.append(f"measured on {data or 'unnamed data'}: {'; '.join(map(_result, results))}")
    return lines


def _input(given: ImageInput | GraphInput | None) -> str:
    if given is None:
        return "input: unknown, the file does not say how its network is fed"
    if isinstance(given, GraphInput):
        return f"input: a graph, features {given.features}, edges {given.edges}"
    low, high = given.range
    mean, deviation = (" ".join(f"{number:g}" for number in numbers) for numbers in (given.mean, given.deviation))
    return f"input: pictures, fit {given.fit}, values {low:g} to {high:g}, mean {mean}, deviation {deviation}"


def _result(result: Result) -> str:
    words = [result.part or "part unknown"]
    if result.accuracy is not None:
        words.append(f"{result.accuracy:.4f}")
    if result.count is not None:
        words.append(f"of {result.count:,}")
    if result.epochs is not None:
        words.append(f"after epoch {result.epochs:,}")
    return " ".join(words)
