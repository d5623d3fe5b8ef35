"""Masks as the YOLO frameworks' validators compare them: on the grid of the prototypes, a quarter of the network's input.

Rule of Ultralytics' segmentation validator: a found mask is where the logit is above 0, cut to the grid's pixels whose index
lies in the box; a label is its outline, drawn at the size of the input and scaled down, and a pixel belongs to the smallest
object that covers it. COCO's own figures are of the picture's pixels, where nothing of this is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....data.datasets.truth import Segmentation, Truth
from ....engines.pictures.preprocess import Placement
from ....graph.weights import Array
from .coco_library import run_lengths

POINTS = 1000
"""Points along an outline, each rounded down to a whole pixel when it is drawn, as in the frameworks."""


@dataclass(frozen=True)
class MaskGrid:
    """What was found on a picture, on the grid.

    Attributes:
        masks: bool [N, h, w].
        imgsz: height, width of the network's input.
        placement: where the picture lies in it.
    """

    masks: Array
    imgsz: tuple[int, int]
    placement: Placement

    def overlaps(self, truth: Truth, library: Any) -> Array:
        """Intersection over union [M, N] of the labels' masks and those found.

        Args:
            truth: labels with masks.
            library: the COCO library's module of run lengths, for labels that are such.
        """
        labels = [self._label(mask, library) for mask in truth.masks or ()]
        if not labels or not len(self.masks):
            return np.zeros((len(truth), len(self.masks)))
        owned = _smallest_on_top(np.stack(labels)).reshape(len(labels), -1).astype(np.float32)
        found = self.masks.reshape(len(self.masks), -1).astype(np.float32)
        both = owned @ found.T
        union = owned.sum(axis=1)[:, None] + found.sum(axis=1)[None] - both
        ratio: Array = both / np.maximum(union, 1e-7)
        return ratio

    def _label(self, mask: Segmentation, library: Any) -> Array:
        """A label's mask bool [h, w] on the grid."""
        from ....opencv import cv2

        canvas = np.zeros(self.imgsz, np.uint8)
        if isinstance(mask, Mapping):
            canvas = self._in_input(library.decode(run_lengths(library, mask, mask["size"])))
        else:
            cv2.fillPoly(canvas, [self._outline(part) for part in mask if len(part) >= 6], 1)
        height, width = self.masks.shape[1:]
        small: Array = cv2.resize(canvas, (width, height))
        return small > 0

    def _outline(self, polygon: Sequence[float]) -> Array:
        """Whole pixels [POINTS, 2] of the input along a polygon of the picture."""
        corners = np.asarray(polygon, np.float64).reshape(-1, 2)
        closed = np.vstack([corners, corners[:1]])
        places = np.arange(len(closed))
        along = np.union1d(np.linspace(0, len(corners), POINTS), places)
        points = np.column_stack([np.interp(along, places, closed[:, axis]) for axis in (0, 1)])
        return (points * self.placement.scale + self.placement.offset).astype(np.int32)

    def _in_input(self, mask: Array) -> Array:
        """A mask [height, width] of the picture as it lies in the input."""
        from ....opencv import cv2

        (across, down), (left, top) = self.placement.scale, self.placement.offset
        matrix = np.array([[across, 0, left], [0, down, top]], np.float64)
        placed: Array = cv2.warpAffine(mask, matrix, self.imgsz[::-1], flags=cv2.INTER_NEAREST)
        return placed


def found_on_grid(masks: Array, boxes: Array, imgsz: tuple[int, int]) -> Array:
    """Masks [N, h, w] of 0..1 over the input as bool [N, h, w], cut to their boxes [N, 4] in pixels of the input."""
    height, width = masks.shape[1:]
    low, high = (boxes[:, side : side + 2] * (width / imgsz[1], height / imgsz[0]) for side in (0, 2))
    columns, rows = np.arange(width)[None], np.arange(height)[None]
    across = (columns >= low[:, :1]) & (columns < high[:, :1])
    down = (rows >= low[:, 1:]) & (rows < high[:, 1:])
    cut: Array = (masks > 0.5) & across[:, None, :] & down[:, :, None]
    return cut


def _smallest_on_top(masks: Array) -> Array:
    """Masks bool [M, h, w] in which a pixel belongs to the smallest of the objects that cover it."""
    order = np.argsort(-masks.sum(axis=(1, 2)), kind="stable")
    owner = np.zeros(masks.shape[1:], np.int64)
    for place, number in enumerate(order, start=1):
        owner[masks[number]] = place
    result = np.zeros_like(masks)
    for place, number in enumerate(order, start=1):
        result[number] = owner == place
    return result
