"""From the counts of a tensor to the magnitude that becomes 127.

minmax           the greatest magnitude
percentile       the least magnitude that covers this share of all values
mse, lp          what makes the sum of |quantised - value|^p least: p = 2, or (lp) 3
entropy          TensorRT's: least Kullback-Leibler divergence of the clipped histogram and its 128 levels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ....errors import InputError
from ....graph.weights import Array
from .counts import Counts

Method = Literal["percentile", "lp", "mse", "minmax", "entropy"]
METHODS: tuple[Method, ...] = get_args(Method)
PERCENTILE, POWER = 99.999, 3.0
CANDIDATES = np.geomspace(0.02, 1.0, 100)
"""Shares of the peak that `mse` and `lp` try."""
ENTROPY_BINS, ENTROPY_LEVELS, ENTROPY_STEP = 2048, 128, 8
_SMOOTH = 1e-4
"""Values that a level gets if the histogram has none there but outliers were added to it."""
_LEAST = 2.0**-20
"""A threshold for a tensor that is zero throughout, which any scale represents."""


@dataclass(frozen=True)
class Threshold:
    """How thresholds are chosen.

    Attributes:
        method: one of `METHODS`.
        percentile: of "percentile", in percent.
        power: p of "lp".
    """

    method: Method = "lp"
    percentile: float = PERCENTILE
    power: float = POWER

    def __post_init__(self) -> None:
        """Raises InputError for a number out of range."""
        if not 50 <= self.percentile <= 100:
            raise InputError(f"--calib-percentile {self.percentile} is out of range; choose 50 to 100")
        if not 1 <= self.power <= 8:
            raise InputError(f"--calib-power {self.power} is out of range; choose 1 to 8")

    def __str__(self) -> str:
        numbers = {"percentile": f" {self.percentile:g}", "lp": f" {self.power:g}"}
        return f"{self.method}{numbers.get(self.method, '')}"


def parse_method(text: str) -> Method:
    """A method by its name in any case, as other tools write it too ("MinMax", "Entropy").

    Raises:
        InputError: no such method.
    """
    name = text.lower().replace("-", "").replace("_", "")
    for method in METHODS:
        if name == method:
            return method
    raise InputError(f"--calib-method {text} is not known; choose one of {', '.join(METHODS)}")


def threshold(counts: Counts, how: Threshold) -> float:
    """The magnitude that becomes 127; for a tensor of zeros a tiny one.

    Raises:
        InputError: the tensor is not finite, or nothing was counted.
    """
    if not counts.total:
        raise InputError("nothing was counted; calibrate with at least one picture")
    if not np.isfinite(counts.peak):
        raise InputError("it reaches infinity or is not a number on these pictures")
    return max(_METHODS[how.method](counts, how), _LEAST)


def _minmax(counts: Counts, how: Threshold) -> float:
    return counts.peak


def _percentile(counts: Counts, how: Threshold) -> float:
    magnitudes, amounts = counts.magnitudes()
    share = np.cumsum(amounts) / counts.total
    place = int(np.searchsorted(share, how.percentile / 100))
    return float(magnitudes[min(place, len(magnitudes) - 1)])


def _least_power(counts: Counts, power: float) -> float:
    """The candidate with the least sum of |clip(round(v / s), -128, 127) * s - v|^power."""
    values, amounts = counts.occupied()
    errors = []
    for candidate in CANDIDATES * counts.peak:
        scale = candidate / 127
        quantised = np.clip(np.rint(values / scale), -128, 127) * scale if scale else values
        errors.append(float((amounts * np.abs(quantised - values) ** power).sum()))
    return float(CANDIDATES[int(np.argmin(errors))] * counts.peak)


def _entropy(counts: Counts, how: Threshold) -> float:
    """Migacz, "8-bit Inference with TensorRT" (GTC 2017): candidates from 128 bins up, outliers added to the last bin."""
    histogram = _histogram(counts)
    width = counts.peak / ENTROPY_BINS
    best, chosen = np.inf, ENTROPY_BINS
    for kept in range(ENTROPY_LEVELS, ENTROPY_BINS + 1, ENTROPY_STEP):
        divergence = _divergence(histogram, kept)
        if divergence < best:
            best, chosen = divergence, kept
    return (chosen + 0.5) * width if chosen < ENTROPY_BINS else counts.peak


def _histogram(counts: Counts) -> Array:
    """Magnitudes in `ENTROPY_BINS` equal bins up to the peak; the bin of zeros takes its neighbour's height."""
    values, amounts = counts.occupied()
    bins = np.minimum(np.abs(values) / (counts.peak or 1.0) * ENTROPY_BINS, ENTROPY_BINS - 1).astype(np.int64)
    histogram = np.bincount(bins, amounts, ENTROPY_BINS)
    histogram[0] = histogram[1]
    return histogram


def _divergence(histogram: Array, kept: int) -> float:
    """Kullback-Leibler divergence of the first `kept` bins, the rest added to the last, from their 128 levels."""
    reference = histogram[:kept].copy()
    level = np.arange(kept) * ENTROPY_LEVELS // kept
    sums = np.bincount(level, reference, ENTROPY_LEVELS)
    reference[-1] += histogram[kept:].sum()
    there = reference > 0
    filled = np.bincount(level, there, ENTROPY_LEVELS)
    spread = np.where(there, np.maximum((sums / np.maximum(filled, 1))[level], _SMOOTH), 0.0)
    p, q = reference / (reference.sum() or 1.0), spread / (spread.sum() or 1.0)
    return float((p[there] * np.log(p[there] / q[there])).sum())


_METHODS: dict[Method, Callable[[Counts, Threshold], float]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "mse": lambda counts, how: _least_power(counts, 2.0),
    "lp": lambda counts, how: _least_power(counts, how.power),
    "entropy": _entropy,
}
