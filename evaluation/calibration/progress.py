"""Telling how far long work is, and how long it will still take."""

from __future__ import annotations

import time

from ...contract.progress import Progress


class Clock:
    """Counts pieces of work and tells a `Progress` about them, with the time left.

    Args:
        total: how many pieces there are.
        doing: "calibrating".
        what: the pieces, "pictures".
        progress: is told.
    """

    def __init__(self, total: int, doing: str, what: str, progress: Progress) -> None:
        self._total, self._doing, self._what, self._progress = max(total, 1), doing, what, progress
        self._start, self._done = time.monotonic(), 0

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        spent = time.monotonic() - self._start
        left = spent / max(self._done, 1) * max(self._total - self._done, 0)
        step = f"{self._doing}, {self._done} of {self._total} {self._what}, {left:.0f} s left"
        self._progress(min(self._done / self._total, 1.0), step)
