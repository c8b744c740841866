"""Draws the accuracies of a search: `python docs/draw_history.py runs/conv6/metrics.jsonl > history.svg`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 52, 40, 16, 110
CURVES = (("validation_accuracy", "validation", "#0b5fa5", ""), ("train_accuracy", "training", "#b35900", "6 4"))


def draw(history: list[dict[str, float]]) -> str:
    """Draws the curves, legible in black and white by their dashes.

    Args:
        history: the lines of a metrics.jsonl.

    Returns:
        An SVG document.
    """
    highest = 0.1 * (int(10 * max(entry[key] for entry in history for key, *_ in CURVES)) + 1)
    epochs = len(history)

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
    for epoch in sorted({1, epochs, *range(10, epochs, 10)}):
        parts.append(f'<text x="{x(epoch):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{epoch}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">epoch</text>')
    last = {key: y(history[-1][key]) for key, *_ in CURVES}
    apart = dict(zip(sorted(last, key=last.__getitem__), (-6, 12), strict=True))
    for key, name, colour, dashes in CURVES:
        points = " ".join(f"{x(entry['epoch']):.1f},{y(entry[key]):.1f}" for entry in history)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        )
        label = f"{name} {100 * history[-1][key]:.1f} %"
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{last[key] + apart[key]:.1f}" font-size="11">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
    sys.stdout.write(draw([json.loads(line) for line in lines]))
