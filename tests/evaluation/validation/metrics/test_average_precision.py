"""Average precision against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from matches import matches

from trtzoo.evaluation.validation.metrics import average_precision as precision

RNG = np.random.default_rng(3)


def interpolated(right, labelled):
    """Precision at 101 recalls by definition: linear between the points of the envelope, 0 after the last."""
    hits = np.cumsum(right)
    recall, share = hits / labelled, hits / np.arange(1, len(right) + 1)
    recall, share = np.array([0, *recall, recall[-1], 1]), np.array([1, *share, 0, 0])
    best = np.array([share[row:].max() for row in range(len(share))])
    return np.interp(np.linspace(0, 1, 101), recall, best)


def test_average_precision_is_the_area_under_the_envelope():
    right, labelled = RNG.random(30) < 0.6, 25
    curves = precision.curves_by_class(matches(right, np.linspace(1, 0.1, 30), labelled))[0]
    line = interpolated(right, labelled)
    assert curves.ap == pytest.approx([np.trapezoid(line, dx=0.01)] * 10, abs=1e-9)
    np.testing.assert_allclose(curves.precision_at_recall, line, atol=1e-9)


CASES = {
    "all right": ([1, 1, 1], 3, 1.0),
    "nothing found": ([], 3, 0.0),
    "nothing right": ([0, 0], 3, 0.0),
}


@pytest.mark.parametrize(("right", "labelled", "expected"), CASES.values(), ids=CASES)
def test_average_precision_at_its_ends(right, labelled, expected):
    curves = precision.curves_by_class(
        matches(np.array(right, bool).reshape(-1), np.linspace(0.9, 0.1, len(right)), labelled)
    )
    assert precision.summarise(curves).map == pytest.approx(expected, abs=0.006)


def test_the_order_of_equal_scores_is_the_order_of_finding():
    first = precision.curves_by_class(matches([1, 0], [0.5, 0.5], 1))[0].ap[0]
    second = precision.curves_by_class(matches([0, 1], [0.5, 0.5], 1))[0].ap[0]
    assert first > second


def test_precision_and_recall_are_those_of_the_best_f1():
    """Nine right ones above .5, forty wrong ones below .3: the best threshold lies between."""
    right = [1] * 9 + [0] * 40
    scores = [*np.linspace(0.9, 0.5, 9), *np.linspace(0.3, 0.1, 40)]
    summary = precision.summarise(precision.curves_by_class(matches(right, scores, 10)))
    assert (summary.precision, summary.recall) == (pytest.approx(1.0, abs=0.03), pytest.approx(0.9))
    assert 0.3 < summary.confidence < 0.5


def test_vocs_average_precision_takes_eleven_recalls():
    right, scores = np.array([1, 0, 1, 0, 0], bool), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert precision.voc_average_precision(right, scores, 4) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
