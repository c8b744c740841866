"""A search or weight training as it is asked for, from its data and model to its last look at the test part."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__, data
from ..checkpoints.facts import note
from ..checkpoints.records import Kept
from ..data.dataset import DataSet
from ..data.sources import title_of
from ..inference.devices import choose_device
from ..models import AnyBuilder
from ..progress import say
from .distributed.team import team
from .origin import origin_of
from .request import AnyRequest, SearchRequest
from .run_folder import require_unused
from .runner import search, train

OnEpoch = Callable[[Mapping[str, float]], None]
"""What is told of each epoch: its number, loss and accuracies by name."""


def perform(
    request: AnyRequest,
    folder: str | os.PathLike[str],
    *,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    builder: AnyBuilder | None = None,
    loaded: DataSet | None = None,
) -> Kept:
    """Make a run, with all processes of torchrun where it started this one.

    Args:
        request: what is asked for.
        folder: where the checkpoints and metrics go.
        resume: whether to go on from the folder's last checkpoint, or begin where there is none.
        on_epoch: is called after each epoch with what it measured.
        builder: makes the model, where it is not known by its name alone.
        loaded: the data set, where it is not known by its name alone.

    Returns:
        What had the best validation accuracy, which the folder holds too.

    Raises:
        SltpackError: as `sltpack.searching.runner.search` and `sltpack.data.load`.
    """
    request.placed()  # what is wrong with the ratios is told before data is fetched
    device = choose_device(request.device, sparse=data.is_graph(request.data))
    with team(device) as processes:
        if not resume:  # before anything is read or downloaded
            processes.from_leader(lambda: require_unused(Path(folder)))
        found = processes.leader_first(lambda: load_data(request)) if loaded is None else loaded
        for line in found.notes:
            say(line)
        origin = origin_of(request, found, builder)
        make: Callable[..., Kept] = search if isinstance(request, SearchRequest) else train
        return make(
            origin.source(),
            found,
            request.settings,
            Path(folder),
            device=device,
            noted=noted(request, found),
            builder=origin.builder,
            resume=resume,
            tensorboard=request.tensorboard,
            team=processes,
            on_epoch=on_epoch,
        )


def load_data(request: AnyRequest) -> DataSet:
    """Read the data set that a request names.

    Raises:
        SltpackError: as `sltpack.data.load`.
    """
    folder = None if request.data_dir is None else Path(request.data_dir)
    return data.load(request.data, folder, request.image_size, request.workers)


def noted(request: AnyRequest, loaded: DataSet) -> dict[str, Any]:
    """Return what a run notes beside its settings: which data it is on, and when and by what it is made.

    Args:
        request: what is asked for.
        loaded: the data set.
    """
    return {
        "data": request.data.partition(":")[0],
        "data_title": title_of(request.data),
        "train_sha256": loaded.train.sha256(),
        "validation_sha256": None if loaded.validation is None else loaded.validation.sha256(),
        "test_sha256": loaded.test.sha256(),
        **note(loaded),
        "image_size": request.image_size,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "sltpack": __version__,
    }
