"""Making a source network: from a model and the ratios that are wanted to every layer's freezing thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..errors import OptionError, RequestError
from ..format.records import INITS, METHODS, NAME, SCALES, SEED_LIMIT, ModelSpec, Ratios, Seeds, Source
from .freezing import freeze
from .ratios import layer_counts, round_share


def make_source(
    model: ModelSpec,
    shapes: Mapping[str, tuple[int, ...]] | Mapping[tuple[str, ...], tuple[int, ...]],
    init: str,
    scale: str,
    seeds: Seeds,
    ratios: Ratios,
) -> Source:
    """Freeze a random part of a random network.

    Args:
        model: what the file names the model by.
        shapes: the weight shapes of its searchable layers by name, or by all names of each, in order.
        init: "ku" or "skc".
        scale: "none", "layer" or "global".
        seeds: for weights and for freezing.
        ratios: the global ratios and how layers share them.

    Returns:
        The source, nothing kept but the locked weights.

    Raises:
        RequestError: the ratios cannot be, or a name or seed is not one of these.
    """
    for name, value, known in (("init", init, INITS), ("scale", scale, SCALES), ("ratios", ratios.method, METHODS)):
        if value not in known:
            raise RequestError(
                f"--{name}", expected=" or ".join(known), found=repr(value), remedy="choose one of these"
            )
    for name, seed in (("weight-seed", seeds.weights), ("freeze-seed", seeds.freezing)):
        if not 0 <= seed < SEED_LIMIT:
            raise RequestError(
                f"--{name}", expected="an integer in 0..2^64 - 1", found=str(seed), remedy="choose another"
            )
    names = [(name,) if isinstance(name, str) else name for name in shapes]
    for name in (name for of_layer in names for name in of_layer):
        if not NAME.fullmatch(name):
            raise RequestError(
                f"layer {name}",
                expected="a name of 1 to 256 characters without spaces",
                found=repr(name),
                remedy="rename the layer in the model",
            )
    counts = layer_counts(ratios.method, list(shapes.values()), ratios.prune, ratios.lock)
    layers = freeze(seeds.freezing, [of_layer[0] for of_layer in names], list(shapes.values()), counts)
    named = (replace(layer, names=of_layer) for layer, of_layer in zip(layers, names, strict=True))
    return Source(model, init, scale, seeds, ratios, tuple(named))


def searched_kept(source: Source, sparsity: float) -> int:
    """Work out how many searched weights a ticket keeps.

    Args:
        source: the source network.
        sparsity: k, the share of all weights that are to be zero.

    Returns:
        N - round(k N) - locked.

    Raises:
        RequestError: the sparsity is outside p..1 - l and cannot be reached.
    """
    zeros = round_share(sparsity, source.size) if 0 <= sparsity <= 1 else -1
    kept = source.size - zeros - source.locked
    if not 0 <= kept <= source.searched:
        lowest, highest = source.pruned / source.size, 1 - source.locked / source.size
        reachable = f"{lowest:.6g}..{highest:.6g}, which" if source.searched else f"{lowest:.6g}, which alone"
        raise OptionError(
            "sparsity",
            expected=f"{reachable} these pruning and locking ratios can reach",
            found=f"{sparsity:g}",
            remedy="choose another sparsity, or freeze fewer weights",
        )
    return kept


def kept_by_layer(source: Source, kept: int) -> tuple[int, ...]:
    """Share the searched weights that are kept out over the layers, so that each keeps the same share of its own.

    Args:
        source: the source network.
        kept: how many searched weights are kept in all layers together.

    Returns:
        How many in each layer, whole numbers by largest remainder, earlier layers first.
    """
    parts = [layer.searched * kept for layer in source.layers]
    whole = max(source.searched, 1)
    shares = [part // whole for part in parts]
    for index in sorted(range(len(parts)), key=lambda i: (-(parts[i] % whole), i))[: kept - sum(shares)]:
        shares[index] += 1
    return tuple(shares)
