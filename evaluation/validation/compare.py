"""Models side by side: every further one against the first, on the pictures that both looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...graph.weights import Array
from .metrics.average_precision import Matches
from .metrics.bootstrap import ANYTHING, LEVEL, paired_difference
from .results import Comparison


def compare_matches(
    first: Mapping[str, Matches], other: Mapping[str, Matches], labels: tuple[str, str], pictures: int, draws: int
) -> list[Comparison]:
    """The difference in mean average precision of each metric that both have, second label minus first.

    Args:
        first: matches by metric.
        other: likewise.
        labels: of the two models.
        pictures: how many both looked at.
        draws: of the bootstrap.
    """
    found = {
        metric: paired_difference(first[metric], matches, pictures, draws)
        for metric, matches in other.items()
        if metric in first
    }
    return [
        Comparison(labels[1], labels[0], metric, one.difference, one.low, one.high, one.level, one.draws)
        for metric, one in found.items()
    ]


def compare_accuracy(first: Array, other: Array, labels: tuple[str, str], draws: int) -> list[Comparison]:
    """The difference in right answers bool [N] of two classifiers on the same pictures."""
    from scipy.stats import bootstrap

    gain = other.astype(float) - first.astype(float)
    if len(gain) < 2:
        return [Comparison(labels[1], labels[0], "top1", float(gain.sum()), *ANYTHING, LEVEL, draws)]
    rng = np.random.default_rng(0)
    interval = bootstrap((gain,), np.mean, n_resamples=draws, confidence_level=LEVEL, method="percentile", rng=rng)
    low, high = interval.confidence_interval
    return [Comparison(labels[1], labels[0], "top1", float(gain.mean()), float(low), float(high), LEVEL, draws)]
