"""Findings in a COCO results file, read a few categories at a time: all of them as objects would take gigabytes."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterable
from dataclasses import dataclass
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
        self._ends, self._categories = _index(iter(self._bytes.readline, b""))

    def __enter__(self) -> Findings:
        return self

    def __exit__(self, *error: object) -> None:
        self._bytes.close()
        self._stream.close()

    def __len__(self) -> int:
        return int((self._categories >= 0).sum())

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
        starts = np.concatenate([[0], self._ends[:-1]])
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        return [decode(_record(self._bytes[starts[row] : self._ends[row]])) for row in rows]


@dataclass
class _Category:
    category_id: int


def _index(lines: Iterable[bytes]) -> tuple[Array, Array]:
    """Where each line ends, and the category of its record; -1 for a line without one."""
    import msgspec

    decode = msgspec.json.Decoder(_Category).decode
    ends, categories, place = [], [], 0
    for line in lines:
        place += len(line)
        ends.append(place)
        text = _record(line)
        categories.append(decode(text).category_id if text.startswith(b"{") else -1)
    return np.array(ends, np.int64), np.array(categories, np.int64)


def _record(line: bytes) -> bytes:
    return line.rstrip(b",\n")
