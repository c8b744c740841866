"""What a point asks for, its options settled: whether it can exist, and what its run depends on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ...checkpoints.records import Checkpoint, Kept, TrainedNetwork
from ...data.dataset import DataSet
from ...errors import RequestError
from ...format import records as headers
from ...searching.batches import AUTO
from ...searching.options import options_of
from ...searching.origin import Origin, origin_of
from ...searching.performing import load_data, noted
from ...searching.request import REQUESTS, AnyRequest, SearchRequest
from ...source.network import searched_kept
from .points import Point


def request_of(point: Point) -> AnyRequest:
    """Settle the options of a point, as its command would.

    Args:
        point: the point.

    Returns:
        What its run is asked for.

    Raises:
        RequestError: an option is missing, or a value is out of its range.
    """
    kind = REQUESTS[point.command]
    known = {option.flag or name.replace("_", "-"): name for name, option in options_of(kind).items()}
    given: dict[str, Any] = {
        name: os.environ.get(option.variable)
        for name, option in options_of(kind).items()
        if option.variable is not None
    }
    given |= {known.get(option, option): value for option, value in point.options.items()}
    for option in ("model", "data"):
        if option not in given:
            raise RequestError("", expected=f"the option {option}", found="none", remedy="add it under [fixed]")
    return kind.of(given.pop("model"), given.pop("data"), **given)


class DataSets:
    """Data sets by what requests say of them, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, ...], DataSet] = {}

    def of(self, request: AnyRequest) -> DataSet:
        """Return the data set of a request.

        Raises:
            SltpackError: as `sltpack.data.load`.
        """
        key = (request.data, request.data_dir, request.image_size, request.workers)
        if key not in self._read:
            self._read[key] = load_data(request)
        return self._read[key]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request with its data and the origin of its source network.

    Attributes:
        point: that it is of.
        request: the request.
        loaded: its data.
        origin: what decides its source network.
        noted: what its run notes beside its settings.
    """

    point: Point
    request: AnyRequest
    loaded: DataSet
    origin: Origin
    noted: Mapping[str, Any]

    @property
    def kind(self) -> type[Kept]:
        """What its run keeps."""
        return Checkpoint if isinstance(self.request, SearchRequest) else TrainedNetwork

    @cached_property
    def fault(self) -> str | None:
        """Why the point cannot exist: its freezing cannot be placed, or its sparsity not be reached; None if it can."""
        try:
            source = self.origin.counted()
            if isinstance(self.request, SearchRequest):
                searched_kept(source, self.request.sparsity)
        except RequestError as error:
            return str(error)
        return None

    def alike(self) -> dict[str, Any]:
        """Return what a checkpoint of this run has to agree with, by name; what is left to the run is left out."""
        settings = asdict(self.request.settings)
        for name in ("batch_size", "precision"):
            if settings[name] == AUTO:
                del settings[name]
        source = headers.source_parts(self.origin.counted())
        del source["layers"]  # whose thresholds follow from the rest
        return {**source, **settings, **self.noted}


def prepare(point: Point, sets: DataSets) -> Prepared:
    """Read a point's data and work out what its source network is made from.

    Args:
        point: the point.
        sets: where data sets are kept.

    Returns:
        What its run begins with.

    Raises:
        SltpackError: there is no such data or model, or they do not fit to each other.
    """
    request = request_of(point)
    loaded = sets.of(request)
    return Prepared(point, request, loaded, origin_of(request, loaded), noted(request, loaded))
