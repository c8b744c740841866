"""Searches tickets on citation graphs beside weight training, five seeds each, and makes the table of them.

    # k and f, by validation
    python docs/measurements/graph_tickets.py choose --data cora --data-dir DATA --runs runs/graphs
    # goes on where it was stopped
    python docs/measurements/graph_tickets.py run --data cora --data-dir DATA --runs runs/graphs
    # into docs/results.md
    python docs/measurements/graph_tickets.py table --runs runs/graphs

Everything is done by the commands that a user has; what the table says is read from the checkpoints and packed files.
The choice is made among GRID by the mean validation accuracy of three short searches each, and the test nodes of those
are in no table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from sltpack import account
from sltpack.checkpoints.reading import load_any
from sltpack.checkpoints.records import Kept
from sltpack.format.container import read

GRID = ((0.2, 0.4), (0.5, 0.5), (0.5, 0.8), (0.8, 0.4))
"""Sparsity and freezing ratio of the frozen sources that are tried; the first is the paper's for GIN."""
INITS = ("ku", "skc")
SEEDS = range(5)
SEEDS_TO_CHOOSE = range(3)
PAGE = Path(__file__).parents[1] / "results.md"
BEGIN, END = "<!-- graph tickets -->\n", "<!-- end of graph tickets -->\n"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["choose", "run", "table"])
    parser.add_argument("--runs", type=Path, required=True, help="the folder of the runs")
    parser.add_argument("--data", nargs="+", default=["cora", "citeseer"])
    parser.add_argument("--data-dir", help="the folder of the graphs")
    arguments = parser.parse_args()
    for data in arguments.data if arguments.what != "table" else ():
        place = ["--data", data, *(["--data-dir", arguments.data_dir] if arguments.data_dir else [])]
        if arguments.what == "choose":
            choose(arguments.runs / data, place)
        else:
            run(arguments.runs / data, place)
    if arguments.what == "table":
        write_table([line for data in arguments.data for line in rows(arguments.runs / data, data)])


def choose(runs: Path, place: list[str]) -> None:
    """Finds the better of the frozen sources for each initialiser, by validation, and notes it."""
    chosen = {}
    for init in INITS:
        reached = {}
        for sparsity, freeze in GRID:
            found = []
            for seed in SEEDS_TO_CHOOSE:
                folder = runs / "choice" / f"{init}-{sparsity}-{freeze}-{seed}"
                _search(folder, place, seed, init, sparsity, freeze, "--recipe", "short")
                found.append(load_any(folder / "ckpt.pt").metrics["validation_accuracy"])
            reached[sparsity, freeze] = statistics.mean(found)
        chosen[init] = max(reached, key=lambda both: reached[both])
        told = ", ".join(f"k {k} f {f}: {accuracy:.4f}" for (k, f), accuracy in reached.items())
        sys.stdout.write(f"{init}: {told}\n")
    (runs / "chosen.json").write_text(json.dumps(chosen))


def run(runs: Path, place: list[str]) -> None:
    """Makes all runs, or goes on with them, and packs what they found."""
    chosen = json.loads((runs / "chosen.json").read_text())
    for seed in SEEDS:
        folder = runs / f"trained-{seed}"
        _sltpack("train", "--model", "gin", *place, "--seed", str(seed), "-o", str(folder), "--resume")
        for init in INITS:
            _search(runs / f"dense-{init}-{seed}", place, seed, init, 0.5, 0.0)
            _search(runs / f"frozen-{init}-{seed}", place, seed, init, *chosen[init])


def rows(runs: Path, data: str) -> list[str]:
    """Makes the lines of one data set, of the runs that are there."""
    lines = []
    for row, name in {
        "trained": "weight training",
        **{f"dense-{init}": f"SLT dense, {init.upper()}" for init in INITS},
        **{f"frozen-{init}": f"SLT frozen, {init.upper()}" for init in INITS},
    }.items():
        folders = [runs / f"{row}-{seed}" for seed in SEEDS if (runs / f"{row}-{seed}" / "ckpt.pt").exists()]
        every = [load_any(folder / "ckpt.pt") for folder in folders]
        ended = [(kept, folder) for kept, folder in zip(every, folders, strict=True) if "test_accuracy" in kept.metrics]
        if not ended:
            continue
        found, folders = [kept for kept, _ in ended], [folder for _, folder in ended]
        source = found[0].source
        if not found[0].searches:
            shares, bits = "| 0 | | | |", 32 * source.size
        else:
            tickets = [read(folder / "model.slt") for folder in folders]
            prune, lock = source.pruned / source.size, source.locked / source.size
            bits = round(statistics.mean(account(ticket).file_bits for ticket in tickets))
            sparsity = tickets[0].header.source.sparsity
            shares = f"| {sparsity:.3g} | {prune:.3g} | {lock:.3g} | {prune + lock:.3g} |"
        measured = " | ".join(_mean(found, part) for part in ("validation_accuracy", "test_accuracy"))
        lines.append(f"| {data} | {name} {shares} {source.searched:,} | {measured} | {bits:,} | {len(found)} |")
    return lines


def write_table(lines: list[str]) -> None:
    """Puts the table between its two marks in docs/results.md."""
    head = [
        "| | | k | p | l | f | search space | validation | test | file, bits | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n".join(head + lines) + "\n" + END + after, "utf-8")
    sys.stdout.write("\n".join(head + lines) + "\n")


def _search(folder: Path, place: list[str], seed: int, init: str, sparsity: float, freeze: float, *more: str) -> None:
    shares = ["--init", init, "--sparsity", str(sparsity), "--freeze", str(freeze)]
    _sltpack("search", "--model", "gin", *place, *shares, "--seed", str(seed), *more, "-o", str(folder), "--resume")
    _sltpack("pack", str(folder / "ckpt.pt"), "-o", str(folder / "model.slt"), "--force")


def _mean(found: list[Kept], part: str) -> str:
    reached = [kept.metrics[part] for kept in found]
    deviation = f" ± {statistics.stdev(reached):.4f}" if len(reached) > 1 else ""
    return f"{statistics.mean(reached):.4f}{deviation}"


def _sltpack(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "sltpack", *words], check=True)


if __name__ == "__main__":
    main()
