"""Searches every variant that the paper compares, trains the weights of the same network, and makes the table of them.

    # goes on where it was stopped
    python docs/measurements/variants.py run --data-dir DATA --runs runs/variants
    python docs/measurements/variants.py run --data-dir DATA --runs runs/variants --rows trained dense   # only these
    python docs/measurements/variants.py table --runs runs/variants   # into docs/results.md, with a picture

Everything is done by the commands that a user has; what the table says is read from the checkpoints and packed files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import draw_curves

from sltpack import account, load
from sltpack.checkpoints.reading import load_any
from sltpack.format.container import read

ROWS = {
    "trained": ("weight training", ["train"]),
    "dense": ("SLT dense, KU", ["search", "--preset", "dense"]),
    "sparse": ("SLT sparse, KU", ["search", "--preset", "sparse"]),
    "frozen": ("SLT frozen, KU", ["search", "--preset", "frozen"]),
    "frozen-80": ("SLT frozen, KU", ["search", "--preset", "frozen-80"]),
    "frozen-skc": ("SLT frozen, SKC", ["search", "--preset", "frozen-skc"]),
    "dense-skc": ("SLT dense, SKC", ["search", "--preset", "dense-skc"]),
    "random": ("random supermasks, SKC", ["search", "--preset", "random"]),
}
"""Every row: what it is called in the table, and the command and preset that make it."""
PAGE = Path(__file__).parents[1] / "results.md"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--runs", type=Path, required=True, help="the folder of the runs")
    parser.add_argument("--data-dir", help="the folder of CIFAR-10")
    parser.add_argument("--model", default="conv6")
    parser.add_argument("--recipe", default="short")
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("others", nargs="*", help="options for every run, behind --")
    arguments = parser.parse_args()
    if arguments.what == "run":
        for seed in arguments.seeds:
            for row in arguments.rows:
                run(arguments, row, seed)
    else:
        write_table(table(arguments.runs, arguments.seeds))
        draw_variants(arguments.runs, arguments.seeds[0])


def run(arguments: argparse.Namespace, row: str, seed: int) -> None:
    """Makes one run, or goes on with it, and packs what it found."""
    folder = arguments.runs / f"{row}-{seed}"
    data = ["--data", "cifar10", *(["--data-dir", arguments.data_dir] if arguments.data_dir else [])]
    options = ["--model", arguments.model, *data, "--recipe", arguments.recipe, "--seed", str(seed), *arguments.others]
    _sltpack(*ROWS[row][1], *options, "-o", str(folder), "--resume")
    if row != "trained":
        _sltpack("pack", str(folder / "ckpt.pt"), "-o", str(folder / "model.slt"), "--force")


def table(runs: Path, seeds: list[int]) -> list[str]:
    """Makes the lines of the table, of the runs that are there."""
    lines = [
        "| | k | p | l | f | search space | validation | test | file, bits |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, (name, _) in ROWS.items():
        folders = [runs / f"{row}-{seed}" for seed in seeds if (runs / f"{row}-{seed}" / "ckpt.pt").exists()]
        found = [load_any(folder / "ckpt.pt") for folder in folders]
        found = [kept for kept in found if "test_accuracy" in kept.metrics]
        if not found:
            continue
        validation, test = (
            _mean([kept.metrics[part] for kept in found]) for part in ("validation_accuracy", "test_accuracy")
        )
        source = found[0].source
        if not found[0].searches:
            lines.append(f"| {name} | 0 | | | | {source.size:,} | {validation} | {test} | {32 * source.size:,} |")
            continue
        ticket, file = load(folders[0] / "model.slt"), account(read(folders[0] / "model.slt"))
        prune, lock = source.pruned / source.size, source.locked / source.size
        lines.append(
            f"| {name} | {ticket.source.sparsity:.3g} | {prune:.3g} | {lock:.3g} | {prune + lock:.3g} "
            f"| {source.searched:,} | {validation} | {test} | {file.file_bits:,} |"
        )
    return lines


def write_table(lines: list[str]) -> None:
    """Puts the table between its two marks in docs/results.md."""
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- variants -->\n", "<!-- end of variants -->\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + after, "utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


def draw_variants(runs: Path, seed: int) -> None:
    """Draws the validation accuracy of one seed's runs over the epochs."""
    found = {row: runs / f"{row}-{seed}" / "metrics.jsonl" for row in ROWS}
    curves = {_label(row): draw_curves.read(path) for row, path in found.items() if path.exists()}
    PAGE.with_name("variants.svg").write_text(draw_curves.draw(curves), "utf-8")
    lines = [json.dumps({"name": name, "validation_accuracy": values}) for name, values in curves.items()]
    Path(__file__).with_name("variants.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _label(row: str) -> str:
    return "weight training" if row == "trained" else row


def _mean(numbers: list[float]) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]:.4f}"
    return f"{statistics.mean(numbers):.4f} ± {statistics.stdev(numbers):.4f}"


def _sltpack(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "sltpack", *words], check=True)


if __name__ == "__main__":
    main()
