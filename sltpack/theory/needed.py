"""How many random variables it takes to reach every target, when some of them are frozen: a Monte-Carlo measurement.

The lemmas: Lueker 1998, "Exponentially small bounds on the expected optimum of the partition and subset sum problems",
which Pensia et al. 2020 (arXiv 2006.07990) brought to networks; with frozen variables Otsuka et al. 2024
(arXiv 2402.14029). docs/theory.md says what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..errors import RequestError
from ..source.streams import FREEZING, WEIGHTS, Stream
from .subset_sums import UNIT_BITS, reaches_all

SMALLEST_EPSILON = 1e-6
"""Below it a draw takes seconds, and the unit of 2**-32 would begin to show."""
LARGEST_EPSILON = 0.5
"""With it the empty sum reaches every target."""
MOST_VARIABLES = 2000
MOST_TRIALS = 10_000
"""With the most variables the draws of so many take 200 MB."""
_ONE = 1 << UNIT_BITS

Watcher = Callable[[int], None]


@dataclass(frozen=True)
class Experiment:
    """What is measured: variables uniform on [-1, 1], each frozen with some probability, one after another.

    The first n variables of a trial are the same whatever the probabilities and epsilon are, and a variable that is
    frozen stays so where the probabilities grow: curves of one seed differ by what they are about, not by their draws.

    Attributes:
        prune: p, the probability that a variable is pruned: it is in no sum.
        lock: l, the probability that a variable is locked: it is in every sum.
        epsilon: how near every target in [-1/2, 1/2] has to be to some sum.
        delta: the share of the trials that may fail, of one trial at least.
        trials: how often the variables are drawn.
        seed: of the draws, 64 bits.
        most: the largest number of variables that is tried.

    Raises:
        RequestError: one of them is out of its range, or p + l is 1 or more.
    """

    prune: float = 0.0
    lock: float = 0.0
    epsilon: float = 0.01
    delta: float = 0.05
    trials: int = 200
    seed: int = 0
    most: int = 500

    def __post_init__(self) -> None:
        for name, probability in (("the pruning probability", self.prune), ("the locking probability", self.lock)):
            if not 0 <= probability < 1:
                raise _out(name, "at least 0 and below 1", f"{probability:g}")
        if _exact(self.prune) + _exact(self.lock) >= 1:
            raise _out("p + l", "less than 1, so that some variables are free", f"{self.prune:g} + {self.lock:g}")
        if not SMALLEST_EPSILON <= self.epsilon <= LARGEST_EPSILON:
            raise _out("epsilon", f"{SMALLEST_EPSILON:g} to {LARGEST_EPSILON:g}", f"{self.epsilon:g}")
        for name, number, highest in (
            ("the trials", self.trials, MOST_TRIALS),
            ("the number of variables", self.most, MOST_VARIABLES),
        ):
            if not 1 <= number <= highest:
                raise _out(name, f"1 to {highest}", f"{number}")
        if not 0 < self.delta < 1 or _exact(self.delta) * self.trials < 1:
            # With fewer trials none of them might fail, and the needed n would be of the trials, not of delta.
            raise _out(
                "delta",
                f"less than 1 and at least {1 / self.trials:g}, a single one of {self.trials} trials",
                f"{self.delta:g}",
                "choose another, or more trials",
            )
        if not 0 <= self.seed < 1 << 64:
            raise _out("the seed", "0 to 2**64 - 1", f"{self.seed}")

    @property
    def freeze(self) -> float:
        """The probability that a variable is frozen, f = p + l."""
        return float(_exact(self.prune) + _exact(self.lock))

    @property
    def scale(self) -> float:
        """log(1 / min(delta, epsilon)) / (1 - f), natural logarithm: what the lemmas measure n by."""
        return -math.log(min(self.delta, self.epsilon)) / (1 - self.freeze)


@dataclass(frozen=True)
class Curve:
    """How often every target was reached, over the number of variables.

    Attributes:
        experiment: what was measured.
        successes: at index n, in how many trials the first n variables reached every target; the last one is where
            enough did, or where the measurement was given up.
        free: the mean number of free variables among those of the last entry.
    """

    experiment: Experiment
    successes: tuple[int, ...]
    free: float

    @property
    def tried(self) -> int:
        """The largest number of variables that was tried."""
        return len(self.successes) - 1

    @property
    def needed(self) -> int | None:
        """The smallest n with which at least 1 - delta of the trials succeed; None where it is more than `tried`."""
        return self.tried if _enough(self.experiment, self.successes[-1]) else None

    @property
    def constant(self) -> float | None:
        """C of this curve alone: the needed n over log(1 / min(delta, epsilon)) / (1 - f)."""
        return None if self.needed is None else self.needed / self.experiment.scale


def measure(experiment: Experiment, watch: Watcher | None = None) -> Curve:
    """Add variables until every target is reached often enough.

    Args:
        experiment: what to measure.
        watch: called with each n that is begun.

    Returns:
        The successes for every n from 0 on. They end at the needed n; or at `experiment.most`, or before the first n
        with a trial that cannot be decided on (see `reaches_all`).
    """
    trials = [_Trial(experiment, number) for number in range(experiment.trials)]
    successes: list[int] = []
    free = 0.0
    for count in range(experiment.most + 1):
        if watch is not None:
            watch(count)
        try:
            reached = sum(trial.reaches(count) for trial in trials)
        except RequestError:
            break
        successes.append(reached)
        free = sum(trial.free_among(count) for trial in trials) / len(trials)
        if _enough(experiment, reached):
            break
    return Curve(experiment, tuple(successes), free)


def fit(curves: Iterable[Curve]) -> float | None:
    """Fits needed n = C log(1 / min(delta, epsilon)) / (1 - f) to the curves without locking.

    Args:
        curves: any; those without a needed n, or one of 0, say nothing, and those with locked variables are not asked,
            since they follow another law (docs/theory.md).

    Returns:
        C by least squares; None where no curve is left.
    """
    known = [(curve.experiment.scale, curve.needed) for curve in curves if curve.needed and not curve.experiment.lock]
    if not known:
        return None
    return sum(scale * needed for scale, needed in known) / sum(scale**2 for scale, _ in known)


class _Trial:
    """One draw of the variables, which are added one by one."""

    def __init__(self, experiment: Experiment, number: int) -> None:
        count = experiment.most
        # Odd numbers of units of 2**-32: as many above zero as below.
        draws = Stream(experiment.seed, number, WEIGHTS).draws(0, count).astype(np.int64)
        self._numbers = 2 * draws + 1 - _ONE
        keys = Stream(experiment.seed, number, FREEZING).draws(0, count)
        pruned_below = round(_exact(experiment.prune) * _ONE)
        frozen_below = round((_exact(experiment.prune) + _exact(experiment.lock)) * _ONE)
        self._locked = (keys >= pruned_below) & (keys < frozen_below)
        self._free = keys >= frozen_below
        self._epsilon = int(_exact(experiment.epsilon) * _ONE)
        self._count = -1
        self._reached = False

    def reaches(self, count: int) -> bool:
        """Tell whether the first so many variables reach every target; they are one more at every call."""
        self._count += 1
        assert count == self._count
        if count == 0 or self._locked[count - 1] or (self._free[count - 1] and not self._reached):
            # Otherwise nothing changes: a pruned variable is in no sum, and a free one takes no sum away.
            locked = int(self._numbers[:count][self._locked[:count]].sum())
            free = self._numbers[:count][self._free[:count]]
            half = _ONE // 2
            self._reached = reaches_all(free, -half - locked, half - locked, self._epsilon)
        return self._reached

    def free_among(self, count: int) -> int:
        """Count the free ones among the first so many variables."""
        return int(self._free[:count].sum())


def _enough(experiment: Experiment, reached: int) -> bool:
    return reached >= (1 - _exact(experiment.delta)) * experiment.trials


def _exact(probability: float) -> Fraction:
    """Return the decimal number that was written."""
    return Fraction(repr(float(probability)))


def _out(where: str, expected: str, found: str, remedy: str = "choose another") -> RequestError:
    return RequestError(where, expected=expected, found=found, remedy=remedy)
