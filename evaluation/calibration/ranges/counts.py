"""How often each magnitude occurs in a tensor: 32768 counters that need no range in advance and can be added up.

A float32 is counted by its upper 16 bits (sign, exponent, seven bits of mantissa), so a counter's values differ by less than
0.8 % and every threshold method reads the same counts, however many pictures there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ....graph.weights import Array

PREFIXES = 1 << 16
MAGNITUDES = 1 << 15
_NOT_FINITE = 0x7F80
LARGE, STEP = 1 << 16, 3
"""Of tensors with more values than this every third is counted, to save time."""


@dataclass(frozen=True)
class Counts:
    """The values that a tensor took.

    Attributes:
        negative: int64 [32768], how many values of each magnitude below zero, by the upper bits without the sign.
        positive: the same of the others.
        peak: the greatest magnitude, exactly; infinite or not a number where the tensor was.
    """

    negative: Array
    positive: Array
    peak: float

    @staticmethod
    def of(values: Array, turn: int = 0) -> Counts:
        """Count float32 values of any shape; of a large tensor every third, from number `turn` modulo three on.

        Feature maps are seldom a multiple of three wide, so every column is seen, and with a `turn` that goes up from
        batch to batch all of them always are. The peak is that of all values.
        """
        counter = Counter()
        counter.add(values, turn)
        return counter.counts()

    def __add__(self, other: Counts) -> Counts:
        """The counts of both."""
        peak = float(np.maximum(self.peak, other.peak))
        return Counts(self.negative + other.negative, self.positive + other.positive, peak)

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.negative.sum() + self.positive.sum())

    def occupied(self) -> tuple[Array, Array]:
        """The values that occur, float64 ascending (the middle of each counter), and how often."""
        values = np.concatenate([-MIDDLES[::-1], MIDDLES])
        counts = np.concatenate([self.negative[:_NOT_FINITE][::-1], self.positive[:_NOT_FINITE]])
        there = counts > 0
        return values[there], counts[there]

    def magnitudes(self) -> tuple[Array, Array]:
        """Magnitudes that occur, float64 ascending (the upper end of each counter), and how often."""
        counts = self.negative[:_NOT_FINITE] + self.positive[:_NOT_FINITE]
        there = counts > 0
        return np.minimum(UPPER_ENDS[there], self.peak), counts[there]


class Counter:
    """Counts array after array into the same 65536 counters."""

    def __init__(self) -> None:
        self._both, self._peak = np.zeros(PREFIXES, np.int64), 0.0

    def add(self, values: Array, turn: int) -> None:
        """Count some more, as `Counts.of` says."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        step = STEP if flat.size > LARGE else 1
        upper = flat.view(np.uint16)[_UPPER + 2 * (turn % step) :: 2 * step]
        self._both += np.bincount(upper, minlength=PREFIXES)
        peak = max(-float(flat.min(initial=0.0)), float(flat.max(initial=0.0)))
        self._peak = float(np.maximum(self._peak, peak))

    def counts(self) -> Counts:
        """What was counted."""
        return Counts(self._both[MAGNITUDES:].copy(), self._both[:MAGNITUDES].copy(), self._peak)


def no_counts() -> Counts:
    """Of nothing."""
    return Counts(np.zeros(MAGNITUDES, np.int64), np.zeros(MAGNITUDES, np.int64), 0.0)


def merged(parts: Iterable[Counts]) -> Counts:
    """The counts of all parts."""
    return sum(parts, no_counts())


def _edges() -> Array:
    prefixes = np.arange(_NOT_FINITE + 1, dtype=np.uint32) << 16
    return prefixes.view(np.float32).astype(np.float64)


_UPPER = int(np.array([1], np.uint32).view(np.uint16)[0])
"""Where the upper half of a float32 lies in memory: 1 on little-endian machines."""
with np.errstate(invalid="ignore"):
    _EDGES = np.append(_edges()[:-1], 2.0**128)
MIDDLES = (_EDGES[:-1] + _EDGES[1:]) / 2
"""float64 [32640], the magnitude that stands for a counter; that of zero (and of what is nearly zero) is 0."""
MIDDLES[0] = 0.0
UPPER_ENDS = _EDGES[1:]
