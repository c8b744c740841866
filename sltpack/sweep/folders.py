"""The folder of a point: whether its run is finished, and what came out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import header as headers
from ..accounting import FLOAT32_BITS, account
from ..checkpoint_reader import load_any
from ..checkpoints import Checkpoint, Kept
from ..container import read
from ..errors import FormatError, RequestError
from ..files import open_plain
from ..search import BEST, METRICS
from ..search.folder import is_begun, load_ours
from .points import Point
from .requests import Prepared

TICKET = "model.slt"
"""The packed ticket of a search."""
_REMEDY = "choose another folder for the sweep, or move this one away"


@dataclass(frozen=True)
class Result:
    """What came out of a finished run.

    Attributes:
        point: the point.
        weights: of the network, N.
        searched: the size of the search space; of weight training, all weights.
        sparsity: k, the share of zeros in the ticket; of weight training, None, and so are the next two.
        prune: the share of weights that were pruned for good.
        lock: the share of weights that were locked for good.
        epoch: the best in validation.
        validation_accuracy: of that epoch.
        test_accuracy: of that epoch.
        bits: of the ticket's file; of trained weights, 32 each.
    """

    point: Point
    weights: int
    searched: int
    sparsity: float | None
    prune: float | None
    lock: float | None
    epoch: int
    validation_accuracy: float
    test_accuracy: float
    bits: int

    def told(self) -> dict[str, Any]:
        """Gives it as JSON values by name."""
        names = ("weights", "searched", "sparsity", "prune", "lock", "epoch")
        measured = ("validation_accuracy", "test_accuracy", "bits")
        return {
            "name": self.point.name,
            "command": self.point.command,
            "options": dict(self.point.options),
            **{name: getattr(self, name) for name in (*names, *measured)},
        }


def result_of(prepared: Prepared, folder: Path) -> Result | None:
    """Looks at what is in a point's folder.

    Args:
        prepared: the point's run.
        folder: of the point, which need not be there.

    Returns:
        The result of a finished run, packed where it is a search's; None where there is no run, or one to go on with,
        and where the ticket is damaged or another run's, which the run packs again.

    Raises:
        RequestError: the folder holds another run.
        FormatError: it holds a damaged checkpoint, or one of another version.
    """
    if not is_begun(folder):
        return None
    request = prepared.request
    best = folder / BEST
    if not best.exists():
        return None  # the run itself tells whether it can go on
    kept = load_ours(best, lambda path: _loaded(path, prepared), prepared.alike(), _REMEDY)
    if "test_accuracy" not in kept.metrics:
        return None
    packed = _packed_bits(folder / TICKET, kept, request.choices["max_weights"]) if isinstance(kept, Checkpoint) else 0
    if packed is None:
        return None
    source, metrics = kept.source, kept.metrics
    size, searched = source.size, isinstance(kept, Checkpoint)
    return Result(
        request.point,
        size,
        source.searched if searched else size,
        1 - (source.locked + kept.kept) / size if isinstance(kept, Checkpoint) else None,
        source.pruned / size if searched else None,
        source.locked / size if searched else None,
        metrics["epoch"],
        metrics["validation_accuracy"],
        metrics["test_accuracy"],
        packed or FLOAT32_BITS * size,
    )


def progress_of(folder: Path) -> tuple[int, float | None]:
    """Tells how far a run is, from the file that it writes as it goes on.

    Args:
        folder: of the run.

    Returns:
        Its whole epochs, and the best validation accuracy of them.
    """
    if not is_begun(folder):  # somebody took the checkpoints away, and the run begins anew
        return 0, None
    try:
        with open_plain(folder / METRICS) as stream:
            accuracies = [float(json.loads(line)["validation_accuracy"]) for line in stream]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, None
    return len(accuracies), max(accuracies, default=None)


def _packed_bits(path: Path, kept: Checkpoint, max_weights: int) -> int | None:
    """Gives the bits of a run's ticket; None where there is none, or one that is damaged or not of this run."""
    if not path.exists():
        return None
    try:
        found = read(path, max_weights)
    except FormatError:
        return None
    source = found.header.source
    begun = replace(source, layers=tuple(replace(layer, kept=layer.locked) for layer in source.layers))
    alike = (
        headers.source_parts(begun) == headers.source_parts(kept.source)
        and source.kept == kept.source.locked + kept.kept
        and found.header.about == kept.about()
    )
    return account(found).file_bits if alike else None


def _loaded(path: Path, prepared: Prepared) -> Kept:
    kept = load_any(path, prepared.request.choices["max_weights"])
    if isinstance(kept, Checkpoint) != prepared.request.searches:
        wanted, found = ("a search", "a training of weights")[:: 1 if prepared.request.searches else -1]
        raise RequestError(path, expected=wanted, found=found, remedy=_REMEDY)
    return kept
