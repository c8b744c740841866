"""What a run's source network is made from: a model that fits the data, and the ratios that the options stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import models
from ..data.dataset import DataSet
from ..errors import RequestError
from ..format.records import Layer, ModelSpec, Ratios, Seeds, Source
from ..models import AnyBuilder
from ..source.network import make_source
from ..source.ratios import layer_counts
from .request import AnyRequest


@dataclass(frozen=True)
class Origin:
    """All that decides a source network.

    Attributes:
        model: by name, with the arguments of its builder.
        builder: what makes the model where it is the user's own.
        shapes: the weight shapes of its searchable layers by all names of each, in order.
        init: "ku" or "skc".
        scale: "none", "layer" or "global".
        seeds: for weights and for freezing.
        ratios: how much is frozen, and how layers share it.
    """

    model: ModelSpec
    builder: AnyBuilder | None
    shapes: dict[tuple[str, ...], tuple[int, ...]]
    init: str
    scale: str
    seeds: Seeds
    ratios: Ratios

    def source(self) -> Source:
        """Make the source network.

        Raises:
            RequestError: the ratios cannot be, or a name or seed is not one of these.
        """
        return make_source(self.model, self.shapes, self.init, self.scale, self.seeds, self.ratios)

    def counted(self) -> Source:
        """Return the source network but for its freezing: each layer's counts as they are wanted, no thresholds.

        It tells at once what can be reached, where `source` draws a key for each weight.

        Raises:
            RequestError: the ratios cannot be.
        """
        counts = layer_counts(self.ratios.method, list(self.shapes.values()), self.ratios.prune, self.ratios.lock)
        layers = (
            Layer(names, shape, 0, 0, count.pruned, count.locked, count.locked)
            for (names, shape), count in zip(self.shapes.items(), counts, strict=True)
        )
        return Source(self.model, self.init, self.scale, self.seeds, self.ratios, tuple(layers))


def origin_of(request: AnyRequest, loaded: DataSet, builder: AnyBuilder | None = None) -> Origin:
    """Work out what a run begins with.

    Args:
        request: what is asked for.
        loaded: the data.
        builder: makes the model, where it is not known by its name alone.

    Returns:
        What decides its source network.

    Raises:
        RequestError: there is no such model, or it does not fit the data or is too large.
    """
    model = request.model
    spec: ModelSpec = models.spec(model, request.width, len(loaded.train.classes), loaded.train.shape)
    if builder is None and ":" in model:
        builder = model
    shapes = models.layer_table(spec, builder)
    size = sum(math.prod(shape) for shape in shapes.values())
    if size > request.max_weights:
        raise RequestError(
            f"model {model}",
            expected=f"at most {request.max_weights} weights",
            found=str(size),
            remedy=f"lower `width`, or allow as many (`max_weights` {size})",
        )
    return Origin(spec, builder, shapes, request.init, request.scale, request.seeds, request.placed())
