"""Whether the subset sums of some numbers come within epsilon of every target of an interval, exactly.

Everything is counted in integers, in units of 2**-32, so that no sum is rounded and every machine says the same.

There are 2**n subset sums, far too many to write down for n = 40, but few of them decide:

1. One subset whose sum lies near the interval is taken as the place to start from. Putting a number in or taking one
   out moves the sum, and any subset is reached by such moves.
2. The sums of the smallest moves, the base, are sorted once. The sums of the other moves shift that list, one after
   another; a shift from which no further move leads back to the interval is dropped with all that would follow it.
3. Kept are only the gaps that are still open: stretches between neighbouring sums, so far, that are wider than
   2 epsilon. A shift adds the sums that fall into them.

Where no gap is left the answer is yes, however many shifts have not been looked at; where all shifts are through and a
gap is left, it is no. Both are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError

Integers = NDArray[np.int64]

UNIT_BITS = 32
"""Numbers are counted in units of 2**-UNIT_BITS; sums of thousands of them fit 64 bits."""
ALWAYS_DECIDED = 40
"""So many numbers are always decided on: a base and shifts of a million sums each. More of them mostly are, too."""
_FEW_BITS = 12
"""The first attempt is with no more shifts than 2 to this many."""
_MAX_BITS = 20
"""Neither the base nor the shifts are more than 2 to this many, and no more sums than this are looked at in one step,
so that a step takes some tens of megabytes."""
_MAX_SHIFTS = 1 << 14
"""Shifts that are looked at in one step: enough for NumPy, few enough that little is done in vain at the end."""


@dataclass(frozen=True)
class _Gaps:
    """Open gaps in ascending order; between a gap and the next there is nothing left to do.

    Attributes:
        starts: the sums below the gaps.
        ends: the sums above them.
    """

    starts: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.starts)

    def hull(self) -> _Gaps:
        """Return the one stretch from the first gap's start to the last one's end."""
        return _Gaps(self.starts[:1], self.ends[-1:])

    def narrowed(self, sums: Integers, width: int) -> _Gaps:
        """Return what is left of the gaps when sums are added, some of which may lie beside them.

        Args:
            sums: in any order.
            width: a gap no wider than this is closed.
        """
        points = np.concatenate([self.starts, self.ends, sums])
        points.sort()
        wide = np.flatnonzero(np.diff(points) > width)
        starts, ends = points[wide], points[wide + 1]
        # Between two gaps the sums were dropped when they had closed it: that is no gap.
        inside = starts < self.ends[np.searchsorted(self.starts, starts, side="right") - 1]
        return _Gaps(starts[inside], ends[inside])


def reaches_all(free: Integers, low: int, high: int, epsilon: int) -> bool:
    """Tell whether every target of an interval has a subset sum within epsilon.

    Args:
        free: the numbers, int64 [n], in units of 2**-32.
        low: the first target, in the same units.
        high: the last target, above the first.
        epsilon: how far a sum may be from its target, that distance included. Time grows as its inverse, once it is
            less than a hundred-thousandth of the interval.

    Returns:
        Whether it is so for every real number from low to high; the empty subset has the sum 0.

    Raises:
        RequestError: there are more than `ALWAYS_DECIDED` numbers, and a million shifts did not decide; or the last
            target is not above the first.
    """
    if low >= high:
        raise RequestError(
            "the targets", expected=f"a last one above the first, {low}", found=f"{high}", remedy="choose an interval"
        )
    if free[free < 0].sum() > low + epsilon or free[free > 0].sum() < high - epsilon:
        return False
    start, moves = _moves(free, (low + high) // 2)
    # A target is reached where the two neighbouring sums around it are no more than 2 epsilon apart. At the ends of the
    # interval, a sum that is only just out of reach of the last target stands in for the neighbour beyond.
    gaps = _Gaps(np.array([low - epsilon - start]), np.array([high + epsilon - start]))
    # About as many sums as close most gaps, and no fewer than NumPy sorts in no time.
    few = min(max(UNIT_BITS + 4 - epsilon.bit_length(), _FEW_BITS), _MAX_BITS)
    for base_bits, shift_bits in ((few, _FEW_BITS), (_MAX_BITS, _MAX_BITS)):
        answer = _closed(gaps, moves[:base_bits], moves[base_bits:], 2 * epsilon, 1 << shift_bits)
        if answer is not None:
            return answer
    raise RequestError(
        "the free variables",
        expected=f"at most {ALWAYS_DECIDED}, or more that are soon decided on",
        found=f"{len(free)}",
        remedy="choose fewer variables or a larger epsilon",
    )


def subset_sums(numbers: Integers) -> Integers:
    """Return the sums of all subsets.

    Args:
        numbers: int64 [n].

    Returns:
        int64 [2**n]; the sum at index i is of the numbers whose bit is set in i.
    """
    sums = np.zeros(1, np.int64)
    for number in numbers:
        sums = np.concatenate([sums, sums + number])
    return sums


def _moves(free: Integers, target: int) -> tuple[int, Integers]:
    """Choose a subset whose sum is near a target.

    Returns:
        Its sum, and for each number by how much the sum moves when that one is put in or taken out, the smallest first.
    """
    moves = free[np.argsort(np.abs(free), kind="stable")]
    start = 0
    for index in range(len(moves) - 1, -1, -1):
        number = int(moves[index])
        if abs(target - start - number) < abs(target - start):
            start += number
            moves[index] = -number
    return start, moves


def _closed(gaps: _Gaps, small: Integers, large: Integers, width: int, most: int) -> bool | None:
    """Tell whether moves close gaps.

    Args:
        gaps: open before any move.
        small: the moves that make the base.
        large: the moves that make the shifts.
        width: a gap no wider than this is closed.
        most: how many shifts may be kept.

    Returns:
        None where there are more shifts and the gaps are not closed yet.
    """
    base = _distinct(subset_sums(small))
    shifts = latest = np.zeros(1, np.int64)
    for stage in range(len(large) + 1):
        place = 0
        while place < len(latest):
            sums, taken = _sums_within(gaps, base, latest[place : place + _MAX_SHIFTS])
            gaps = gaps.narrowed(sums, width)
            if not len(gaps):
                return True
            place += taken
        if stage < len(large):
            shifts = _leading_back(shifts, gaps, base, large[stage:])
            latest = _leading_back(shifts + large[stage], gaps, base, large[stage + 1 :])
            shifts = _distinct(np.concatenate([shifts, latest]))
            if len(shifts) > most:
                return None
    return False


def _distinct(sums: Integers) -> Integers:
    """Sort sums in place and leave out repetitions; NumPy's own unique takes a hundred times as long."""
    sums.sort()
    again = np.flatnonzero(sums[1:] == sums[:-1])
    return np.delete(sums, again) if len(again) else sums


