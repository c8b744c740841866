"""The page: HTML without scripts, with the pictures and the numbers in it, so that it is one file to send or keep."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from .groups import Report, Section, count_of
from .pictures import Picture
from .tables import csv_of, in_common, table_of

_STYLE = """
:root { color-scheme: light; font: 100%/1.5 system-ui, sans-serif; color: #111; background: #fff; }
body { max-width: 78rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; margin: 2rem 0 0.5rem; }
h1 { margin-top: 0.5rem; }
a { color: #00588a; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; list-style: none; padding: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 27rem)); gap: 1rem 2rem; }
figure { margin: 0; }
figure img { width: 100%; height: auto; display: block; }
figcaption, .common, footer { font-size: 0.875rem; color: #444; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
caption { text-align: left; padding-bottom: 0.25rem; }
th, td { padding: 0.2rem 0.75rem 0.2rem 0; text-align: right; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #111; vertical-align: bottom; }
.text { text-align: left; }
@media print { .figures { grid-template-columns: 1fr 1fr; } figure, tr { break-inside: avoid; } }
"""


def page_of(report: Report, pictures: Mapping[str, Sequence[tuple[Picture, str]]]) -> str:
    """Writes the page.

    Args:
        report: all runs.
        pictures: for each section, by its name, its pictures and their SVG documents.

    Returns:
        An HTML document that asks for nothing else.
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(report.title)}: strong lottery tickets</title>",
            f"<style>{_STYLE}</style>",
            *_head(report),
            *(line for section in report.sections for line in _section(section, report, pictures[section.name])),
            *_left_out(report),
            *_foot(report),
            "</html>",
            "",
        ]
    )


def _head(report: Report) -> Iterator[str]:
    runs = [run for section in report.sections for run in section.runs]
    yield f"<h1>{escape(report.title)}</h1>"
    left_out = f", {len(report.left_out)} left out" if report.left_out else ""
    table = base64.b64encode(csv_of(report).encode()).decode()
    link = f'<a download="runs.csv" href="data:text/csv;base64,{table}">every run as CSV</a>'
    yield f"<p>{count_of([len(runs)], 'finished run')}{left_out}; {link}.</p>"
    if len(report.sections) > 1:
        yield "<nav><ul>"
        for section in report.sections:
            yield f'<li><a href="#{_anchor(section, report)}">{escape(section.name)}</a> ({len(section.runs)})</li>'
        yield "</ul></nav>"


def _section(section: Section, report: Report, pictures: Sequence[tuple[Picture, str]]) -> Iterator[str]:
    yield f'<section id="{_anchor(section, report)}">'
    if section.name:
        yield f"<h2>{escape(section.name)}</h2>"
    common = ", ".join(f"{escape(name)} {escape(value)}" for name, value in in_common(section))
    yield f'<p class="common">All runs: {common}.</p>'
    yield '<div class="figures">'
    for picture, svg in pictures:
        encoded = base64.b64encode(svg.encode()).decode()
        alternative = f"{picture.panel.title}: {picture.panel.y_label} over {picture.panel.x_label}"
        yield f'<figure><img alt="{escape(alternative)}" src="data:image/svg+xml;base64,{encoded}">'
        yield f"<figcaption>{escape(picture.caption)}.</figcaption></figure>"
    yield "</div>"
    yield from _table(section)
    yield "</section>"


def _table(section: Section) -> Iterator[str]:
    head, rows = table_of(section)
    texts = head.index("k")
    yield '<div class="table"><table>'
    yield f"<thead><tr>{''.join(_cell('th', name, at < texts) for at, name in enumerate(head))}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(_cell('td', value, at < texts) for at, value in enumerate(row))}</tr>"
    yield "</tbody></table></div>"


def _cell(tag: str, value: str, text: bool) -> str:
    return f"<{tag}{' class=text' if text else ''}>{escape(value)}</{tag}>"


def _left_out(report: Report) -> Iterator[str]:
    if report.left_out:
        yield "<section><h2>Left out</h2><ul>"
        yield from (f"<li>{escape(run.name)}: {escape(run.reason)}</li>" for run in report.left_out)
        yield "</ul></section>"


def _foot(report: Report) -> Iterator[str]:
    yield (
        "<footer><p>The test accuracy is that of the epoch that was best in validation; ± is the standard deviation of "
        "a sample of seeds. k is the share of zeros in the ticket, p and l are the shares of weights that were pruned "
        "and locked for good before the search, f = p + l. Bits are those of the whole .slt file; of trained weights, "
        "32 each. A picture can be saved as SVG.</p></footer>"
    )


def _anchor(section: Section, report: Report) -> str:
    return f"section-{report.sections.index(section) + 1}"
