"""Counting values by the upper half of their bits."""

import numpy as np
import pytest

from trtzoo.evaluation.calibration.ranges.counts import LARGE, STEP, Counts, merged, no_counts

RNG = np.random.default_rng(3)
VALUES = (RNG.normal(size=5000) ** 3).astype(np.float32)


def test_every_value_is_counted_within_the_resolution():
    counts = Counts.of(VALUES)
    values, amounts = counts.occupied()
    assert counts.total == amounts.sum() == VALUES.size
    assert counts.peak == np.abs(VALUES).max()
    expanded = np.repeat(values, amounts)
    np.testing.assert_allclose(expanded, np.sort(VALUES), rtol=2**-8, atol=1e-38)


def test_magnitudes_are_upper_ends_and_end_at_the_peak():
    magnitudes, amounts = Counts.of(VALUES).magnitudes()
    expanded, exact = np.repeat(magnitudes, amounts), np.sort(np.abs(VALUES)).astype(np.float64)
    assert (expanded >= exact).all()
    assert (expanded <= exact * (1 + 2**-7)).all()
    assert magnitudes[-1] == np.abs(VALUES).max()


@pytest.mark.parametrize("cut", [1, 1234, 4999])
def test_parts_add_up_to_the_whole(cut):
    whole, parts = Counts.of(VALUES), merged([Counts.of(VALUES[:cut]), no_counts(), Counts.of(VALUES[cut:])])
    np.testing.assert_array_equal(parts.positive, whole.positive)
    np.testing.assert_array_equal(parts.negative, whole.negative)
    assert parts.peak == whole.peak


def test_three_turns_over_a_large_tensor_count_every_value_once():
    large = RNG.normal(size=(1, 3, 200, 200)).astype(np.float32)
    assert large.size > LARGE
    turns = merged(Counts.of(large, turn) for turn in range(STEP))
    pieces = merged(Counts.of(piece) for piece in np.array_split(large.reshape(-1), 4))
    np.testing.assert_array_equal(turns.positive, pieces.positive)
    np.testing.assert_array_equal(turns.negative, pieces.negative)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_shows_in_the_peak(value):
    assert not np.isfinite(Counts.of(np.array([1, value, 2], np.float32)).peak)


def test_zeros():
    counts = Counts.of(np.zeros(10, np.float32))
    assert (counts.peak, counts.total) == (0.0, 10)
    assert counts.occupied()[0].tolist() == [0.0]
