"""`sltpack report`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


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
def command(runs: Path, output: Path, files: Path | None, force: bool, max_weights: int) -> None:
    """Draw what came out of runs: one page with pictures and tables, means and deviations over seeds.

    RUNS is the folder of a sweep, or any folder with runs in it, however deep; runs of one folder make a section.
    Accuracy is drawn over whatever varies there: sparsity, width, bits of the file. The page asks for nothing else, so
    that it can be sent and kept; runs that are not finished or damaged are named on it. It needs matplotlib, which
    pip install "sltpack[figures]" brings.

    \b
    Examples:
      sltpack report runs -o report.html
      sltpack report runs/positions -o positions.html --files figures
    """
    from sltpack.charts import require_charts
    from sltpack.errors import one_line
    from sltpack.files import make_folder, refuse_existing, write_atomically
    from sltpack.progress import bar
    from sltpack.report.groups import count_of
    from sltpack.report.reports import drawn, report_on
    from sltpack.report.runs import find

    require_charts("sltpack report")
    if not force:
        refuse_existing(output)
    places = find(runs)
    with bar("reading", len(places)) as reading:
        found = report_on(runs, places, max_weights, reading.advance)
    pictures = drawn(found)
    written = {output: pictures.page()}
    if files is not None:
        make_folder(files)
        written = {**{files / name: text for name, text in pictures.files().items()}, **written}
    if not force:
        for path in written:
            refuse_existing(path)
    for path, text in written.items():
        write_atomically(path, text.encode(), force=force)
    for left in found.left_out:
        click.echo(one_line(f"left out: {left.name}: {left.reason}"))
    count = count_of([sum(len(section.runs) for section in found.sections)], "run")
    drawings = count_of([sum(map(len, pictures.pictures.values()))], "picture")
    click.echo(one_line(f"{output}: {count}, {drawings}"))
