"""Subset sums against all subsets, laws of the needed number of variables, and its picture."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.errors import RequestError
from sltpack.source.streams import FREEZING, WEIGHTS, Stream
from sltpack.theory import Curve, Experiment, draw, fit, measure, needed, picture, reaches_all, subset_sums

ONE = 1 << 32
HALF = ONE // 2

numbers = st.lists(st.integers(-ONE, ONE), max_size=9)
nearness = st.integers(1, ONE)
shifted = st.integers(-2 * ONE, 2 * ONE)


def reaches(free: list[int], low: int, high: int, epsilon: int) -> bool:
    return reaches_all(np.array(free, np.int64), low, high, epsilon)


def all_subsets(free: list[int], low: int, high: int, epsilon: int) -> bool:
    """The slow way: walk from the first target to the last, always to the end of what the sums so far reach."""
    sums = sorted(sum(x for bit, x in enumerate(free) if number >> bit & 1) for number in range(1 << len(free)))
    covered = low
    for total in sums:
        if total - epsilon > covered:
            break
        covered = max(covered, total + epsilon)
    return covered >= high and any(total - epsilon <= low <= total + epsilon for total in sums)


@given(numbers, nearness, shifted)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_as_all_subsets_say(free: list[int], epsilon: int, middle: int) -> None:
    assert reaches(free, middle - HALF, middle + HALF, epsilon) == all_subsets(
        free, middle - HALF, middle + HALF, epsilon
    )


@given(st.lists(st.integers(-16, 16), max_size=9), st.integers(1, 6), st.integers(-20, 20), st.data())
@settings(deadline=None, derandomize=True, max_examples=300)
def test_in_small_steps_and_with_ties(free: list[int], epsilon: int, middle: int, data: st.DataObject) -> None:
    """Few numbers take the ways of many where the limits are small, whatever these are."""
    limits = {"_FEW_BITS": data.draw(st.integers(0, 3)), "_MAX_SHIFTS": data.draw(st.integers(1, 5))}
    limits |= {"_MAX_BITS": data.draw(st.integers(5, 6))}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in limits.items():
            patched.setattr(subset_sums, name, value)
        patched.setattr(subset_sums, "UNIT_BITS", 0)
        assert reaches(free, middle - 8, middle + 8, epsilon) == all_subsets(free, middle - 8, middle + 8, epsilon)


@given(numbers, st.integers(1, HALF), st.integers(-ONE, ONE), st.integers(-ONE, ONE), st.integers(0, HALF))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_more_numbers_and_a_larger_epsilon_never_reach_less(
    free: list[int], epsilon: int, middle: int, another: int, more: int
) -> None:
    reached = reaches(free, middle - HALF, middle + HALF, epsilon)
    assert reaches([*free, another], middle - HALF, middle + HALF, epsilon) >= reached
    assert reaches(free, middle - HALF, middle + HALF, epsilon + more) >= reached


def test_by_hand() -> None:
    assert reaches([], -HALF, HALF, HALF)
    assert not reaches([], -HALF, HALF, HALF - 1)
    # -1/2, 0 and 1/2: the middles between them are a quarter away.
    assert reaches([-HALF, HALF], -HALF, HALF, HALF // 2)
    assert not reaches([-HALF, HALF], -HALF, HALF, HALF // 2 - 1)
    # A sum that is just out of the first target's reach does not help it, however near the next ones are.
    assert not reaches([-HALF - 10, ONE // 4], -HALF, HALF, 9)


@pytest.mark.parametrize("count", [12, 20, 40])
def test_binary_digits_and_numbers_that_add_nothing(count: int) -> None:
    """2**31, 2**30, .. 2**20 add up to every multiple of 2**20; of 40 numbers, 28 are zero or say the same again."""
    digits = [1 << power for power in range(20, 32)]
    free = (digits + [0] * 20 + digits)[:count]
    highest = (1 << 32) - (1 << 20)
    assert reaches(free, 0, highest, 1 << 19)
    assert not reaches(free, 0, highest, (1 << 19) - 1)
    assert not reaches(free, 0, 2 * ONE, 1 << 19)


@pytest.mark.parametrize("shifts", [1, 2, 3, 64])
@pytest.mark.parametrize("few", [0, 2, 9])
def test_no_sum_is_left_out(shifts: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of 2, 4, .. 512 are all even numbers up to 1022; one of them less would leave a gap of 4."""
    for name, value in {"_FEW_BITS": few, "_MAX_SHIFTS": shifts, "_MAX_BITS": 5, "UNIT_BITS": 0}.items():
        monkeypatch.setattr(subset_sums, name, value)
    digits = [1 << power for power in range(1, 10)]
    assert reaches(digits, 0, 1022, 1)
    assert reaches([-digits[0], *digits[1:]], -2, 1020, 1)
    assert not reaches(digits, -2, 1022, 1)
    assert not reaches([*digits[:-1], 514], 0, 1022, 1)


