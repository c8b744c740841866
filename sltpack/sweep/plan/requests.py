"""What a point asks for, its options settled: whether it can exist, and what its run depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ... import data
from ...data.dataset import DataSet
from ...errors import RequestError
from ...format import records as headers
from ...searching.batches import AUTO
from ...searching.origin import Origin, origin_of_search, origin_of_training
from ...searching.request import noted
from ...searching.settings import Settings, TrainingSettings
from ...source.network import searched_kept
from .points import Point

_OF_THE_PLACE = ("data_dir", "image_size", "workers", "device", "resume", "tensorboard")
"""Arguments of `search_on` that say on what and where a run is made, not which network it begins with."""
_DATA = ("data_dir", "image_size", "workers")


@dataclass(frozen=True)
class Request:
    """A point, settled as its command settles it.

    Attributes:
        point: the point.
        model: its model.
        data_name: its data.
        settings: `Settings` of a search, or `TrainingSettings` of weight training.
        choices: the other arguments of `search_on` or `train_on`, by name.
    """

    point: Point
    model: str
    data_name: str
    settings: TrainingSettings
    choices: Mapping[str, Any]

    @property
    def searches(self) -> bool:
        """Whether a ticket is searched; otherwise weights are trained."""
        return isinstance(self.settings, Settings)


class DataSets:
    """Data sets by what requests say of them, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, ...], tuple[DataSet, dict[str, Any]]] = {}

    def of(self, request: Request) -> DataSet:
        """Gives the data set of a request.

        Raises:
            SltpackError: as `sltpack.data.load`.
        """
        return self._loaded(request)[0]

    def noted(self, request: Request) -> dict[str, Any]:
        """Gives what a run of the request notes of its data."""
        return dict(self._loaded(request)[1])

    def _loaded(self, request: Request) -> tuple[DataSet, dict[str, Any]]:
        place = {name: request.choices[name] for name in _DATA}
        key = (request.data_name, *place.values())
        if key not in self._read:
            loaded = data.load(request.data_name, **place)
            self._read[key] = loaded, noted(request.data_name, loaded, request.choices["image_size"])
        return self._read[key]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request with its data and the origin of its source network.

    Attributes:
        request: the request.
        loaded: its data.
        origin: what decides its source network.
        noted: what its run notes beside its settings.
    """

    request: Request
    loaded: DataSet
    origin: Origin
    noted: Mapping[str, Any]

    @property
    def point(self) -> Point:
        """The point."""
        return self.request.point

    @cached_property
    def fault(self) -> str | None:
        """Why the point cannot exist: its freezing cannot be placed, or its sparsity not be reached; None if it can."""
        settings = self.request.settings
        try:
            source = self.origin.counted()
            if isinstance(settings, Settings):
                searched_kept(source, settings.sparsity)
        except RequestError as error:
            return str(error)
        return None

    def alike(self) -> dict[str, Any]:
        """Gives what a checkpoint has to agree with to be of this run, by name; what is left to the run is left out."""
        settings = asdict(self.request.settings)
        for name in ("batch_size", "precision"):
            if settings[name] == AUTO:
                del settings[name]
        source = headers.source_parts(self.origin.counted())
        del source["layers"]  # whose thresholds follow from the rest
        return {**source, **settings, **self.noted}


def prepare(request: Request, sets: DataSets) -> Prepared:
    """Reads a request's data and works out what its source network is made from.

    Args:
        request: the request.
        sets: where data sets are kept.

    Returns:
        What its run begins with.

    Raises:
        SltpackError: there is no such data or model, or they do not fit to each other.
    """
    loaded, settings = sets.of(request), request.settings
    own = {name: value for name, value in request.choices.items() if name not in _OF_THE_PLACE}
    origin = (
        origin_of_search(request.model, loaded, settings, **own)
        if isinstance(settings, Settings)
        else origin_of_training(request.model, loaded, settings, **own)
    )
    return Prepared(request, loaded, origin, sets.noted(request))
