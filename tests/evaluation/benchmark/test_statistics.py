"""From seconds to figures."""

from __future__ import annotations

import numpy as np
import pytest

from trtzoo.evaluation.benchmark.statistics import relative_to, times_of


def test_figures_of_times():
    one = times_of(np.arange(1, 102) / 1000)
    assert (one.mean, one.median, one.p90, one.p99, one.least, one.count) == pytest.approx((51, 51, 91, 100, 1, 101))


def test_a_ratio_is_taken_turn_by_turn():
    """The machine gets slower and slower; the second model takes half as long again in every turn."""
    first = [np.full(5, slow) for slow in (1.0, 2.0, 4.0, 8.0)]
    done = relative_to(first, [1.5 * turn for turn in first], "first")
    assert (done.ratio, done.low, done.high, done.against) == (1.5, 1.5, 1.5, "first")
    varied = relative_to(first, [factor * turn for factor, turn in zip((1, 1.2, 1.4, 3), first, strict=True)], "first")
    assert varied.low == pytest.approx(1, abs=0.15)
    assert varied.ratio == pytest.approx(1.3)
    assert varied.low < 1.3 < varied.high


def test_a_ratios_interval_holds_nineteen_of_twenty_draws():
    """Against turns drawn anew in a plain loop."""
    rng = np.random.default_rng(1)
    first = [rng.uniform(0.9, 1.1, 9) for _ in range(21)]
    other = [rng.uniform(1.0, 2.0, 9) for _ in range(21)]
    done = relative_to(first, other, "first")
    ratios = [float(np.median(b) / np.median(a)) for a, b in zip(first, other, strict=True)]
    draws = [np.median(rng.choice(ratios, len(ratios))) for _ in range(4000)]
    assert (done.low, done.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.02)
    assert done.ratio == pytest.approx(np.median(ratios), abs=1e-4)
    assert np.percentile(draws, 0.05) < done.low - 0.02, "a wider interval is another one"


def test_one_turn_has_no_interval():
    done = relative_to([np.ones(3)], [np.full(3, 2.0)], "first")
    assert (done.ratio, done.low, done.high) == (2, 2, 2)
