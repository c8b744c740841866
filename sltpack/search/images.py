"""A search on a set of images by names: of a model, of the data, of a device."""

from __future__ import annotations

import datetime
from pathlib import Path

from .. import __version__, data, models
from ..checkpoints import Checkpoint
from ..devices import choose_device
from ..errors import RequestError
from ..header import ModelSpec, Ratios, Seeds
from ..ratios import place
from ..sources import make_source
from .loop import search
from .settings import Settings


def search_images(
    model: str,
    data_name: str,
    folder: Path,
    settings: Settings,
    *,
    freeze: float | None = None,
    prune: float | None = None,
    lock: float | None = None,
    method: str = "epl",
    init: str = "skc",
    scale: str | None = None,
    width: float = 1.0,
    weight_seed: int | None = None,
    freeze_seed: int | None = None,
    data_dir: Path | None = None,
    image_size: int | None = None,
    device: str = "auto",
    resume: bool = False,
) -> Checkpoint:
    """Searches a ticket on images.

    Args:
        model: a name of `sltpack.models.MODELS`, or "package.module:builder" of the user's own.
        data_name: "cifar10", "cifar100", "digits" or "folder:PATH".
        folder: where the checkpoints and metrics go.
        settings: of the search.
        freeze: the freezing ratio f; the search space is placed so that the sparsity lies in its middle.
        prune: instead of `freeze`, the pruning ratio p.
        lock: instead of `freeze`, the locking ratio l.
        method: how layers share the ratios: "epl" or "erk".
        init: "skc" or "ku".
        scale: "none", "layer" or "global"; without it, "layer" for SKC and "none" for KU, as in the paper.
        width: factor of the model's channels.
        weight_seed: of the weights; without it, the settings' seed.
        freeze_seed: of the freezing; without it, the settings' seed.
        data_dir: the data's folder; without it, the user's cache folder.
        image_size: the size that images of a folder are scaled and cropped to.
        device: "auto", "cpu", "cuda" or "mps".
        resume: whether to go on from the folder's last checkpoint.

    Returns:
        The checkpoint of the best validation accuracy, which the folder holds too.

    Raises:
        SltpackError: as `sltpack.search.search` and `sltpack.data.load`.
    """
    ratios = _ratios(method, settings.sparsity, freeze, prune, lock)
    place_to_run = choose_device(device)
    images = data.load(data_name, data_dir, image_size)
    spec: ModelSpec = models.spec(model, width, len(images.train.classes), images.train.shape)
    builder = model if ":" in model else None
    seeds = Seeds(*(settings.seed if seed is None else seed for seed in (weight_seed, freeze_seed)))
    source = make_source(
        spec,
        models.shapes(spec, builder),
        init,
        scale or {"skc": "layer", "ku": "none"}[init],
        seeds,
        ratios,
    )
    noted = {
        "data": data_name.partition(":")[0],
        "class_names": list(images.train.classes),
        "image_size": image_size,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "sltpack": __version__,
    }
    return search(source, images, settings, folder, device=place_to_run, noted=noted, builder=builder, resume=resume)


def _ratios(method: str, sparsity: float, freeze: float | None, prune: float | None, lock: float | None) -> Ratios:
    if freeze is not None and (prune is not None or lock is not None):
        raise RequestError(
            "--freeze",
            expected="either --freeze, or --prune and --lock",
            found="both",
            remedy="leave one of them out",
        )
    if freeze is None:
        return Ratios(method, prune or 0.0, lock or 0.0)
    for name, ratio in (("freeze", freeze), ("sparsity", sparsity)):
        if not 0 <= ratio <= 1:
            raise RequestError(f"--{name}", expected="a share in 0..1", found=f"{ratio:g}", remedy="choose another")
    return Ratios(method, *place(sparsity, freeze))
