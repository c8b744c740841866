"""What is known of a network beside its weights: how it is fed, its classes, what was measured, what it predicts.

A run notes these facts as plain values in its checkpoints; packing writes them into the ticket, in the records of the
file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..data.dataset import DataSet
from ..data.sources import fixed_classes, fixed_input
from ..errors import FormatError
from ..format.parsing import input_from, parse, result_from
from ..format.records import PARTS, GraphInput, ImageInput, Result, compact, input_parts, known_parts
from ..models.generated import COUNT
from ..tickets.ticket import Ticket

OUTPUTS = "outputs"
"""The metric that holds the classes that the network predicts on the generated inputs."""
_DIGITS = 6
"""Of an accuracy: enough to work out the number of right predictions among half a million."""


@dataclass(frozen=True)
class Facts:
    """What is known of a network beside its weights.

    Attributes:
        input: how it is fed; None where that is unknown.
        classes: the names of its classes, by label; none where they are unknown.
        results: what was measured.
        outputs: the classes that it predicts on the generated inputs (`sltpack.models.generated`); none where unknown.
    """

    input: ImageInput | GraphInput | None = None
    classes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    outputs: tuple[int, ...] = ()


def facts_of_ticket(ticket: Ticket) -> Facts:
    """Return what a ticket says."""
    return Facts(ticket.input, ticket.classes, ticket.results, ticket.outputs)


def facts_of_run(settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> Facts:
    """Return what a run noted. What is missing or is no such value is left out, as in runs of older versions.

    Args:
        settings: of the run, with what `note` returned.
        metrics: what it measured.

    Returns:
        The facts; of a run that did not note how its network is fed, what is always so for its data.
    """
    names = settings.get("class_names")
    classes = tuple(names) if isinstance(names, list) else ()
    outputs = metrics.get(OUTPUTS)
    proper = isinstance(outputs, list) and len(outputs) == COUNT and all(type(n) is int and n >= 0 for n in outputs)
    data = str(settings.get("data", ""))
    return Facts(
        _input(settings.get("input"), data),
        classes or fixed_classes(data),
        tuple(found for part in PARTS if (found := _result(part, settings, metrics)) is not None),
        tuple(outputs) if proper and outputs else (),
    )


def note(data: DataSet) -> dict[str, Any]:
    """Return what a run notes of its data, as plain values, so that its ticket can be fed and compared.

    Args:
        data: the data set.
    """
    return {
        "input": None if data.train.input is None else compact(input_parts(data.train.input)),
        "class_names": list(data.train.classes),
        "validation_count": data.validation_size,
        "test_count": len(data.test),
    }


def data_name(settings: Mapping[str, Any]) -> str:
    """Return what the data of a run are called: the name, and behind a colon the title of what somebody brought.

    Args:
        settings: of the run.
    """
    title = settings.get("data_title")
    return f"{settings.get('data', '')}{f':{title}' if title else ''}"


def _input(noted: object, data: str) -> ImageInput | GraphInput | None:
    if not isinstance(noted, str):
        return fixed_input(data)
    try:
        return input_from(parse(noted), "checkpoint")
    except (ValueError, RecursionError, FormatError):
        return None


def _result(part: str, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> Result | None:
    accuracy = metrics.get(f"{part}_accuracy")
    if accuracy is None:
        return None
    values = {
        "data": data_name(settings) or None,
        "part": part,
        "accuracy": round(accuracy, _DIGITS),
        "count": settings.get(f"{part}_count"),
        "epochs": metrics.get("epoch"),
        "date": settings.get("date"),
        "sltpack": settings.get("sltpack"),
    }
    try:
        return result_from(known_parts(Result(**values)), "checkpoint")
    except FormatError:
        return None
