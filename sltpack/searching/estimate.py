"""What a search will come to, before it is begun: its counts, the bits of its file, its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..checkpoints.facts import OUTPUTS
from ..checkpoints.records import ACCURACIES
from ..data.dataset import DataSet
from ..format import container
from ..format.records import Source
from ..models.generated import COUNT
from ..models.layers import copied_buffers
from .runner import ready_search
from .settings import Settings
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


def estimate_search(
    source: Source,
    data: DataSet,
    settings: Settings,
    device: torch.device,
    *,
    noted: Mapping[str, Any] | None = None,
    builder: str | None = None,
) -> Estimate:
    """Work out what a search will come to; nothing is written.

    Args:
        source: the source network.
        data: the data.
        settings: of the search.
        device: where the work would be done.
        noted: what the checkpoint would keep beside the settings.
        builder: "package.module:function" where the model is not one of sltpack's.

    Returns:
        The estimate.

    Raises:
        SltpackError: as `sltpack.searching.runner.search` before its second step.
    """
    pace = time_steps(source, data, settings, device, builder)
    model, popup = ready_search(source, data, settings, torch.device("cpu"), builder)
    accuracies = dict.fromkeys(ACCURACIES, _UNMEASURED)
    measured = {"epoch": settings.epochs, **accuracies, OUTPUTS: [0] * COUNT}
    kept = popup.keep({**asdict(settings), **(noted or {})}, measured, copied_buffers(model), {})
    bits = 8 * len(container.encode(kept.ticket().to_container()))
    return Estimate(source, pace, settings.epochs, bits)
