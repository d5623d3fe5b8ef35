"""Intervals of a difference: pictures of one labelled object each."""

from __future__ import annotations

import numpy as np
import pytest
from matches import matches

from trtzoo.evaluation.validation.metrics.bootstrap import paired_difference

RNG = np.random.default_rng(3)


def model(right):
    count = len(right)
    return matches(right, np.linspace(0.9, 0.5, count), count, (range(count), range(count)))


def test_a_model_differs_nowhere_from_itself():
    one = model(RNG.random(40) < 0.5)
    found = paired_difference(one, one, 40, draws=50)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert not found.resolved


def test_a_clear_difference_is_resolved():
    found = paired_difference(model(np.arange(60) % 2 == 0), model(np.ones(60, bool)), 60, draws=200)
    assert found.resolved
    assert found.low < found.difference < found.high
    assert found.difference > 0.3


def test_one_picture_more_or_less_is_not():
    worse = np.ones(60, bool)
    worse[30] = False
    assert not paired_difference(model(np.ones(60, bool)), model(worse), 60, draws=200).resolved


def test_the_interval_is_that_of_a_plain_loop():
    """Draw the pictures, copy their findings and evaluate anew."""
    models = [model(RNG.random(30) < share) for share in (0.4, 0.7)]

    def average(one, drawn):
        rows = np.concatenate([np.flatnonzero(one.pictures == picture) for picture in drawn])
        order = rows[np.argsort(-one.scores[rows], kind="stable")]
        hits = np.cumsum(one.right[order, 0])
        best = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        at = np.searchsorted(hits, np.linspace(0, 1, 101) * len(drawn) - 1e-9)
        return best[at[at < len(best)]].sum() / 101

    rng = np.random.default_rng(8)
    draws = [rng.integers(0, 30, 30) for _ in range(600)]
    gains = [average(models[1], drawn) - average(models[0], drawn) for drawn in draws]
    found = paired_difference(*models, 30, draws=600)
    assert (found.low, found.high) == pytest.approx(np.percentile(gains, [2.5, 97.5]), abs=0.04)
