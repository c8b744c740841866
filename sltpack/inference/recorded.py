"""What a file records, against the data and the numbers at hand: how it is fed, and how accurate it was."""

from __future__ import annotations

from collections.abc import Mapping

from ..data.dataset import DataSet
from ..data.sources import GRAPH_INPUT, SOURCES, source_of, title_of
from ..errors import MismatchError, shown
from ..format.records import ImageInput
from ..models import describe
from .network import Network

FEWEST = 5
"""So many predictions may differ between machines, since where two classes are nearly even rounding decides."""
SHARE = 500
"""Or one in so many: statistics of 16 or 8 bits change that many."""


def require_input(network: Network, graph: bool) -> ImageInput | None:
    """Return how a network's file says that pictures become its input.

    Args:
        network: the network.
        graph: whether it is fed with a graph.

    Returns:
        None for a graph, and where the file does not say it.

    Raises:
        MismatchError: the file says it in a way that is unknown, or that does not fit the model.
    """
    given = network.facts.input
    if given is None:
        return None
    if not graph:
        return network.input_of_images()
    if given != GRAPH_INPUT:
        raise MismatchError(
            f"{network.where}: input",
            expected=f"a graph whose features are {GRAPH_INPUT.features} and whose edges are {GRAPH_INPUT.edges}",
            found=shown(given),
            remedy="run the file with a newer sltpack",
        )
    return None


def fed(loaded: DataSet, given: ImageInput | None, network: Network, name: str) -> tuple[DataSet, tuple[str, ...]]:
    """Have a data set fed as a file says.

    Args:
        loaded: the data set.
        given: what `require_input` returned.
        network: of the file.
        name: of the data set.

    Returns:
        The data set, and a line where the file says nothing and the data set's own way is assumed.
    """
    if given is not None:
        return loaded.fed(given), ()
    if network.facts.input is None:
        own = loaded.train.input
        how = f"mean {list(own.mean)}, deviation {list(own.deviation)}" if isinstance(own, ImageInput) else "unscaled"
        return loaded, (f"{network.where}: does not say how it is fed; assumed as {name} is: {how}",)
    return loaded, ()


def image_size(network: Network, name: str) -> int | None:
    """Return the height and width to which the pictures of a folder are scaled and cropped.

    Args:
        network: that takes them.
        name: of the data set.

    Returns:
        The side of the network's input; None where it is not square, or the data are no folder of pictures.
    """
    _, _, shape = describe(network.spec)
    square = len(shape) == 3 and shape[1] == shape[2]
    return shape[1] if square and "image_size" in source_of(name).options else None


def compare(network: Network, name: str, parts: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    """Compare accuracies with those that a network's file records for the same data.

    Args:
        network: the network.
        name: of the data set.
        parts: for each part that was run, the number of right predictions and of all.

    Returns:
        A line for each part whose accuracy differs by more than a few predictions.
    """
    lines = []
    for result in network.facts.results:
        measured = parts.get(result.part or "")
        if result.data != recorded_name(name) or measured is None or result.accuracy is None:
            continue
        right, count = measured
        expected = round(result.accuracy * count)
        if result.count == count and abs(right - expected) > max(FEWEST, count // SHARE):
            lines.append(
                f"{network.where}: accuracy {right / count:.4f} on {name} ({result.part}), where the file records "
                f"{result.accuracy:.4f}: the data, or what is done to them, are not the same"
            )
    return tuple(lines)


def recorded_name(name: str) -> str:
    """Return what a file calls a data set: without the path, but with its last part.

    Args:
        name: of a data set, as `sltpack.data.load` takes it.
    """
    kind, title = name.partition(":")[0], title_of(name)
    return f"{kind}:{title}" if title and kind in SOURCES else kind
