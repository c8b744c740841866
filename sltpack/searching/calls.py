"""A search and weight training as Python calls them: with any module or builder, and any tensors, data set or name."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ..checkpoints.records import Checkpoint, TrainedNetwork
from ..data.dataset import DataSet
from ..data.own import NAME, data_set_of
from ..models import AnyBuilder, name_of
from .performing import OnEpoch, perform
from .presets import PRESETS
from .request import RunRequest, SearchRequest, TrainRequest


def search(
    model: AnyBuilder,
    data: Any,
    *,
    validation: Any = None,
    test: Any = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    **options: Any,
) -> Checkpoint:
    """Search a ticket: which of a random network's weights to keep.

    >>> import sltpack
    >>> found = sltpack.search("conv2", "digits", width=0.125, epochs=1, batch_size=64)
    >>> found.ticket().source.searched
    2946

    Args:
        model: the name of a model; a function or class that makes one, called with those of `width`, `classes` and
            `input_shape` that it takes; or a module, which stays as it is: a copy of it is searched.
        data: the name of a data set; images and labels as a tuple of two tensors; or a `torch.utils.data.Dataset`.
            Images are float [n, channels, height, width] as the network takes them, or uint8, which become 0..1.
        validation: what picks the best epoch, like the data; without it, a fifth of what trains.
        test: what is looked at once, at the end, like the data; without it, a fifth is set apart.
        folder: where checkpoints and metrics go; without it, into a temporary one that is gone at the end.
        resume: whether to go on from the folder's last checkpoint, or begin where there is none.
        on_epoch: is called after each epoch with a mapping of what it measured: "epoch", "loss", "train_accuracy" and
            "validation_accuracy".
        options: `preset`, `recipe`, and any field of `SearchRequest`, such as `epochs`, `sparsity`, `freeze`,
            `learning_rate`, `seed` or `device`.

    Returns:
        The checkpoint of the best validation accuracy; its method `ticket` makes the ticket.

    Raises:
        SltpackError: an option, the model or the data cannot be used; the sentence says what to change.
    """
    found = _perform(SearchRequest, model, data, validation, test, folder, resume, on_epoch, options)
    assert isinstance(found, Checkpoint)
    return found


def train(
    model: AnyBuilder,
    data: Any,
    *,
    validation: Any = None,
    test: Any = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    **options: Any,
) -> TrainedNetwork:
    """Train the weights of a network: the baseline of a ticket of the same network, data and budget.

    >>> import sltpack
    >>> sltpack.train("conv2", "digits", width=0.125, epochs=1).source.size
    5892

    Args:
        model: as for `search`, and so are all others.
        data: what it is trained on.
        validation: what picks the best epoch.
        test: what is looked at once, at the end.
        folder: where the network and metrics go.
        resume: whether to go on.
        on_epoch: is called after each epoch.
        options: `recipe`, and any field of `TrainRequest`.

    Returns:
        The network of the best validation accuracy.

    Raises:
        SltpackError: as `search`.
    """
    found = _perform(TrainRequest, model, data, validation, test, folder, resume, on_epoch, options)
    assert isinstance(found, TrainedNetwork)
    return found


def list_presets() -> list[str]:
    """Return the names of the presets of a search.

    >>> "frozen-skc" in list_presets()
    True
    """
    return list(PRESETS)


def _perform(
    kind: type[RunRequest],
    model: AnyBuilder,
    data: Any,
    validation: Any,
    test: Any,
    folder: str | os.PathLike[str] | None,
    resume: bool,
    on_epoch: OnEpoch | None,
    options: dict[str, Any],
) -> Any:
    name, builder = (model, None) if isinstance(model, str) else (name_of(model), model)
    loaded: DataSet | None = None
    if not isinstance(data, str):
        classes = options.pop("classes", None)
        loaded, data = data_set_of(data, validation, test, classes), NAME
    request: Any = kind.of(name, data, **options)
    if folder is not None:
        return perform(request, folder, resume=resume, on_epoch=on_epoch, builder=builder, loaded=loaded)
    with tempfile.TemporaryDirectory(prefix="sltpack-") as temporary:
        return perform(request, temporary, on_epoch=on_epoch, builder=builder, loaded=loaded)
