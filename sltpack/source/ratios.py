"""From global ratios to whole numbers of weights for each layer, in integers, so that the counts add up exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import RequestError


@dataclass(frozen=True)
class Counts:
    """The frozen positions of one layer."""

    pruned: int
    locked: int


def round_share(ratio: float, size: int) -> int:
    """Return round(ratio * size), the ratio being the decimal number that was written.

    Args:
        ratio: a share in 0..1.
        size: a number of weights.

    Returns:
        The nearest integer; halves go to the even one.
    """
    return round(_exact(ratio) * size)


def place(sparsity: float, freeze: float) -> tuple[float, float]:
    """Place the search space so that a sparsity lies in the middle of what it can reach (Otsuka et al. 2024).

    Args:
        sparsity: k, the wanted share of zeros.
        freeze: f, the share of frozen weights.

    Returns:
        The pruning ratio p = k - (1 - f) / 2 and the locking ratio l = f - p; where one would be negative, it is 0
        and the other is f.
    """
    # Twelve decimals, so that p and l are short decimal numbers whose sum is f again.
    wanted = round(_exact(sparsity) - (1 - _exact(freeze)) / 2, 12)
    prune = min(max(wanted, Fraction(0)), _exact(freeze))
    return float(prune), float(_exact(freeze) - prune)


def layer_counts(method: str, shapes: Sequence[tuple[int, ...]], prune: float, lock: float) -> tuple[Counts, ...]:
    """Work out how many weights of each layer are pruned and locked.

    Args:
        method: "epl" (edges per layer) or "erk" (Erdos-Renyi-kernel).
        shapes: the layers' weight shapes.
        prune: the pruning ratio p of all weights.
        lock: the locking ratio l of all weights.

    Returns:
        For each layer, counts that add up to round(p * N) and round((p + l) * N) - round(p * N).

    Raises:
        RequestError: the ratios are no shares, pass 1 together, or lead to a negative count in a layer.
    """
    for name, ratio in (("the pruning ratio", prune), ("the locking ratio", lock)):
        if not 0 <= ratio <= 1:
            raise RequestError(name, expected="a share in 0..1", found=f"{ratio:g}", remedy="choose another")
    freeze = _exact(prune) + _exact(lock)
    if freeze > 1:
        raise RequestError(
            "the freezing ratio",
            expected="pruning and locking ratios of at most 1 together",
            found=f"{prune:g} + {lock:g}",
            remedy="lower one of them",
        )
    share_out = {"epl": edges_per_layer, "erk": erdos_renyi_kernel}[method]
    total = sum(math.prod(shape) for shape in shapes)
    unpruned = share_out(shapes, total - round_share(prune, total))
    unfrozen = share_out(shapes, total - round(freeze * total))
    counts = []
    for shape, stay, searched in zip(shapes, unpruned, unfrozen, strict=True):
        if stay < searched:
            raise RequestError(
                f"ratios {prune:g} and {lock:g} by {method.upper()}",
                expected="at least as many frozen weights as pruned ones in each layer",
                found=f"{math.prod(shape) - searched} frozen and {math.prod(shape) - stay} pruned in a layer {shape}",
                remedy="raise the locking ratio, or set it to 0 with another pruning ratio",
            )
        counts.append(Counts(math.prod(shape) - stay, stay - searched))
    return tuple(counts)


def edges_per_layer(shapes: Sequence[tuple[int, ...]], stay: int) -> tuple[int, ...]:
    """Share weights out equally over the layers (EPL; Price & Tanner 2021).

    A layer that would get more than it has is full, and what is over is shared among the others, until none is over.

    Args:
        shapes: the layers' weight shapes.
        stay: how many weights stay in all layers together.

    Returns:
        How many stay in each layer.
    """
    sizes = [math.prod(shape) for shape in shapes]
    shares = [0] * len(sizes)
    left = stay
    while left:
        open_layers = [i for i, size in enumerate(sizes) if shares[i] < size]
        each, more = divmod(left, len(open_layers))
        left = 0
        for place_in_line, i in enumerate(open_layers):
            share = shares[i] + each + (place_in_line < more)
            shares[i] = min(share, sizes[i])
            left += share - shares[i]
    return tuple(shares)


def erdos_renyi_kernel(shapes: Sequence[tuple[int, ...]], stay: int) -> tuple[int, ...]:
    """Share weights out by Erdos-Renyi-kernel (ERK; Evci et al. 2020).

    The share that stays in a layer is proportional to (sum of its dimensions) / (product of its dimensions), so its
    number of weights is proportional to the sum. Layers that would pass their size are full, and the rest is solved
    again. Whole numbers come by largest remainder, earlier layers first.

    Args:
        shapes: the layers' weight shapes.
        stay: how many weights stay in all layers together.

    Returns:
        How many stay in each layer.
    """
    sizes = [math.prod(shape) for shape in shapes]
    parts = [sum(shape) for shape in shapes]
    full: set[int] = set()
    while True:
        open_layers = [i for i in range(len(sizes)) if i not in full]
        left = stay - sum(sizes[i] for i in full)
        whole = sum(parts[i] for i in open_layers)
        passing = {i for i in open_layers if left * parts[i] > sizes[i] * whole}
        if not passing:
            break
        full |= passing
    shares = [
        size if i in full else left * part // whole for i, (size, part) in enumerate(zip(sizes, parts, strict=True))
    ]
    by_remainder = sorted(open_layers, key=lambda i: (-(left * parts[i] % whole), i))
    for i in by_remainder[: stay - sum(shares)]:
        shares[i] += 1
    return tuple(shares)


def _exact(ratio: float) -> Fraction:
    # The decimal number that was written, not the binary one beside it: 0.8 is 8 / 10.
    return Fraction(str(float(ratio)))
