"""Masks as what travels in JSON: outlines for drawing, and COCO's run lengths, which keep holes and small parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ...graph.weights import Array


def mask_polygons(mask: Array) -> list[list[list[int]]]:
    """The outlines of a mask [H, W], a list of [x, y] each; one for each separate part that is no mere line, without holes."""
    from ...opencv import cv2

    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [outline.reshape(-1, 2).tolist() for outline in outlines if len(outline) >= 3]


def run_lengths(mask: Array) -> dict[str, Any]:
    """A mask [H, W] as COCO's compressed run lengths: `{"size": [H, W], "counts": "..."}`, which pycocotools reads.

    Source: the COCO API, common/maskApi.c, rleEncode and rleToString: runs go down the columns, the first counts zeros.
    """
    height, width = mask.shape
    pixels = np.concatenate([[False], mask.astype(bool).ravel(order="F")])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    return {"size": [height, width], "counts": "".join(_letters(counts))}


def mask_of_runs(record: Mapping[str, Any]) -> Array:
    """COCO's run lengths, compressed or a list of numbers, as a mask bool [H, W].

    Raises:
        ValueError: the runs do not add up to the size.
    """
    height, width = record["size"]
    counts = record["counts"]
    runs = list(_numbers(counts)) if isinstance(counts, str | bytes) else list(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"run lengths of {sum(runs)} pixels for {width}x{height}")
    mask: Array = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
    return mask


def _numbers(letters: str | bytes) -> Iterator[int]:
    """The counts that `_letters` wrote. Source: the COCO API, common/maskApi.c, rleFrString."""
    counts: list[int] = []
    number = shift = 0
    for code in letters.encode() if isinstance(letters, str) else letters:
        bits = code - 48
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    yield from counts


def _letters(counts: list[int]) -> Iterator[str]:
    """Each number in groups of five bits, lowest first; from the fourth on its difference from the one before the last."""
    for place, count in enumerate(counts):
        yield from _groups(count - counts[place - 2] if place > 2 else count)


def _groups(number: int) -> Iterable[str]:
    more = True
    while more:
        bits, number = number & 0x1F, number >> 5
        more = number != (-1 if bits & 0x10 else 0)
        yield chr(48 + (bits | (0x20 if more else 0)))
