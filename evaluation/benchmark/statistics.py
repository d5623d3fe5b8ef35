"""From seconds to figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.weights import Array
from .results import Relative, Times

DRAWS = 2000
LEVEL = 0.95


def times_of(seconds: Sequence[float] | Array) -> Times:
    """The figures of some runs, at least one."""
    values = np.asarray(seconds, float) * 1000
    median, p90, p99 = np.percentile(values, [50, 90, 99])
    mean, median, p90, p99, least = (
        round(float(value), 4) for value in (values.mean(), median, p90, p99, values.min())
    )
    return Times(mean, median, p90, p99, least, len(values))


def relative_to(first: Sequence[Array], other: Sequence[Array], label: str) -> Relative:
    """How long another model takes as a multiple of the first one's time.

    The two took turns, so what else the machine did hit both: the ratio is taken turn by turn, and turns are drawn anew with
    replacement for the interval (percentile bootstrap, Efron 1979).

    Args:
        first: seconds of its runs, by turn.
        other: likewise, as many turns.
        label: of the first model.
    """
    from scipy.stats import bootstrap

    ratios = np.array([np.median(ours) / np.median(theirs) for ours, theirs in zip(other, first, strict=True)])
    ratio = float(np.median(ratios))
    if len(ratios) < 2:
        return Relative(round(ratio, 4), round(ratio, 4), round(ratio, 4), label)
    rng = np.random.default_rng(0)
    found = bootstrap(
        (ratios,), np.median, n_resamples=DRAWS, confidence_level=LEVEL, method="percentile", rng=rng
    ).confidence_interval
    return Relative(round(ratio, 4), round(float(found.low), 4), round(float(found.high), 4), label)
