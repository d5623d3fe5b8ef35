"""Thresholds against formulas written out on the values themselves, without counters."""

import numpy as np
import pytest

from trtzoo.errors import InputError
from trtzoo.evaluation.calibration.ranges.counts import Counts, no_counts
from trtzoo.evaluation.calibration.ranges.methods import CANDIDATES, METHODS, Threshold, parse_method, threshold

RNG = np.random.default_rng(5)
VALUES = RNG.standard_t(3, size=200_000).astype(np.float32)[: 1 << 16]
COUNTS = Counts.of(VALUES)
PEAK = float(np.abs(VALUES).max())


def test_minmax_is_exact():
    assert threshold(COUNTS, Threshold("minmax")) == PEAK


@pytest.mark.parametrize("percent", [50.0, 99.0, 99.9, 99.99, 100.0])
def test_percentile_against_numpy(percent):
    expected = np.quantile(np.abs(VALUES), percent / 100, method="inverted_cdf")
    assert expected <= threshold(COUNTS, Threshold("percentile", percentile=percent)) <= expected * (1 + 2**-7)


@pytest.mark.parametrize(("how", "power"), [(Threshold("mse"), 2), (Threshold("lp"), 3), (Threshold("lp", power=4), 4)])
def test_least_error_against_a_search_on_the_values(how, power):
    def error(limit):
        scale = limit / 127
        return (np.abs(np.clip(np.rint(VALUES / scale), -128, 127) * scale - VALUES) ** power).sum(dtype=np.float64)

    found = threshold(COUNTS, how)
    best = min(error(share * PEAK) for share in CANDIDATES)
    assert error(found) <= best * 1.02


def test_entropy_cuts_a_lone_outlier_off_and_keeps_a_uniform_tensor():
    outlier = np.append(RNG.normal(size=1 << 15), [60]).astype(np.float32)
    assert 2 < threshold(Counts.of(outlier), Threshold("entropy")) < 10
    uniform = RNG.uniform(-1, 1, size=1 << 16).astype(np.float32)
    assert threshold(Counts.of(uniform), Threshold("entropy")) > 0.9


def test_methods_in_the_order_of_their_boldness():
    """On long tails entropy cuts most, then mse, then a higher power; min-max nothing."""
    found = [threshold(COUNTS, Threshold(method)) for method in ("entropy", "mse", "lp", "minmax")]
    assert found == sorted(found)
    assert len(set(found)) == 4


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_of_zeros_has_a_positive_threshold(method):
    assert 0 < threshold(Counts.of(np.zeros(100, np.float32)), Threshold(method)) < 1e-3


@pytest.mark.parametrize(
    ("name", "method"), [("MinMax", "minmax"), ("Entropy", "entropy"), ("percentile", "percentile")]
)
def test_names_in_any_case(name, method):
    assert parse_method(name) == method


def test_refusals():
    for make, message in (
        (lambda: parse_method("kl"), "choose one of percentile, lp"),
        (lambda: Threshold(percentile=3), "--calib-percentile 3 is out of range"),
        (lambda: Threshold(power=0.5), "--calib-power 0.5 is out of range"),
        (lambda: threshold(no_counts(), Threshold()), "nothing was counted"),
        (lambda: threshold(Counts.of(np.array([np.inf], np.float32)), Threshold()), "infinity"),
    ):
        with pytest.raises(InputError, match=message):
            make()
