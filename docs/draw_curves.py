"""Draws accuracy over epochs: of validation and training for one run, of validation for several.

python docs/draw_curves.py runs/conv6/metrics.jsonl > one.svg
python docs/draw_curves.py dense=runs/dense/metrics.jsonl frozen=runs/frozen/metrics.jsonl > several.svg
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 680, 320, 52, 40, 16, 190
LINE = 14
"""Pixels from a label to the next."""
STYLES = (
    *(("#0b5fa5", ""), ("#b35900", "6 4"), ("#2a7f3f", "2 3"), ("#8a2be2", "10 3 2 3"), ("#111111", "14 4")),
    *(("#c2185b", "4 2"), ("#00838f", "1 4"), ("#6d4c41", "8 6")),
)
"""Colours with dashes, so that the curves can be told apart in black and white."""


def read(path: Path, key: str = "validation_accuracy") -> list[float]:
    """Gives one number of each line of a metrics.jsonl."""
    return [json.loads(line)[key] for line in path.read_text("utf-8").splitlines()]


def draw(curves: Mapping[str, list[float]]) -> str:
    """Draws curves.

    Args:
        curves: shares in 0..1, one for each epoch from 1 on, by name.

    Returns:
        An SVG document.
    """
    highest = 0.1 * (int(10 * max(max(values) for values in curves.values())) + 1)
    epochs = max(map(len, curves.values()))

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(epochs - 1, 1)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share / highest

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="13" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tenth in range(0, round(10 * highest) + 1, 2):
        line = y(tenth / 10)
        parts.append(f'<path d="M{LEFT} {line:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{line + 4:.1f}" text-anchor="end">{10 * tenth} %</text>')
    for epoch in sorted({1, epochs, *range(10 if epochs > 20 else 2, epochs, 10 if epochs > 20 else 2)}):
        parts.append(f'<text x="{x(epoch):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{epoch}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">epoch</text>')
    labels = _apart({name: y(values[-1]) for name, values in curves.items()})
    for (name, values), (colour, dashes) in zip(curves.items(), itertools.cycle(STYLES), strict=False):
        points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in enumerate(values, 1))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        )
        end, place = y(values[-1]), labels[name]
        parts.append(f'<path d="M{x(len(values)) + 3:.1f} {end:.1f}L{WIDTH - RIGHT + 14} {place:.1f}" stroke="#999"/>')
        text = f"{name} {100 * values[-1]:.1f} %"
        parts.append(f'<text x="{WIDTH - RIGHT + 18}" y="{place + 4:.1f}" font-size="11" fill="{colour}">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _apart(places: Mapping[str, float]) -> dict[str, float]:
    """Moves labels down until none touches the one above it, and all up again where they pass the edge."""
    moved: dict[str, float] = {}
    lowest = 0.0
    for name in sorted(places, key=lambda name: places[name]):
        moved[name] = lowest = max(places[name], lowest + LINE)
    over = max(0.0, lowest - (HEIGHT - BOTTOM))
    return {name: place - over for name, place in moved.items()}


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) == 1 and "=" not in words[0]:
        alone = Path(words[0])
        drawn = draw({"validation": read(alone), "training": read(alone, "train_accuracy")})
    else:
        drawn = draw({name: read(Path(path)) for name, _, path in (word.partition("=") for word in words)})
    sys.stdout.write(drawn)
