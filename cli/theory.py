"""`sltpack theory`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from sltpack.progress import Bar
    from sltpack.theory import Curve

_RATIOS = (
    (0.0, 0.0),
    *((0.2, 0.0), (0.1, 0.1), (0.0, 0.2)),
    *((0.4, 0.0), (0.2, 0.2), (0.0, 0.4)),
    *((0.6, 0.0), (0.3, 0.3), (0.0, 0.6)),
)
"""What is measured unless something is asked for: more and more frozen, all pruned, half of each, all locked."""


@click.group("theory")
def command() -> None:
    """Measure what the existence proofs of strong lottery tickets rest on.

    \b
    Examples:
      sltpack theory subset-sum
      sltpack theory subset-sum --ratios 0.25 0.25 --epsilon 0.001
    """


@command.command("subset-sum")
@click.option(
    "--ratios",
    type=(float, float),
    metavar="P L",
    multiple=True,
    help="p and l, the probabilities that a variable is pruned and locked; again for each pair.  [default: none "
    "frozen, then f = 0.2, 0.4 and 0.6, all pruned, half of each, all locked]",
)
@click.option(
    "--epsilon",
    type=float,
    multiple=True,
    default=(0.01,),
    show_default=True,
    help="How near a sum has to come to every target; again for each.",
)
@click.option("--delta", type=float, default=0.05, show_default=True, help="The share of the trials that may fail.")
@click.option("--trials", type=int, default=200, show_default=True, help="How often the variables are drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws.")
@click.option("--most", type=int, default=500, show_default=True, help="The largest n that is tried.")
@click.option("--svg", "picture", type=options.PATH, help="Draw the needed n into this file too.")
@options.force_option()
@options.json_option()
def subset_sum(
    ratios: tuple[tuple[float, float], ...],
    epsilon: tuple[float, ...],
    delta: float,
    trials: int,
    seed: int,
    most: int,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure how many random variables reach every target by subset sums.

    Of n variables, uniform on [-1, 1], each is pruned with probability p and locked with probability l. The sum of the
    locked ones and of a subset of the free ones has to come within epsilon of the target, and every target in
    [-1/2, 1/2] needs a subset. The needed n is the smallest with which that holds in at least 1 - delta of the trials.
    C is n (1 - f) / log(1 / min(delta, epsilon)), f = p + l; what it means: docs/theory.md.

    \b
    Examples:
      sltpack theory subset-sum
      sltpack theory subset-sum --ratios 0 0 --epsilon 0.1 --epsilon 0.01 --epsilon 0.001 --json
      sltpack theory subset-sum --ratios 0 0 --ratios 0.4 0 --ratios 0 0.4 --svg needed.svg
    """
    from sltpack.charts import require_charts
    from sltpack.files import require_place, write_atomically
    from sltpack.progress import bar
    from sltpack.theory import Experiment, draw, fit, measure

    asked = [Experiment(*pair, one, delta, trials, seed, most) for one in epsilon for pair in ratios or _RATIOS]
    if picture is not None:
        require_charts("--svg")
        require_place(picture, force=force)
    curves = []
    with bar("subset sums", len(asked)) as running:
        for experiment in asked:
            name = f"p {experiment.prune:g}, l {experiment.lock:g}, epsilon {experiment.epsilon:g}"
            curves.append(measure(experiment, partial(_tell, running, name)))
            running.advance()
    constant = fit(curves)
    if as_json:
        common = {"delta": delta, "trials": trials, "seed": seed, "most": most}
        click.echo(json.dumps({**common, "constant": constant, "curves": [_summary(curve) for curve in curves]}))
    else:
        from .output import console, needed_chart, successes_chart, write

        out = console()
        if len(curves) == 1:
            out.print(successes_chart(curves[0]).drawn())
            out.print()
        out.print(needed_chart(curves).drawn())
        if constant is not None and len(curves) > 1:
            out.print()
            write(out, f"without locking, n = {constant:.2f} log(1 / min(delta, epsilon)) / (1 - f) fits best")
    if picture is not None:  # last, so that a full disk costs no more than the picture
        write_atomically(picture, draw(curves).encode(), force=force)


def _tell(running: Bar, name: str, count: int) -> None:
    running.advance(0, f"{name}: n {count}")


def _summary(curve: Curve) -> dict[str, object]:
    asked = curve.experiment
    return {
        "prune": asked.prune,
        "lock": asked.lock,
        "epsilon": asked.epsilon,
        "scale": asked.scale,
        "needed": curve.needed,
        "tried": curve.tried,
        "free": curve.free,
        "constant": curve.constant,
        "successes": list(curve.successes),
    }
