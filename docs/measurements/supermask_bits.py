"""Tells what the bits of searched tickets cost, and what richer models of them would gain.

    python docs/measurements/supermask_bits.py sizes runs/*/model.slt     # raw, rans, zstd -19, entropy
    python docs/measurements/supermask_bits.py models runs/*/model.slt    # what side information would save
    python docs/measurements/supermask_bits.py parts runs/*/model.slt     # bytes of a whole file

zstd is the command of that name.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sltpack
from sltpack.format.accounting import account, entropy_bits
from sltpack.format.records import KEPT, Layer
from sltpack.supermask import codecs
from sltpack.tickets.ticket import Ticket

Numbers = NDArray[np.int64]
STRENGTHS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""How many bits the layer's density counts for in the estimate of a class's; a layer takes the best of them, 3 bits."""
SIZE_CLASSES = 16
LOCKED_CLASSES = 8


def main() -> None:
    """Prints the table that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sizes", "models", "parts"])
    parser.add_argument("files", nargs="+", help="tickets, as files or by name")
    arguments = parser.parse_args()
    tickets = {_label(file): sltpack.load(file) for file in arguments.files}
    lines = {"sizes": sizes, "models": models, "parts": parts}[arguments.what](tickets)
    sys.stdout.write("\n".join(lines) + "\n")


def _label(file: str) -> str:
    """A run's folder, or the file's own name."""
    path = Path(file)
    return path.parent.name if path.name == "model.slt" else path.stem


def sizes(tickets: dict[str, Ticket]) -> list[str]:
    """Compares the ways to write a supermask, in bits."""
    lines = [
        "| ticket | searched | raw | rans | zstd -19 | entropy | rans, bits per searched weight |",
        "|---" * 7 + "|",
    ]
    for file, ticket in tickets.items():
        plane = {KEPT: (ticket.supermask, ticket.source.bits_of(KEPT))}
        raw, coded = (codecs.encode(name, plane)[1][KEPT] for name in ("raw", "rans"))
        squeezed = subprocess.run(["zstd", "-19", "-c", "-q", "--no-check"], input=raw, capture_output=True, check=True)
        searched = ticket.source.searched
        entropy = sum(entropy_bits(layer.searched, layer.searched_kept) for layer in ticket.source.layers)
        found = (searched, 8 * len(raw), 8 * len(coded), 8 * len(squeezed.stdout), round(entropy))
        cells = [file, *(f"{bits:,}" for bits in found), f"{8 * len(coded) / searched:.4f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def parts(tickets: dict[str, Ticket]) -> list[str]:
    """Tells where the bytes of each file go, and how many more than its supermask it has without buffers."""
    rows = {file: account(ticket.to_container()) for file, ticket in tickets.items()}
    names = list(dict.fromkeys(name for found in rows.values() for name in found.parts))
    heads = ["ticket", "file", *(name.replace("_", " ") for name in names), "without supermask and buffers"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for file, found in rows.items():
        rest = found.file_bits - found.parts["supermask"] - found.parts["buffers"]
        numbers = [found.file_bits, *(found.parts.get(name, 0) for name in names), rest]
        lines.append(f"| {file} | {' | '.join(f'{bits // 8:,}' for bits in numbers)} |")
    return lines


def models(tickets: dict[str, Ticket]) -> list[str]:
    """Tells by how many percent each kind of side information would shorten the code, negative where it would not."""
    kinds = ["|w|", "sign", "|w| and sign", "row", "column", "kernel position", "locked in row"]
    sums = {" + ".join(pair): pair for pair in (("row", "column"), ("|w| and sign", "row"), ("|w| and sign", "column"))}
    names = [*kinds, *sums]
    heads = ["ticket", *(name.replace("|w|", "size") for name in names)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for file, ticket in tickets.items():
        plain, saved = 0.0, dict.fromkeys(names, 0.0)
        for index, layer in enumerate(ticket.source.layers):
            if layer.searched_kept in (0, layer.searched):
                continue
            bits, classes = _classes(ticket, index, layer)
            entropy = entropy_bits(bits.size, int(bits.sum()))
            plain += entropy
            for name, of_each in classes.items():
                saved[name] += entropy - _coded(bits, of_each)
            for name, (first, second) in sums.items():
                saved[name] += entropy - _of_both(bits, classes[first], classes[second])
        shares = (f"{round(100 * part / plain, 2) + 0.0:.2f}" for part in saved.values())
        lines.append(f"| {file} | {' | '.join(shares)} |")
    return lines


def _classes(ticket: Ticket, index: int, layer: Layer) -> tuple[Numbers, dict[str, Numbers]]:
    """Gives a layer's bits, and for every kind of side information the class of each of them."""
    mask = ticket.freezing_mask(index).reshape(layer.shape[0], -1)
    rows, within = (mask == 0).nonzero()
    weights = ticket.source_weights(index).reshape(mask.shape)[rows, within]
    kernel = math.prod(layer.shape[2:])
    sizes_of = np.abs(weights).astype(np.float64)
    size_class = (sizes_of / (sizes_of.max() * (1 + 1e-9)) * SIZE_CLASSES).astype(np.int64)
    locked = (mask == 1).sum(1)
    order = np.searchsorted(np.quantile(locked, np.arange(1, LOCKED_CLASSES) / LOCKED_CLASSES), locked)
    sign = (weights < 0).astype(np.int64)
    classes = {
        "|w|": size_class,
        "sign": sign,
        "|w| and sign": 2 * size_class + sign,
        "row": rows,
        "column": within // kernel,
        "kernel position": within % kernel,
        "locked in row": order[rows],
    }
    return ticket.supermask_bits(index).astype(np.int64), classes