def _leading_back(shifts: Integers, gaps: _Gaps, base: Integers, moves: Integers) -> Integers:
    """Leave out the shifts that, with any of the base and of further moves, stay below or above all gaps."""
    least = base[0] + moves[moves < 0].sum()
    most = base[-1] + moves[moves > 0].sum()
    leading: NDArray[np.bool_] = (shifts + most > gaps.starts[0]) & (shifts + least < gaps.ends[-1])
    return shifts[leading]


def _sums_within(gaps: _Gaps, base: Integers, shifts: Integers) -> tuple[Integers, int]:
    """Return the sums that fall into gaps, of as many shifts as fit one step.

    Returns:
        The sums, among which there may be others between the gaps, and how many of the shifts were taken.
    """
    first, counts = _found(gaps.hull(), base, shifts)
    if counts.sum() > len(gaps) * len(shifts):
        # It costs less to look into each gap than to take all that lies between the first and the last.
        shifts = shifts[: max(1, (1 << _MAX_BITS) // len(gaps))]
        first, counts = _found(gaps, base, shifts)
    each = counts.sum(axis=1)
    taken = max(1, int(np.searchsorted(np.cumsum(each), 1 << _MAX_BITS, side="right")))
    first, counts = first[:taken].ravel(), counts[:taken].ravel()
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)
    return base[places] + np.repeat(shifts[:taken], each[:taken]), taken


def _found(gaps: _Gaps, base: Integers, shifts: Integers) -> tuple[Integers, Integers]:
    """Find the shifted base's sums inside each gap: index of the first and number, both int64 [shifts, gaps]."""
    first = np.searchsorted(base, gaps.starts - shifts[:, None], side="right")
    return first, np.maximum(np.searchsorted(base, gaps.ends - shifts[:, None], side="left") - first, 0)
