"""How sure a difference is: pictures are drawn anew with replacement, the same for both models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....graph.weights import Array
from .average_precision import RECALLS, Matches

LEVEL = 0.95
DRAWS = 500
ANYTHING = (-1.0, 1.0)
"""The interval of a difference of which a single picture tells nothing."""


@dataclass(frozen=True)
class Interval:
    """A difference between two models on the same pictures.

    Attributes:
        difference: second minus first.
        low: lower end of the interval.
        high: upper end.
        level: share of the draws inside.
        draws: how many.
    """

    difference: float
    low: float
    high: float
    level: float
    draws: int

    @property
    def resolved(self) -> bool:
        """Whether no difference at all lies outside of the interval."""
        return self.low > 0 or self.high < 0


def paired_difference(first: Matches, second: Matches, pictures: int, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The percentile bootstrap interval (Efron 1979) of the difference in mean average precision, second minus first.

    Args:
        first: of one model.
        second: of another one on the same pictures.
        pictures: how many.
        draws: how often pictures are drawn.
        seed: of the draws.
    """
    from scipy.stats import bootstrap

    judge = [_judge(matches, pictures) for matches in (first, second)]

    def difference(drawn: Array) -> float:
        weights = np.bincount(drawn.astype(np.int64), minlength=pictures)
        return judge[1](weights) - judge[0](weights)

    every = np.arange(pictures)
    if pictures < 2:
        return Interval(difference(every), *ANYTHING, LEVEL, draws)
    found = bootstrap(
        (every,),
        difference,
        n_resamples=draws,
        vectorized=False,
        method="percentile",
        confidence_level=LEVEL,
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return Interval(difference(every), float(low), float(high), LEVEL, draws)


def _judge(matches: Matches, pictures: int) -> Callable[[Array], float]:
    """A function from how often each picture was drawn [pictures] to the mean average precision, for many calls."""
    order = np.argsort(-matches.scores, kind="stable")
    classes = matches.classes[order]
    parts = []
    for number in np.unique(matches.labelled):
        rows = order[classes == number]
        counts = np.bincount(matches.labelled_pictures[matches.labelled == number], minlength=pictures)
        parts.append((matches.right[rows].T, matches.pictures[rows], counts))

    def judge(weights: Array) -> float:
        values = [_weighted(right, weights[where], int(weights @ counts)) for right, where, counts in parts]
        there = [value for value in values if value is not None]
        return float(np.mean(there)) if there else 0.0

    return judge


def _weighted(right: Array, weights: Array, labelled: int) -> float | None:
    """Average precision over all thresholds of one class, `right` [T, N] by falling score; None where nothing is labelled."""
    if not labelled:
        return None
    if not right.shape[1]:
        return 0.0
    hits = (right * weights).cumsum(axis=1)
    found = np.maximum(weights.cumsum(), TINY)
    best = np.maximum.accumulate((hits / found)[:, ::-1], axis=1)[:, ::-1]
    total = 0.0
    for line, heights in zip(hits, best, strict=True):
        at = np.searchsorted(line, RECALLS * labelled - 1e-9)
        total += float(heights[at[at < len(heights)]].sum()) / len(RECALLS)
    return total / len(right)


TINY = 1e-16
