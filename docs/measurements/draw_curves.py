"""Draws accuracy over epochs: of validation and training for one run, of validation for several.

python docs/measurements/draw_curves.py runs/conv6/metrics.jsonl > one.svg
python docs/measurements/draw_curves.py dense=runs/dense/metrics.jsonl frozen=runs/frozen/metrics.jsonl > several.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from sltpack import charts
from sltpack.charts import Line, Panel, Point


def read(path: Path, key: str = "validation_accuracy") -> list[float]:
    """Gives one number of each line of a metrics.jsonl."""
    return [json.loads(line)[key] for line in path.read_text("utf-8").splitlines()]


def draw(curves: Mapping[str, list[float]], label: str = "validation accuracy") -> str:
    """Draws curves.

    Args:
        curves: shares in 0..1, one for each epoch from 1 on, by name.
        label: what they are.

    Returns:
        An SVG document.
    """
    lines = tuple(
        Line(f"{name} {100 * values[-1]:.1f} %", tuple(Point(epoch, value) for epoch, value in enumerate(values, 1)))
        for name, values in curves.items()
    )
    return charts.draw([Panel("", "epoch", label, lines, percent=True)])


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) == 1 and "=" not in words[0]:
        alone = Path(words[0])
        drawn = draw({"validation": read(alone), "training": read(alone, "train_accuracy")}, "accuracy")
    else:
        drawn = draw({name: read(Path(path)) for name, _, path in (word.partition("=") for word in words)})
    sys.stdout.write(drawn)
