"""Buffers in 32, 16 and 8 bits: what is read back is what was written, or as near to it as the bits allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sltpack.errors import FormatError, RequestError, SltpackError
from sltpack.format.records import BufferRow
from sltpack.tickets.buffers import WAYS, StoredBuffers, store


def norm(mean: object, variance: object, dtype: type = np.float32) -> dict[str, NDArray[np.floating]]:
    return {"a.running_mean": np.array(mean, dtype), "a.running_var": np.array(variance, dtype)}


def test_a_mean_and_a_variance_make_one_row() -> None:
    given_buffers = {
        "first": np.array(3, np.float32),
        **norm([1, 2], [3, 4]),
        "b.running_var": np.ones(2, np.float32),
        "running_mean": np.ones(2, np.float32),
        "running_var": np.ones(2, np.float32),
        "c.running_var": np.ones(3, np.float32),
        "c.running_mean": np.zeros(3, np.float32),
        "d.running_mean": np.ones(2, np.float32),
        "d.running_var": np.ones(3, np.float32),
        "e.running_mean": np.ones(2, np.float16),
        "e.running_var": np.ones(2, np.float32),
        "f.running_mean": np.ones((2, 1), np.float16),
        "f.running_var": np.ones((2, 1), np.float16),
    }
    stored = store(given_buffers)
    assert [(row.name, row.shape, row.kind) for row in stored.rows] == [
        ("first", (), "f32"),
        ("a", (2,), "norm-f32"),
        ("b.running_var", (2,), "f32"),
        ("running_mean", (2,), "f32"),
        ("running_var", (2,), "f32"),
        ("c", (3,), "norm-f32"),
        ("d.running_mean", (2,), "f32"),
        ("d.running_var", (3,), "f32"),
        ("e.running_mean", (2,), "f16"),
        ("e.running_var", (2,), "f32"),
        ("f", (2, 1), "norm-f16"),
    ]
    found = stored.restore()
    assert set(found) == set(given_buffers)
    for name, values in given_buffers.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_what_is_the_same_memory_is_written_once_and_read_under_every_name() -> None:
    mean, variance, other = np.array([1, 2], np.float32), np.array([3, 4], np.float32), np.ones(3, np.float32)
    shared = {
        "a.running_mean": mean,
        "a.running_var": variance,
        "b.running_mean": mean,
        "b.running_var": variance,
        "c": other,
        "d.running_mean": other[:2],
        "e": other,
        "d.running_var": np.ones(2, np.float32),
        "f": other.copy(),
    }
    stored = store(shared)
    assert [(row.names, row.kind) for row in stored.rows] == [
        (("a", "b"), "norm-f32"),
        (("c", "e"), "f32"),
        (("d",), "norm-f32"),
        (("f",), "f32"),
    ]
    assert len(stored.tensors["f32"]) == 4 * (4 + 3 + 4 + 3)
    found = stored.restore()
    assert set(found) == set(shared)
    for name, values in shared.items():
        np.testing.assert_array_equal(found[name], values)
    assert store(found) == stored
    # A mean that is shared beside variances that are not makes no row of both.
    lone = store({"a.running_mean": mean, "a.running_var": variance, "b.running_mean": mean, "b.running_var": mean + 1})
    assert [row.names for row in lone.rows] == [
        ("a.running_mean", "b.running_mean"),
        ("a.running_var",),
        ("b.running_var",),
    ]


@given(
    st.integers(1, 40),
    st.floats(-3, 3),
    st.sampled_from([0.1, 1.0, 3.0]),
    st.sampled_from([1.5, 10.0, 100.0]),
    st.integers(0, 2**32),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_eight_bits_are_near(channels: int, exponent: float, spread: float, ratio: float, seed: int) -> None:
    """No worse than with the largest steps: deviations by half a step between squares, means by a 254th of the largest."""
    random = np.random.default_rng(seed)
    deviation = 10**exponent * ratio ** -random.random(channels)
    mean = deviation * spread * random.standard_normal(channels)
    stored = store(norm(mean, deviation**2), "q8")
    assert [row.kind for row in stored.rows] == ["norm-q8"]
    assert {name: len(data) for name, data in stored.tensors.items()} == {"f32": 8, "u8": 2 * channels}
    found = stored.restore()
    assert all(values.dtype == np.float32 for values in found.values())
    told = np.sqrt(found["a.running_var"].astype(np.float64))
    limit = 1.05 / 256 * np.sqrt(deviation.max() / deviation)
    assert np.square(told / deviation - 1).sum() <= np.square(limit).sum()
    errors = (found["a.running_mean"] - mean) / told
    assert np.square(errors).sum() <= channels * (np.abs(mean / told).max() / 254 * 1.01) ** 2


def test_what_eight_bits_cannot_tell_stays_as_it_is() -> None:
    for mean, variance in (([1, np.inf], [1, 1]), ([1, 1], [1, np.nan]), ([1, 1], [1, -1]), ([1, 1], [0, 0])):
        stored = store(norm(mean, variance), "q8")
        assert [row.kind for row in stored.rows] == ["norm-f32"]
    assert [row.kind for row in store({"b": np.ones(2, np.float32)}, "q8").rows] == ["f32"]


def test_channels_that_never_vary() -> None:
    found = store(norm([0, 3], [0, 4]), "q8").restore()
    assert found["a.running_mean"][0] == 0 and 0 <= found["a.running_var"][0] < 1e-8
    assert found["a.running_var"][1] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_buffers_are_the_same_bytes(way: str) -> None:
    given_buffers = norm([0.5, -1, 0], [2, 1, 3])
    assert store(given_buffers, way) == store(dict(given_buffers), way)
    big_endian = {name: values.astype(values.dtype.newbyteorder(">")) for name, values in given_buffers.items()}
    assert store(big_endian, way) == store(given_buffers, way)


def test_numbers_that_do_not_fit_half_precision() -> None:
    with pytest.raises(SltpackError) as caught:
        store(norm([0], [1e6]), "f16")
    assert str(caught.value) == (
        "buffer a.running_var: expected numbers that fit float16, up to 65504, found 1e+06; pack with --buffers f32"
    )


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, "conv.weight"])
def test_names_that_a_file_cannot_hold(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        store({name: np.ones(1, np.float32)}, taken={"conv.weight"})
    assert caught.value.expected == "a name of 1 to 256 characters without spaces that no layer's weight has"


@pytest.mark.parametrize("values", [np.ones(2), np.ones(2, np.int64), np.ones((0, 2), np.float32)])
def test_kinds_that_a_file_cannot_hold(values: NDArray[np.floating]) -> None:
    with pytest.raises(RequestError, match="expected float32 or float16 of at most 8 dimensions, none of them 0"):
        store({"a": values})


@pytest.mark.parametrize("steps", [(0, 1), (1, 0), (-1, 1), (np.nan, 1), (1, np.inf), (1, 1e15), (3e38, 1)])
def test_steps_of_a_strangers_file(steps: tuple[float, float]) -> None:
    stored = StoredBuffers(
        (BufferRow(("n",), (2,), "norm-q8"),), {"f32": np.array(steps, "<f4").tobytes(), "u8": b"\0\xff\1\xfe"}
    )
    with pytest.raises(
        FormatError, match=r"^file.slt: buffer n: expected two steps above 0 that lead to finite numbers"
    ):
        stored.restore("file.slt")
