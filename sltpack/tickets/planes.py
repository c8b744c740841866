"""The planes of one layer, read in ascending order: each over a population that those before it define."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..format.records import KEPT, SIGN, Source
from ..supermask.bits import Bits


def starts_of(source: Source) -> dict[str, list[int]]:
    """Return where each layer's bits begin in each plane.

    Args:
        source: the source network, with the counts of the ticket.

    Returns:
        A number for each layer by the plane's name, then one for the end. The numbers of `SIGN`, which are there even
        without such a plane, count kept searched weights.
    """
    lengths = {plane: [layer.length for layer in source.bits_of(plane)] for plane in (KEPT, *source.planes)}
    lengths[SIGN] = [layer.searched_kept for layer in source.layers]
    return {plane: list(accumulate(values, initial=0)) for plane, values in lengths.items()}


class LayerPlanes:
    """What a layer's planes say, piece by piece.

    Args:
        planes: the bits of all layers, by name: `KEPT`, then the coats, then `SIGN`.
        starts: where the layer's bits begin in each.
    """

    def __init__(self, planes: Mapping[str, Bits], starts: Mapping[str, int]) -> None:
        self._planes, self._at = planes, dict(starts)
        self._coats = [plane for plane in planes if plane not in (KEPT, SIGN)]

    @property
    def kept_before(self) -> int:
        """How many searched weights are kept before the next piece, in this layer and in those before it."""
        return self._at[SIGN]

    def skip(self, count: int) -> None:
        """Pass over so many searched positions."""
        kept = count
        for plane in (KEPT, *self._coats):
            start, ones = self._at[plane], self._planes[plane].count(self._at[plane], self._at[plane] + count)
            self._at[plane] = start + count
            kept, count = (ones if plane == KEPT else kept), ones
        self._at[SIGN] += kept

    def take(self, count: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8] | None, NDArray[np.bool_] | None]:
        """Read what the planes say of the next searched positions.

        Args:
            count: how many.

        Returns:
            Which of them are kept, bool [count]; of the kept ones the multiplicity, uint8, where there are coats; of
            the kept ones which are negative, bool, where there are signs.
        """
        bits = self._read(KEPT, count)
        if not self._coats and SIGN not in self._planes:
            self._at[SIGN] += int(np.count_nonzero(bits))
            return bits, None, None
        chosen = np.arange(np.count_nonzero(bits))
        multiplicities = np.ones(chosen.size, np.uint8) if self._coats else None
        negative = self._read(SIGN, chosen.size) if SIGN in self._planes else None
        if negative is None:
            self._at[SIGN] += chosen.size
        for coat in self._coats:
            chosen = chosen[self._read(coat, chosen.size)]
            multiplicities[chosen] += 1  # type: ignore[index]
        return bits, multiplicities, negative

    def _read(self, plane: str, count: int) -> NDArray[np.bool_]:
        start = self._at[plane]
        self._at[plane] = start + count
        return self._planes[plane].read(start, start + count)
