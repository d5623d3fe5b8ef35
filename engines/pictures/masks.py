"""Masks as what travels in JSON: outlines for drawing, and COCO's run lengths, which keep holes and small parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
