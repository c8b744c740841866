"""The numbers behind the pictures: a row for each group to read, a row for each run as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

from ..checkpoints.results import Result
from .groups import Group, Report, Section, varying
from .words import telling, told

_MEASURED = ("sparsity", "prune", "lock")
"""Traits that a result has too: what came out, not what was asked for."""
_FROZEN = (*_MEASURED, "freeze")
_FORMULA = ("=", "+", "-", "@")
"""What a text begins with that spreadsheets would work out; an apostrophe in front keeps it a text."""
MISSING = "-"
"""What a table has where there is nothing to tell."""


def csv_of(report: Report) -> str:
    """Write the numbers of every run.

    Args:
        report: all runs.

    Returns:
        CSV (RFC 4180): a line of names, then a line a run: its folder, traits, seeds and results; `asked_` stands
        before the ratios that were asked for where the results have those that came out.
    """
    runs = [run for section in report.sections for run in section.runs]
    traits = dict.fromkeys(name for run in runs for name in run.traits)
    seeds = dict.fromkeys(name for run in runs for name in run.seeds)
    text = io.StringIO()
    writer = csv.writer(text)
    asked = [f"asked_{name}" if name in _MEASURED else name for name in traits]
    writer.writerow(["run", *map(_cell, [*asked, *seeds]), *(field.name for field in fields(Result))])
    for run in runs:
        told = [_cell(run.traits.get(name)) for name in traits], [run.seeds.get(name, "") for name in seeds]
        writer.writerow([_cell(run.name), *told[0], *told[1], *map(_cell, asdict(run.result).values())])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def in_common(section: Section) -> list[tuple[str, str]]:
    """Name what all runs of a section have in common.

    Args:
        section: the runs.

    Returns:
        Names of traits, and their values in words.
    """
    other = varying(section.groups)
    traits = section.groups[0].traits
    same = [name for name, value in traits.items() if name not in other and value is not None and value is not False]
    return [(name.replace("_", " "), told(name, traits[name])) for name in same]


def table_of(section: Section) -> tuple[list[str], list[list[str]]]:
    """Make the table of a section.

    Args:
        section: the runs.

    Returns:
        The head, and a row for each group: what varies, the shares that came out, accuracies and bits; means over the
        seeds.
    """
    other = [name for name in telling([group.traits for group in section.groups]) if name not in _FROZEN]
    columns = [name.replace("_", " ") for name in other]
    head = [*columns, "k", "p", "l", "f", "test accuracy", "bits", "search space", "runs"]
    return head, [_row(group, other) for group in section.groups]


def _row(group: Group, names: Sequence[str]) -> list[str]:
    shares = [_mean(getattr(run.result, name) for run in group.runs) for name in _MEASURED]
    frozen = None if shares[1] is None or shares[2] is None else shares[1] + shares[2]
    deviation = "" if group.deviation is None else f" ± {100 * group.deviation:.2f}"
    return [
        *(told(name, group.traits.get(name)) or MISSING for name in names),
        *(MISSING if share is None else f"{share:.3g}" for share in (*shares, frozen)),
        f"{100 * group.accuracy:.2f}{deviation} %",
        MISSING if group.bits is None else f"{group.bits:,.0f}",
        MISSING if shares[0] is None else f"{group.searched:,.0f}",
        str(len(group.runs)),
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
