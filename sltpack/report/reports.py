"""The way from a folder of runs to a page and the files of its pictures."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..charts import draw
from ..errors import RequestError, one_line
from ..limits import METRICS_EPOCHS
from .groups import Report, sections_of
from .page import page_of
from .pictures import Picture, names_of, pictures_of
from .runs import LeftOut, Places, Run, read
from .tables import csv_of

_UNSAFE = re.compile(r"[^A-Za-z0-9_.+]+")
_MOST_NAME = 120
"""Characters of a picture's file name without its number and ending, so that every file system takes it."""


@dataclass(frozen=True)
class Drawn:
    """A report with its pictures.

    Attributes:
        report: the runs.
        pictures: for each section, by its name, its pictures and their SVG documents.
    """

    report: Report
    pictures: Mapping[str, Sequence[tuple[Picture, str]]]

    def page(self, date: datetime.date) -> str:
        """Write the page, an HTML document.

        Args:
            date: that it bears.
        """
        return page_of(self.report, self.pictures, date)

    def files(self) -> dict[str, str]:
        """Return the pictures and the numbers as files, text by name."""
        files = {"runs.csv": csv_of(self.report)}
        for section, pictures in self.pictures.items():
            for picture, svg in pictures:
                words = [section, picture.kind, picture.panel.title.replace(" on ", " ")]
                stem = "-".join(_UNSAFE.sub("-", word).strip("-") for word in words if word)[:_MOST_NAME]
                names = (f"{stem}{f'-{number}' if number > 1 else ''}.svg" for number in range(1, len(files) + 2))
                files[next(name for name in names if name not in files)] = svg
        return files


def report_on(places: Places, max_weights: int, told: Callable[[], None], max_epochs: int = METRICS_EPOCHS) -> Report:
    """Read runs and put them in order.

    Args:
        places: where they are, as `find` returns it.
        max_weights: the most weights that a network may have.
        told: called after each.
        max_epochs: the most epochs of a curve.

    Returns:
        The report.

    Raises:
        RequestError: none of the runs is finished and whole.
    """
    runs: list[Run] = []
    left_out = list(places.unreadable)
    first: dict[object, str] = {}
    folder = places.folder
    for place in places.runs:
        found = read(place, folder, max_weights, max_epochs)
        if isinstance(found, Run):
            # A copy, or a repeat, would count as one more seed, and make the deviation smaller than it is.
            alike = found.section, frozenset(found.traits.items()), frozenset(found.seeds.items())
            earlier = first.setdefault(alike, found.name)
            if earlier != found.name:
                found = LeftOut(found.name, f"the same settings and seeds as {earlier}")
        if isinstance(found, Run):
            runs.append(found)
        else:
            left_out.append(found)
        told()
    if not runs:
        count = f"{len(left_out)} that {'is' if len(left_out) == 1 else 'are'} not"
        raise RequestError(
            folder,
            expected="at least one finished run of sltpack search, train or sweep",
            found=f"{count}; {left_out[0].name}: {left_out[0].reason}" if left_out else "none",
            remedy="make one, or let it go on to its end",
        )
    return Report(one_line(folder.absolute().name), sections_of(runs), tuple(left_out))


def drawn(report: Report) -> Drawn:
    """Draw the pictures of a report.

    Args:
        report: the runs.
    """
    pictures = {}
    for section in report.sections:
        chosen = pictures_of(section)
        names = names_of(chosen)
        pictures[section.name] = [(picture, draw([picture.panel], names)) for picture in chosen]
    return Drawn(report, pictures)
