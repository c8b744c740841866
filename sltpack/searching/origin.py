"""What a run's source network is made from: a model that fits the data, and the ratios that the options stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import models
from ..data.dataset import DataSet
from ..errors import RequestError
from ..format.records import MAX_WEIGHTS, Layer, ModelSpec, Ratios, Seeds, Source
from ..source.network import make_source
from ..source.ratios import layer_counts, place
from .presets import DEFAULT_PRESET, PRESETS, default_scale
from .settings import Settings, TrainingSettings

FREEZE: float = PRESETS[DEFAULT_PRESET]["freeze"]
"""The freezing ratio where none is asked for."""


@dataclass(frozen=True)
class Origin:
    """All that decides a source network.

    Attributes:
        model: by name, with the arguments of its builder.
        builder: "package.module:function" where the model is the user's own.
        shapes: the weight shapes of its searchable layers by name, in order.
        init: "ku" or "skc".
        scale: "none", "layer" or "global".
        seeds: for weights and for freezing.
        ratios: how much is frozen, and how layers share it.
    """

    model: ModelSpec
    builder: str | None
    shapes: dict[str, tuple[int, ...]]
    init: str
    scale: str
    seeds: Seeds
    ratios: Ratios

    def source(self) -> Source:
        """Makes the source network.

        Raises:
            RequestError: the ratios cannot be, or a name or seed is not one of these.
        """
        return make_source(self.model, self.shapes, self.init, self.scale, self.seeds, self.ratios)

    def counted(self) -> Source:
        """Gives the source network but for its freezing: each layer's counts as they are wanted, no thresholds.

        It tells at once what can be reached, where `source` draws a key for each weight.

        Raises:
            RequestError: the ratios cannot be.
        """
        counts = layer_counts(self.ratios.method, list(self.shapes.values()), self.ratios.prune, self.ratios.lock)
        layers = (
            Layer((name,), shape, 0, 0, count.pruned, count.locked, count.locked)
            for (name, shape), count in zip(self.shapes.items(), counts, strict=True)
        )
        return Source(self.model, self.init, self.scale, self.seeds, self.ratios, tuple(layers))


def origin_of_search(
    model: str,
    loaded: DataSet,
    settings: Settings,
    *,
    freeze: float | None = None,
    prune: float | None = None,
    lock: float | None = None,
    ratios: str = "epl",
    init: str = "skc",
    scale: str | None = None,
    width: float = 1.0,
    weight_seed: int | None = None,
    freeze_seed: int | None = None,
    max_weights: int = MAX_WEIGHTS,
) -> Origin:
    """Tells what a search begins with.

    Args:
        model: as for `search_on`, and so are all others.
        loaded: the data.
        settings: of the search.
        freeze: the freezing ratio f.
        prune: the pruning ratio p.
        lock: the locking ratio l.
        ratios: how layers share the ratios.
        init: the random weights.
        scale: their scale.
        width: factor of the model's channels.
        weight_seed: of the weights.
        freeze_seed: of the freezing.
        max_weights: the most weights that the model may have.

    Returns:
        What decides its source network.

    Raises:
        RequestError: there is no such model, it does not fit the data or is too large, or there are too many ratios.
    """
    placed = ratios_of(ratios, settings.sparsity, freeze, prune, lock)
    scale = default_scale(init) if scale is None else scale
    seeds = Seeds(*(settings.seed if seed is None else seed for seed in (weight_seed, freeze_seed)))
    return Origin(*_network(model, loaded, width, max_weights), init, scale, seeds, placed)


def origin_of_training(
    model: str,
    loaded: DataSet,
    settings: TrainingSettings,
    *,
    init: str = "ku",
    width: float = 1.0,
    weight_seed: int | None = None,
    max_weights: int = MAX_WEIGHTS,
) -> Origin:
    """Tells what weight training begins with: nothing is frozen.

    Args:
        model: as for `train_on`, and so are all others.
        loaded: the data.
        settings: of the training.
        init: where the weights begin.
        width: factor of the model's channels.
        weight_seed: of the weights.
        max_weights: the most weights that the model may have.

    Returns:
        What decides its source network.

    Raises:
        RequestError: there is no such model, or it does not fit the data or is too large.
    """
    seeds = Seeds(settings.seed if weight_seed is None else weight_seed, 0)
    return Origin(*_network(model, loaded, width, max_weights), init, "none", seeds, Ratios("epl", 0.0, 0.0))


def ratios_of(method: str, sparsity: float, freeze: float | None, prune: float | None, lock: float | None) -> Ratios:
    """Gives the global ratios that the options of a search stand for.

    Args:
        method: how layers share them.
        sparsity: k, which the search space is placed around.
        freeze: f, instead of the next two; without any of the three, `FREEZE`.
        prune: p.
        lock: l.

    Returns:
        The pruning and the locking ratio.

    Raises:
        RequestError: there are too many of them, or f is no share.
    """
    if freeze is not None and (prune is not None or lock is not None):
        raise RequestError(
            "--freeze",
            expected="either --freeze, or --prune and --lock",
            found="both",
            remedy="leave one of them out",
        )
    if freeze is prune is lock is None:
        freeze = FREEZE
    if freeze is None:
        return Ratios(method, prune or 0.0, lock or 0.0)
    if not 0 <= freeze <= 1:
        raise RequestError("--freeze", expected="a share in 0..1", found=f"{freeze:g}", remedy="choose another")
    return Ratios(method, *place(sparsity, freeze))


def _network(
    model: str, loaded: DataSet, width: float, max_weights: int
) -> tuple[ModelSpec, str | None, dict[str, tuple[int, ...]]]:
    """Gives the model, the builder where it is the user's own, and its shapes."""
    spec: ModelSpec = models.spec(model, width, len(loaded.train.classes), loaded.train.shape)
    builder = model if ":" in model else None
    shapes = models.shapes(spec, builder)
    size = sum(math.prod(shape) for shape in shapes.values())
    if size > max_weights:
        raise RequestError(
            f"model {model}",
            expected=f"at most {max_weights} weights",
            found=str(size),
            remedy=f"lower --width, or allow as many (--max-weights {size})",
        )
    return spec, builder, shapes
