"""`sltpack report`."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from sltpack.limits import METRICS_EPOCHS

from . import options
from .screen import say


@click.command("report")
@click.argument("runs", metavar="RUNS", type=options.PATH)
@options.output_option("The page, an HTML file.")
@click.option(
    "--files",
    type=options.PATH,
    help="A folder, made where missing, for each picture as SVG and all numbers as runs.csv too.",
)
@options.force_option()
@options.max_weights_option()
@click.option(
    "--max-epochs",
    type=click.IntRange(min=1),
    default=METRICS_EPOCHS,
    show_default=True,
    help="The most epochs of one run's metrics.jsonl.",
)
def command(runs: Path, output: Path, files: Path | None, force: bool, max_weights: int, max_epochs: int) -> None:
    """Draw what came out of runs: one page with pictures and tables, means and deviations over seeds.

    RUNS is the folder of a sweep, or any folder with runs in it, however deep; runs of one folder make a section.
    Accuracy is drawn over whatever varies there: sparsity, width, bits of the file. The page asks for nothing else, so
    that it can be sent and kept; runs that are not finished or damaged, and folders that cannot be read, are named on
    it. It needs matplotlib and jinja2, which pip install "sltpack[figures]" brings.

    \b
    Examples:
      sltpack report runs -o report.html
      sltpack report runs/positions -o positions.html --files figures
    """
    from sltpack.charts import require_charts
    from sltpack.errors import one_line
    from sltpack.files import make_folder, require_place, write_atomically
    from sltpack.progress import bar
    from sltpack.report.groups import count_of
    from sltpack.report.page import require_page
    from sltpack.report.reports import drawn, report_on
    from sltpack.report.runs import find

    require_charts("sltpack report")
    require_page("sltpack report")
    require_place(output, force=force)
    places = find(runs)
    with bar("reading", len(places.runs)) as reading:
        found = report_on(places, max_weights, reading.advance, max_epochs)
    pictures = drawn(found)
    written = {output: pictures.page(datetime.date.today())}
    if files is not None:
        make_folder(files)
        written = {**{files / name: text for name, text in pictures.files().items()}, **written}
    for path in written:
        require_place(path, force=force)
    for path, text in written.items():
        write_atomically(path, text.encode(), force=force)
    for left in found.left_out:
        say(one_line(f"left out: {left.name}: {left.reason}"), page=False)
    count = count_of([sum(len(section.runs) for section in found.sections)], "run")
    drawings = count_of([sum(map(len, pictures.pictures.values()))], "picture")
    say(one_line(f"{output}: {count}, {drawings}"), page=False)