def _coded(bits: Numbers, classes: Numbers) -> float:
    """Bits that an adaptive code with a density for each class takes, whose parameters cost what they cost to learn.

    Each class's density is learnt from its own bits so far, and from the layer's density as if that had been seen on a
    number of bits before them (the Beta-binomial distribution).
    """
    counts = np.bincount(classes)
    ones = np.bincount(classes, weights=bits, minlength=counts.size)
    pairs = [(int(n), int(k)) for n, k in zip(counts, ones, strict=True) if n]
    density = bits.mean()
    least = min(sum(_learnt(n, k, s * density, s * (1 - density)) for n, k in pairs) for s in STRENGTHS)
    return least + math.log2(len(STRENGTHS))


def _learnt(length: int, ones: int, a: float, b: float) -> float:
    gamma: Callable[[float], float] = math.lgamma
    before = gamma(a) + gamma(b) - gamma(a + b)
    after = gamma(a + ones) + gamma(b + length - ones) - gamma(a + b + length)
    return (before - after) / math.log(2)


def _of_both(bits: Numbers, first: Numbers, second: Numbers) -> float:
    """Bits by a logistic model with a term for each class of two kinds, and half of log2(its bits) for each term.

    Where the terms cost more than they gain, those of one kind alone, or nothing.
    """
    level = math.log(bits.mean() / (1 - bits.mean()))
    kinds = [first, second]
    terms = [np.zeros(kind.max() + 1) for kind in kinds]
    for _ in range(12):
        for number, kind in enumerate(kinds):
            share = 1 / (1 + np.exp(-(level + terms[0][first] + terms[1][second])))
            slope = np.bincount(kind, bits - share)
            bend = np.bincount(kind, share * (1 - share))
            terms[number] = terms[number] + np.clip(slope / (bend + 1), -1, 1)
    logit = level + terms[0][first] + terms[1][second]
    fitted = float(np.logaddexp(0, np.where(bits == 1, -logit, logit)).sum() / math.log(2))
    cost = sum(0.5 * np.log2(np.maximum(np.bincount(kind), 1)).sum() for kind in kinds)
    alone = min(_coded(bits, kind) for kind in kinds)
    return min(fitted + float(cost), alone, entropy_bits(bits.size, int(bits.sum())))


if __name__ == "__main__":
    main()
