"""Findings in a COCO results file, read a few categories at a time: all of them as objects would take gigabytes."""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ....graph.weights import Array

MOST = 50_000
"""Findings in memory at once, as long as no single category has more."""


class Findings:
    """A results file with a record a line, as `records.prediction_file` writes it; a context that closes it."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self._bytes = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._starts, self._ends, self._categories = _index(self._bytes)

    def __enter__(self) -> Findings:
        return self

    def __exit__(self, *error: object) -> None:
        self._bytes.close()
        self._stream.close()

    def __len__(self) -> int:
        return len(self._categories)

    def groups(self, categories: Iterable[int], most: int = MOST) -> list[list[int]]:
        """The categories, those without findings too, in groups of at most so many findings or of one category."""
        counts = {number: int((self._categories == number).sum()) for number in categories}
        groups: list[list[int]] = []
        room = 0
        for number in sorted(counts, key=lambda category: -counts[category]):
            if not groups or counts[number] > room:
                groups.append([])
                room = most
            groups[-1].append(number)
            room -= counts[number]
        return groups

    def of(self, categories: Collection[int]) -> list[dict[str, Any]]:
        """The records of these categories."""
        import msgspec

        rows = np.flatnonzero(np.isin(self._categories, list(categories)))
        places = zip(self._starts[rows].tolist(), self._ends[rows].tolist(), strict=True)
        text = b"[" + b",".join([self._bytes[start:end] for start, end in places]) + b"]"
        return msgspec.json.decode(text, type=list[dict[str, Any]])


_CATEGORY = re.compile(rb'"category_id":(-?\d+)')
"""In a record; inside of a text its quotation marks would be escaped."""


PART = 2**24
"""Bytes that are looked through at once."""


def _index(text: mmap.mmap) -> tuple[Array, Array, Array]:
    """Where each record starts and ends, the comma left out, and its category."""
    breaks = np.concatenate([_breaks(text[place : place + PART]) + place for place in range(0, len(text), PART)])
    categories = np.fromiter((int(found[1]) for found in _CATEGORY.finditer(text)), np.int64)
    starts, ends = breaks[:-1] + 1, breaks[1:].copy()
    ends[:-1] -= 1
    return starts, ends, categories


def _breaks(part: bytes) -> Array:
    return np.flatnonzero(np.frombuffer(part, np.uint8) == ord("\n"))
