"""What a model found in a picture: one record for every task and runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...graph.weights import Array


@dataclass(frozen=True)
class Detections:
    """The objects of one picture, best first, in pixels of the picture.

    Attributes:
        size: height, width of the picture.
        boxes: float32 [N, 4] x1, y1, x2, y2, clipped to the picture; oriented [N, 5] cx, cy, w, h, angle in radians.
        scores: float32 [N], 0..1.
        classes: int64 [N].
        keypoints: float32 [N, P, D], x, y and (D = 3) visibility 0..1; None unless a pose model.
        masks: bool [N, height, width]; None unless a segment model.
        probs: float32 [C] of a classifier (boxes, scores and classes are empty then); else None.
    """

    size: tuple[int, int]
    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None
    masks: Array | None = None
    probs: Array | None = None

    def __len__(self) -> int:
        """How many objects."""
        return len(self.scores)

    def __getitem__(self, rows: Array) -> Detections:
        """The objects that a bool [N] or row numbers select, in that order."""
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            classes=self.classes[rows],
            keypoints=None if self.keypoints is None else self.keypoints[rows],
            masks=None if self.masks is None else self.masks[rows],
        )

    @property
    def oriented(self) -> bool:
        """Whether the boxes have an angle."""
        return bool(self.boxes.shape[1] == 5)

    def top_classes(self, count: int = 5) -> list[tuple[int, float]]:
        """A classifier's best classes with their probabilities, best first; empty for other models."""
        if self.probs is None:
            return []
        best = np.argsort(-self.probs, kind="stable")[:count]
        return [(int(number), float(self.probs[number])) for number in best]

    def to_records(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The detections as JSON values, a dictionary an object (or, for a classifier, one a class of the best five)."""
        if self.probs is not None:
            return [_class_record(number, score, names) for number, score in self.top_classes()]
        return [self._record(row, names) for row in range(len(self))]

    def _record(self, row: int, names: Sequence[str]) -> dict[str, Any]:
        record = _class_record(int(self.classes[row]), float(self.scores[row]), names)
        if self.oriented:
            record["obb"] = _rounded(self.boxes[row], 5)
            record["polygon"] = _rounded(corners(self.boxes[row : row + 1])[0])
        else:
            record["box"] = _rounded(self.boxes[row])
        if self.keypoints is not None:
            record["keypoints"] = _rounded(self.keypoints[row])
        if self.masks is not None:
            record["segments"] = mask_polygons(self.masks[row])
        return record


def no_detections(size: tuple[int, int], probs: Array | None = None) -> Detections:
    """An empty result, or a classifier's."""
    return Detections(size, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), probs=probs)


def corners(boxes: Array) -> Array:
    """The four corners [N, 4, 2] of oriented boxes [N, 5] (cx, cy, w, h, angle in radians)."""
    centre, angle = boxes[:, None, :2], boxes[:, 4]
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None] * boxes[:, None, 2:3] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1)[:, None] * boxes[:, None, 3:4] / 2
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float32)
    points: Array = centre + signs[None, :, :1] * along + signs[None, :, 1:] * across
    return points


def mask_polygons(mask: Array) -> list[list[int]]:
    """The outlines of a mask [H, W] as flat lists x, y, x, y, ...; one for each separate part that is no mere line."""
    import cv2

    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [outline.reshape(-1).tolist() for outline in outlines if len(outline) >= 3]


def _class_record(number: int, score: float, names: Sequence[str]) -> dict[str, Any]:
    name = names[number] if number < len(names) else str(number)
    return {"class": number, "name": name, "score": round(score, 5)}


def _rounded(values: Array, digits: int = 2) -> Any:
    return np.round(values.astype(np.float64), digits).tolist()