def test_forty_numbers_on_a_grid_have_gaps_that_no_subset_closes() -> None:
    free = (np.random.Generator(np.random.PCG64(1)).integers(-256, 256, 40) << 24).tolist()
    assert reaches(free, -HALF, HALF, 1 << 23)
    assert not reaches(free, -HALF, HALF, (1 << 23) - 1)


def test_forty_and_more_numbers() -> None:
    free = np.random.Generator(np.random.PCG64(2)).integers(-ONE, ONE, 60)
    assert reaches_all(free[:40], -HALF, HALF, ONE // 100_000)
    assert reaches_all(free, -HALF, HALF, ONE // 100_000)
    # The last targets that any subset comes near to are those of the sum of all positive numbers.
    highest = int(free[free > 0].sum())
    assert reaches_all(free, highest, highest + 1, 1)
    assert not reaches_all(free, highest, highest + 2, 1)


@pytest.mark.parametrize("high", [5, 4])
def test_no_interval(high: int) -> None:
    """The two neighbours that stand in beyond its ends would reach a single target alone."""
    with pytest.raises(RequestError) as caught:
        reaches([100, -100], 5, high, 1)
    assert str(caught.value) == (
        f"the targets: expected a last one above the first, 5, found {high}; choose an interval"
    )


def test_what_cannot_be_decided_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset_sums, "_FEW_BITS", 1)
    monkeypatch.setattr(subset_sums, "_MAX_BITS", 2)
    monkeypatch.setattr(subset_sums, "ALWAYS_DECIDED", 4)
    with pytest.raises(RequestError) as caught:
        reaches([-HALF, -HALF // 2, HALF, HALF // 3, HALF // 5, HALF // 7], -HALF, HALF, ONE // 1000)
    assert str(caught.value) == (
        "the free variables: expected at most 4, or more that are soon decided on, found 6; choose fewer variables or a "
        "larger epsilon"
    )


def slow_trial(asked: Experiment, number: int, count: int) -> bool:
    """One trial from the stream on, in Python's integers."""
    draws = Stream(asked.seed, number, WEIGHTS).draws(0, count).tolist()
    keys = Stream(asked.seed, number, FREEZING).draws(0, count).tolist()
    locked, free = 0, []
    for value, key in zip(draws, keys, strict=True):
        x = 2 * value + 1 - ONE
        if key >= round((asked.prune + asked.lock) * ONE):
            free.append(x)
        elif key >= round(asked.prune * ONE):
            locked += x
    return all_subsets(free, -HALF - locked, HALF - locked, math.floor(asked.epsilon * ONE))


@pytest.mark.parametrize(("prune", "lock"), [(0.0, 0.0), (0.25, 0.0), (0.0, 0.25), (0.125, 0.25)])
def test_a_measurement_against_the_slow_way(prune: float, lock: float) -> None:
    asked = Experiment(prune, lock, epsilon=0.0625, trials=20, seed=5, most=10, delta=0.05)
    curve = measure(asked)
    assert curve.successes == tuple(
        sum(slow_trial(asked, number, count) for number in range(20)) for count in range(len(curve.successes))
    )
    assert curve.successes[-1] > 0


def test_the_needed_number_is_the_first_with_enough_successes() -> None:
    told: list[int] = []
    curve = measure(Experiment(epsilon=0.1, trials=40), told.append)
    assert told == list(range(len(curve.successes)))
    assert curve.needed == curve.tried == curve.free
    assert curve.successes[-1] >= 38 > max(curve.successes[:-1])
    assert curve.constant == pytest.approx(curve.needed / math.log(1 / 0.05))
    assert measure(Experiment(epsilon=0.5)).successes == (200,)


def test_a_measurement_that_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = measure(Experiment(epsilon=0.01, trials=20, most=5))
    assert (curve.needed, curve.constant, curve.tried) == (None, None, 5)

    def undecided(*_: object) -> bool:
        raise RequestError("the free variables", expected="few", found="many", remedy="choose fewer")

    at_once = replace(Experiment(), trials=20)
    monkeypatch.setattr(needed, "reaches_all", lambda free, *rest: False if len(free) < 3 else undecided())
    assert measure(at_once).successes == (0, 0, 0)
    assert measure(at_once).free == 2


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    asked = Experiment(0.1, 0.2, epsilon=0.1, trials=30)
    assert measure(asked) == measure(asked)
    assert measure(asked).successes != measure(replace(asked, seed=1)).successes


def test_the_numbers_for_ever() -> None:
    """Other machines and versions say the same."""
    curve = measure(Experiment(0.1, 0.2, epsilon=0.1, trials=30))
    first = (0, 0, 0, 0, 1, 3, 5, 9, 14, 13, 19, 22, 22, 24, 25)
    assert curve.successes == (*first, 27, 27, 27, 27, 26, 26, 27, 27, 28, 28, 28, 28, 28, 28, 28, 29)


@given(st.floats(0, 0.5), st.floats(0, 0.4), st.sampled_from([0.1, 0.05, 0.02]))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_laws_of_a_measurement(prune: float, more: float, epsilon: float) -> None:
    asked = Experiment(prune, epsilon=epsilon, delta=0.1, trials=10, most=12)
    curve = measure(asked)
    # Without locking, no variable does harm.
    assert list(curve.successes) == sorted(curve.successes)
    for harder in (replace(asked, prune=prune + more), replace(asked, epsilon=epsilon / 2)):
        pairs = zip(measure(harder).successes, curve.successes, strict=False)
        assert all(fewer <= successes for fewer, successes in pairs)


def made(prune: float, lock: float, epsilon: float, count: int | None) -> Curve:
    """A curve that nobody measured."""
    asked = Experiment(prune, lock, epsilon, trials=20)
    return Curve(asked, (0,) * (5 if count is None else count) + (0 if count is None else 20,), 1.0)


def test_the_fit() -> None:
    curves = [made(0, 0, 0.01, 10), made(0.5, 0, 0.01, 20)]
    assert fit(curves) == pytest.approx(10 / math.log(100))
    # What is locked, or has no needed n or one of 0, says nothing.
    assert fit([*curves, made(0, 0.5, 0.01, 90), made(0.9, 0, 0.01, None), made(0, 0, 0.5, 0)]) == fit(curves)
    assert fit([made(0, 0.5, 0.01, 90)]) is None
    # Least squares through the origin, of n over x: the sum of n x over that of x squared.
    x, y = math.log(100), math.log(1000)
    assert fit([made(0, 0, 0.01, 9), made(0, 0, 0.001, 20)]) == pytest.approx((9 * x + 20 * y) / (x * x + y * y))


def test_the_scale() -> None:
    assert Experiment(0.25, 0.25, 0.001, delta=0.05).scale == pytest.approx(2 * math.log(1000))
    assert Experiment(0.2, 0.1, 0.1, delta=0.05).scale == pytest.approx(math.log(20) / 0.7)
    assert Experiment(0.2, 0.1).freeze == 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prune": -0.1}, "the pruning probability: expected at least 0 and below 1, found -0.1"),
        ({"prune": math.nan}, "the pruning probability: expected at least 0 and below 1, found nan"),
        ({"lock": 1.0}, "the locking probability: expected at least 0 and below 1, found 1"),
        ({"prune": 0.7, "lock": 0.3}, "p + l: expected less than 1, so that some variables are free, found 0.7 + 0.3"),
        ({"epsilon": 0.0}, "epsilon: expected 1e-06 to 0.5, found 0"),
        ({"epsilon": -1.0}, "epsilon: expected 1e-06 to 0.5, found -1"),
        ({"epsilon": math.nan}, "epsilon: expected 1e-06 to 0.5, found nan"),
        ({"delta": 0.0}, "delta: expected less than 1 and at least 0.005, a single one of 200 trials, found 0"),
        ({"delta": 1.0}, "delta: expected less than 1 and at least 0.005, a single one of 200 trials, found 1"),
        ({"delta": math.nan}, "delta: expected less than 1 and at least 0.005, a single one of 200 trials, found nan"),
        ({"delta": 0.004}, "delta: expected less than 1 and at least 0.005, a single one of 200 trials, found 0.004"),
        ({"trials": 0}, "the trials: expected 1 to 10000, found 0"),
        ({"trials": 10**9}, "the trials: expected 1 to 10000, found 1000000000"),
        ({"most": 0}, "the number of variables: expected 1 to 2000, found 0"),
        ({"most": 2001}, "the number of variables: expected 1 to 2000, found 2001"),
        ({"seed": -1}, "the seed: expected 0 to 2**64 - 1, found -1"),
        ({"seed": 1 << 64}, "the seed: expected 0 to 2**64 - 1, found 18446744073709551616"),
    ],
)
def test_what_cannot_be_measured(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Experiment(**wrong)  # type: ignore[arg-type]
    assert str(caught.value) == f"{message}; choose another" + (", or more trials" if "delta" in wrong else "")


def texts(picture: str) -> list[str]:
    """Everything that is written in a picture."""
    root = ElementTree.fromstring(picture)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture() -> None:
    curves = [made(0, 0, 0.01, 10), made(0.5, 0, 0.01, 20), made(0, 0.5, 0.01, 40), made(0, 0, 0.001, 15)]
    found = texts(draw([*curves, made(0.9, 0, 0.01, None)]))
    for text in ("epsilon 0.001", "nothing frozen", "all frozen pruned", "all frozen locked"):
        assert found.count(text) == 1
    assert f"every epsilon; line: n = {fit(curves):.1f} x" in found
    assert draw(curves) == draw([*curves, made(0.9, 0, 0.01, None)])  # what was given up is left out
    assert "every epsilon" in texts(draw([made(0, 0.5, 0.01, 40)]))


def test_the_ways_to_freeze_begin_where_nothing_is_frozen() -> None:
    curves = [made(0.5 - lock, lock, 0.01, 10 + index) for index, lock in enumerate((0, 0.1, 0.2, 0.3, 0.4, 0.5))]
    over_freezing = picture._over_freezing([made(0, 0, 0.01, 5), *curves])
    names = [f"{share} % of the frozen locked" for share in (20, 40, 60, 80)]
    assert [line.name for line in over_freezing.lines] == [
        "all frozen pruned",
        *names,
        "all frozen locked",
        "nothing frozen",
    ]
    assert [(point.x, point.y) for point in over_freezing.lines[1].points] == [(0, 5), (0.5, 11)]
    over_scale = picture._over_scale(curves)
    assert [len(line.points) for line in over_scale.lines] == [1] * 6
    assert not any(line.joined for line in over_scale.lines)


def test_no_picture_of_nothing() -> None:
    for curves in ([made(0.9, 0, 0.01, None)], []):
        with pytest.raises(RequestError) as caught:
            draw(curves)
        assert str(caught.value) == (
            "the picture: expected at least one curve that came to its needed n, found none; "
            "allow larger n (--most), more failures (--delta) or sums farther off (--epsilon)"
        )
