"""A search or weight training by names: of a model, of the data, of a device."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .. import __version__, data
from ..checkpoints.facts import note
from ..checkpoints.records import Checkpoint, TrainedNetwork
from ..data.dataset import DataSet
from ..data.sources import title_of
from ..format.records import MAX_WEIGHTS
from ..inference.devices import choose_device
from ..progress import say
from .distributed.team import Team, team
from .origin import origin_of_search, origin_of_training, ratios_of
from .run_folder import require_unused
from .runner import search, train
from .settings import Settings, TrainingSettings


def search_on(
    model: str,
    data_name: str,
    folder: str | os.PathLike[str],
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
    data_dir: Path | None = None,
    image_size: int | None = None,
    workers: int | None = None,
    device: str = "auto",
    resume: bool = False,
    tensorboard: bool = False,
    max_weights: int = MAX_WEIGHTS,
) -> Checkpoint:
    """Searches a ticket, with all processes of torchrun where it started this one.

    Args:
        model: a name of `sltpack.models.MODELS`, or "package.module:builder" of the user's own.
        data_name: one of `sltpack.data.NAMES`, such as "cifar10", "folder:PATH" or "cora".
        folder: where the checkpoints and metrics go.
        settings: of the search.
        freeze: the freezing ratio f; the search space is placed so that the sparsity lies in its middle. Without it
            and the next two, 0.5.
        prune: instead of `freeze`, the pruning ratio p.
        lock: instead of `freeze`, the locking ratio l.
        ratios: how layers share the ratios: "epl" or "erk".
        init: "skc" or "ku".
        scale: "none", "layer" or "global"; without it, "layer" for SKC and "none" for KU, as in the paper.
        width: factor of the model's channels.
        weight_seed: of the weights; without it, the settings' seed.
        freeze_seed: of the freezing; without it, the settings' seed.
        data_dir: the data's folder; without it, the user's cache folder.
        image_size: the size that images of a folder are scaled and cropped to.
        workers: processes that read the images of "imagenet:PATH".
        device: "auto", "cpu", "cuda" or "mps".
        resume: whether to go on from the folder's last checkpoint, or begin where there is none.
        tensorboard: whether to write event files for TensorBoard too.
        max_weights: the most weights that the model may have.

    Returns:
        The checkpoint of the best validation accuracy, which the folder holds too.

    Raises:
        SltpackError: as `sltpack.searching.runner.search` and `sltpack.data.load`.
    """
    ratios_of(ratios, settings.sparsity, freeze, prune, lock)  # what is wrong with them is told before data is fetched
    with _place(folder, device, resume, data_name, data_dir, image_size, workers) as (place_to_run, processes, loaded):
        origin = origin_of_search(
            model,
            loaded,
            settings,
            freeze=freeze,
            prune=prune,
            lock=lock,
            ratios=ratios,
            init=init,
            scale=scale,
            width=width,
            weight_seed=weight_seed,
            freeze_seed=freeze_seed,
            max_weights=max_weights,
        )
        return search(
            origin.source(),
            loaded,
            settings,
            Path(folder),
            device=place_to_run,
            noted=noted(data_name, loaded, image_size),
            builder=origin.builder,
            resume=resume,
            tensorboard=tensorboard,
            team=processes,
        )


def train_on(
    model: str,
    data_name: str,
    folder: str | os.PathLike[str],
    settings: TrainingSettings,
    *,
    init: str = "ku",
    width: float = 1.0,
    weight_seed: int | None = None,
    data_dir: Path | None = None,
    image_size: int | None = None,
    workers: int | None = None,
    device: str = "auto",
    resume: bool = False,
    tensorboard: bool = False,
    max_weights: int = MAX_WEIGHTS,
) -> TrainedNetwork:
    """Trains the weights of a network: what a ticket of the same data and budget is measured against.

    Args:
        model: as for `search_on`, and so are all others.
        data_name: of the data set.
        folder: where the network and metrics go.
        settings: of the training.
        init: where the weights begin: "ku" or "skc", without scale.
        width: factor of the model's channels.
        weight_seed: of the weights; without it, the settings' seed.
        data_dir: the data's folder.
        image_size: the size of the images of a folder.
        workers: processes that read the images of "imagenet:PATH".
        device: "auto", "cpu", "cuda" or "mps".
        resume: whether to go on.
        tensorboard: whether to write event files for TensorBoard too.
        max_weights: the most weights that the model may have.

    Returns:
        The network of the best validation accuracy, which the folder holds too.

    Raises:
        SltpackError: as `sltpack.searching.train` and `sltpack.data.load`.
    """
    with _place(folder, device, resume, data_name, data_dir, image_size, workers) as (place_to_run, processes, loaded):
        origin = origin_of_training(
            model, loaded, settings, init=init, width=width, weight_seed=weight_seed, max_weights=max_weights
        )
        return train(
            origin.source(),
            loaded,
            settings,
            Path(folder),
            device=place_to_run,
            noted=noted(data_name, loaded, image_size),
            builder=origin.builder,
            resume=resume,
            tensorboard=tensorboard,
            team=processes,
        )


@contextmanager
def _place(
    folder: str | os.PathLike[str],
    device: str,
    resume: bool,
    data_name: str,
    data_dir: Path | None,
    image_size: int | None,
    workers: int | None,
) -> Iterator[tuple[torch.device, Team, DataSet]]:
    """Gives where a run computes, with whom, and on what; all processes leave together."""
    place_to_run = choose_device(device, sparse=data.is_graph(data_name))
    with team(place_to_run) as processes:
        if not resume:  # before anything is read or downloaded
            processes.from_leader(lambda: require_unused(Path(folder)))
        loaded = processes.leader_first(lambda: data.load(data_name, data_dir, image_size, workers))
        for line in loaded.notes:
            say(line)
        yield place_to_run, processes, loaded


def noted(data_name: str, loaded: DataSet, image_size: int | None) -> dict[str, Any]:
    """Gives what a run notes beside its settings: which data it is on, and when and by what it is made.

    Args:
        data_name: of the data set.
        loaded: the data set.
        image_size: what the images of a folder are scaled to.
    """
    return {
        "data": data_name.partition(":")[0],
        "data_title": title_of(data_name),
        "train_sha256": loaded.train.sha256(),
        "validation_sha256": None if loaded.validation is None else loaded.validation.sha256(),
        "test_sha256": loaded.test.sha256(),
        **note(loaded),
        "image_size": image_size,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "sltpack": __version__,
    }
