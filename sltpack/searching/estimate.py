"""What a search will come to, before it is begun: its counts, the bits of its file, its time."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from ..checkpoints.facts import OUTPUTS
from ..checkpoints.records import ACCURACIES
from ..data import is_graph
from ..format import container
from ..format.records import Source
from ..inference.devices import choose_device
from ..models.generated import COUNT
from .origin import origin_of
from .performing import load_data, noted
from .request import SearchRequest
from .run import state_of
from .runner import ready_search
from .timing import Pace, time_steps

_UNMEASURED = 0.123456
"""Stands in for accuracies, which the file has with six digits."""


@dataclass(frozen=True)
class Estimate:
    """What a search will come to.

    Attributes:
        source: the source network, frozen.
        pace: of the search, from some timed steps.
        epochs: of the search.
        file_bits: of the ticket's file, with the supermask that the search starts from. The one that it ends with has
            as many ones, but shares them among the layers in its own way.
    """

    source: Source
    pace: Pace
    epochs: int
    file_bits: int

    @property
    def seconds(self) -> float:
        """The time of all epochs, without the start of the process."""
        return self.pace.seconds(self.epochs)


def estimate(request: SearchRequest) -> Estimate:
    """Work out what a search will come to; nothing is written.

    Args:
        request: what is asked for.

    Returns:
        The estimate.

    Raises:
        SltpackError: as `sltpack.searching.performing.perform` before its second step.
    """
    request.placed()
    device = choose_device(request.device, sparse=is_graph(request.data))
    loaded = load_data(request)
    origin = origin_of(request, loaded)
    source, settings = origin.source(), request.settings
    pace = time_steps(source, loaded, settings, device, origin.builder)
    model, method = ready_search(source, loaded, settings, torch.device("cpu"), origin.builder)
    accuracies = dict.fromkeys(ACCURACIES, _UNMEASURED)
    measured = {"epoch": settings.epochs, **accuracies, OUTPUTS: [0] * COUNT}
    kept = state_of(method, model, {**asdict(settings), **noted(request, loaded)}, measured, {})
    bits = 8 * len(container.encode(kept.ticket().to_container()))
    return Estimate(source, pace, settings.epochs, bits)
