"""The page: HTML without scripts, with the pictures and the numbers in it, so that it is one file to send or keep."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from .. import __version__
from ..errors import RequestError
from .groups import Report, Section, count_of
from .pictures import Picture
from .tables import csv_of, in_common, table_of

_TEMPLATE = "page.html"
SYMBOLS = {
    "k": "Sparsity: the share of all weights that are zero in the ticket, those pruned before the search counted.",
    "p": "Pruning ratio: the share of all weights that were set to zero for good before the search.",
    "l": "Locking ratio: the share of all weights that were kept for good before the search.",
    "f": "Freezing ratio: f = p + l. What is frozen is not searched and costs no bit in the file.",
}
"""What the symbols at the head of a table mean."""
_WORDS = {
    "ticket": "A subnetwork of a network with random weights: a seed, and which of the weights are kept. No weight was "
    "trained.",
    **SYMBOLS,
    "search space": "The weights that are searched, (1 - f) N of the N weights of the network.",
    "dense, sparse, locked, frozen": "The network before the search: nothing is frozen; weights are pruned; weights "
    "are locked; some are pruned and some are locked.",
    "EPL, ERK": "Edges per layer, Erdos-Renyi-kernel: two ways to share the pruning and the freezing ratio among the "
    "layers. EPL leaves each layer the same number of weights; ERK leaves large layers a smaller share.",
    "KU, SKC": "How the random weights are drawn: Kaiming uniform, or signed Kaiming constant (one size a layer, with "
    "a random sign).",
    "scale": "Layer scale: the weights of a layer are made larger to make up for those that are not kept.",
    "threshold": "Whether scores are compared over the whole network (global) or within each layer.",
    "test accuracy": "The share of the test set that is classified correctly, after the epoch with the best validation "
    "accuracy. Behind ± stands the standard deviation of a sample of seeds.",
    "bits": "The size of the whole .slt file; for trained weights, 32 bits each.",
}


def require_page(where: str) -> None:
    """Make sure that a page can be written.

    Args:
        where: the command that writes it.

    Raises:
        RequestError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise RequestError(
            where, expected="the package jinja2", found="none", remedy="install it: pip install 'sltpack[figures]'"
        ) from error


def page_of(report: Report, pictures: Mapping[str, Sequence[tuple[Picture, str]]], date: datetime.date) -> str:
    """Write the page.

    Args:
        report: all runs.
        pictures: for each section, by its name, its pictures and their SVG documents.
        date: that the page bears.

    Returns:
        An HTML document that asks for nothing else.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text("utf-8"))
    return template.render(
        report=report,
        count=count_of([sum(len(section.runs) for section in report.sections)], "finished run"),
        sections=[_section(section, pictures[section.name]) for section in report.sections],
        csv=csv_of(report),
        version=__version__,
        date=date.isoformat(),
        symbols=SYMBOLS,
        words=_WORDS,
    )


def _section(section: Section, pictures: Sequence[tuple[Picture, str]]) -> dict[str, Any]:
    head, rows = table_of(section)
    return {
        "name": section.name,
        "runs": len(section.runs),
        "common": in_common(section),
        "pictures": pictures,
        "head": head,
        "texts": head.index("k"),
        "rows": rows,
    }
