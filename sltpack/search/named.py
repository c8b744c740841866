"""A search or weight training by names: of a model, of the data, of a device."""

from __future__ import annotations

import datetime
import math
import os
from pathlib import Path
from typing import Any

from .. import __version__, data, models
from ..checkpoints import Checkpoint, TrainedNetwork
from ..devices import choose_device
from ..errors import RequestError
from ..header import MAX_WEIGHTS, ModelSpec, Ratios, Seeds, Source
from ..presets import DEFAULT_PRESET, PRESETS, default_scale
from ..ratios import place
from ..sources import make_source
from .folder import require_unused
from .loop import search, train
from .settings import Settings, TrainingSettings
from .team import team

FREEZE: float = PRESETS[DEFAULT_PRESET]["freeze"]
"""The freezing ratio where none is asked for."""


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
        SltpackError: as `sltpack.search.search` and `sltpack.data.load`.
    """
    of_layers = _ratios(ratios, settings.sparsity, freeze, prune, lock)
    seeds = Seeds(*(settings.seed if seed is None else seed for seed in (weight_seed, freeze_seed)))
    place_to_run = choose_device(device, sparse=data.is_graph(data_name))
    with team(place_to_run) as processes:
        if not resume:  # before anything is read or downloaded
            processes.from_leader(lambda: require_unused(Path(folder)))
        loaded = processes.leader_first(lambda: data.load(data_name, data_dir, image_size, workers))
        scale = default_scale(init) if scale is None else scale
        source, builder = _source(model, loaded, width, init, scale, seeds, of_layers, max_weights)
        return search(
            source,
            loaded,
            settings,
            Path(folder),
            device=place_to_run,
            noted=_noted(data_name, loaded, image_size),
            builder=builder,
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
        SltpackError: as `sltpack.search.train` and `sltpack.data.load`.
    """
    seeds = Seeds(settings.seed if weight_seed is None else weight_seed, 0)
    place_to_run = choose_device(device, sparse=data.is_graph(data_name))
    with team(place_to_run) as processes:
        if not resume:  # before anything is read or downloaded
            processes.from_leader(lambda: require_unused(Path(folder)))
        loaded = processes.leader_first(lambda: data.load(data_name, data_dir, image_size, workers))
        source, builder = _source(model, loaded, width, init, "none", seeds, Ratios("epl", 0.0, 0.0), max_weights)
        return train(
            source,
            loaded,
            settings,
            Path(folder),
            device=place_to_run,
            noted=_noted(data_name, loaded, image_size),
            builder=builder,
            resume=resume,
            tensorboard=tensorboard,
            team=processes,
        )


def _source(
    model: str,
    loaded: data.DataSet,
    width: float,
    init: str,
    scale: str,
    seeds: Seeds,
    ratios: Ratios,
    max_weights: int,
) -> tuple[Source, str | None]:
    """Gives the source network, and the builder where the model is the user's own."""
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
    return make_source(spec, shapes, init, scale, seeds, ratios), builder


def _noted(data_name: str, loaded: data.DataSet, image_size: int | None) -> dict[str, Any]:
    return {
        "data": data_name.partition(":")[0],
        "train_sha256": loaded.train.sha256(),
        "validation_sha256": None if loaded.validation is None else loaded.validation.sha256(),
        "test_sha256": loaded.test.sha256(),
        "class_names": list(loaded.train.classes),
        "image_size": image_size,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "sltpack": __version__,
    }


def _ratios(method: str, sparsity: float, freeze: float | None, prune: float | None, lock: float | None) -> Ratios:
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
