"""The folder of a point: whether its run is finished, and what came out."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints.reading import load_any
from ..checkpoints.records import Kept
from ..checkpoints.results import Result
from ..checkpoints.results import result_of as result_of_run
from ..errors import FormatError, MismatchError, RequestError
from ..searching.run_folder import BEST, is_begun, load_ours, read_accuracies
from .plan.requests import Prepared

_REMEDY = "choose another folder for the sweep, or move that run's folder away"


def result_of(prepared: Prepared, folder: Path) -> Result | None:
    """Look at what is in a point's folder.

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
    best = folder / BEST
    if not best.exists():
        return None  # the run itself tells whether it can go on
    kept = load_ours(best, lambda path: _loaded(path, prepared), prepared.alike(), _REMEDY)
    try:
        result = result_of_run(kept, folder, prepared.request.max_weights)
    except (FormatError, MismatchError):
        return None
    return None if result is None or result.bits is None else result


def progress_of(folder: Path) -> tuple[int, float | None]:
    """Tell how far a run is, from the file that it writes as it goes on.

    Args:
        folder: of the run.

    Returns:
        Its whole epochs, and the best validation accuracy of them.
    """
    if not is_begun(folder):  # somebody took the checkpoints away, and the run begins again
        return 0, None
    accuracies = read_accuracies(folder)
    return len(accuracies), max(accuracies, default=None)


def _loaded(path: Path, prepared: Prepared) -> Kept:
    kept = load_any(path, prepared.request.max_weights)
    if type(kept) is not prepared.kind:
        raise RequestError(path, expected=prepared.kind.kind, found=kept.kind, remedy=_REMEDY)
    return kept
