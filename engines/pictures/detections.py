"""What a model found in a picture: one record for every task and runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, MissingDependencyError
from ...graph.weights import Array
from .masks import mask_polygons, run_lengths

if TYPE_CHECKING:
    import supervision

_ROWS = ("boxes", "scores", "classes", "keypoints", "masks")
"""Fields with a row an object."""

COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Category ids of 1 to 90 that COCO's detection data sets do not use."""


@dataclass(frozen=True)
class Detections:
    """The objects of one picture, best first, in pixels of the picture.

    `found[keep]` picks objects, by a number, a slice, an array of numbers or a mask bool [N].

    Attributes:
        size: height, width of the picture.
        boxes: float32 [N, 4] x1, y1, x2, y2, clipped to the picture; oriented [N, 5] cx, cy, w, h, angle in radians.
        scores: float32 [N], 0..1.
        classes: int64 [N].
        keypoints: float32 [N, P, D], x, y and (D = 3) visibility 0..1; None unless a pose model.
        masks: bool [N, height, width]; None unless a segment model.
        probs: float32 [C] of a classifier (boxes, scores and classes are empty then); else None.
        names: of the classes; a class without one is called by its number.

    Raises:
        InputError: the arrays are not of one length.
    """

    size: tuple[int, int]
    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None
    masks: Array | None = None
    probs: Array | None = None
    names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        lengths = {name: len(rows) for name in _ROWS if (rows := getattr(self, name)) is not None}
        if len(set(lengths.values())) > 1:
            raise InputError(f"detections of different lengths: {lengths}; each needs a row an object")

    def __len__(self) -> int:
        """How many objects."""
        return len(self.scores)

    def __getitem__(self, keep: int | slice | Sequence[int] | Array) -> Detections:
        """The objects that `keep` picks."""
        rows = [keep] if isinstance(keep, (int, np.integer)) else keep
        return replace(self, **{name: array[rows] for name in _ROWS if (array := getattr(self, name)) is not None})

    @property
    def oriented(self) -> bool:
        """Whether the boxes have an angle."""
        return bool(self.boxes.shape[1] == 5)

    def name_of(self, number: int) -> str:
        """A class's name, or its number where it has none."""
        return self.names[number] if number < len(self.names) else str(number)

    def top_classes(self, count: int = 5) -> list[tuple[int, float]]:
        """A classifier's best classes with their probabilities, best first; empty for other models."""
        if self.probs is None:
            return []
        best = np.argsort(-self.probs, kind="stable")[:count]
        return [(int(number), float(self.probs[number])) for number in best]

    def upright(self) -> Array:
        """Boxes float32 [N, 4] x1, y1, x2, y2; of oriented ones the smallest upright boxes around them."""
        if not self.oriented:
            return self.boxes
        points = corners(self.boxes)
        around: Array = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
        return around

    def to_records(self) -> list[dict[str, Any]]:
        """The detections as JSON values, a dictionary an object (or, for a classifier, one a class of the best five).

        A point is [x, y], a polygon a list of points; masks are there as polygons and as COCO's run lengths.
        """
        if self.probs is not None:
            return [self._class_record(number, score) for number, score in self.top_classes()]
        return [self._record(row) for row in range(len(self))]

    def to_coco(self, image_id: int | str = 0) -> list[dict[str, Any]]:
        """The detections as COCO results, a dictionary an object, as `pycocotools.coco.COCO.loadRes` reads them.

        `category_id` is the class's number + 1, or COCO's own number where the names are COCO's 80.
        """
        ids = category_ids(self.names)
        return [self._coco(row, image_id, ids) for row in range(len(self))]

    def to_supervision(self) -> supervision.Detections:
        """The detections as `supervision.Detections` (class names under `data["class_name"]`); keypoints are left out.

        Raises:
            MissingDependencyError: the package `supervision` is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise MissingDependencyError("to_supervision() needs supervision; run `pip install supervision`") from error
        data: dict[str, Any] = {"class_name": np.array([self.name_of(int(number)) for number in self.classes])}
        if self.oriented:
            data["xyxyxyxy"] = corners(self.boxes)
        return supervision.Detections(
            xyxy=self.upright(), mask=self.masks, confidence=self.scores, class_id=self.classes, data=data
        )

    def plot(self, picture: Array) -> Array:
        """A copy of the picture uint8 [H, W, 3] (blue, green, red) with everything that was found on it."""
        from .drawing import draw

        return draw(picture, self)

    def _record(self, row: int) -> dict[str, Any]:
        record = self._class_record(int(self.classes[row]), float(self.scores[row]))
        if self.oriented:
            record["obb"] = _rounded(self.boxes[row], 5)
            record["polygon"] = _rounded(corners(self.boxes[row : row + 1])[0])
        else:
            record["box"] = _rounded(self.boxes[row])
        if self.keypoints is not None:
            record["keypoints"] = _rounded(self.keypoints[row])
        if self.masks is not None:
            record["polygons"] = mask_polygons(self.masks[row])
            record["mask"] = run_lengths(self.masks[row])
        return record

    def _class_record(self, number: int, score: float) -> dict[str, Any]:
        return {"class": number, "name": self.name_of(number), "score": round(score, 5)}

    def _coco(self, row: int, image_id: int | str, ids: Sequence[int]) -> dict[str, Any]:
        box = self.upright()[row].astype(np.float64)
        number = int(self.classes[row])
        result: dict[str, Any] = {
            "image_id": image_id,
            "category_id": ids[number] if number < len(ids) else number + 1,
            "bbox": _rounded(np.concatenate([box[:2], box[2:] - box[:2]]), 3),
            "score": round(float(self.scores[row]), 5),
        }
        if self.oriented:
            result["segmentation"] = [_rounded(corners(self.boxes[row : row + 1]).reshape(-1), 3)]
        if self.masks is not None:
            result["segmentation"] = run_lengths(self.masks[row])
        if self.keypoints is not None:
            points = self.keypoints[row]
            seen = points[:, 2:] if points.shape[1] > 2 else np.ones((len(points), 1))
            result["keypoints"] = _rounded(np.concatenate([points[:, :2], seen], axis=1).reshape(-1), 3)
        return result


def no_detections(size: tuple[int, int], probs: Array | None = None, names: tuple[str, ...] = ()) -> Detections:
    """An empty result, or a classifier's."""
    boxes, none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    return Detections(size, boxes, none, np.zeros(0, np.int64), probs=probs, names=names)


def category_ids(names: Sequence[str]) -> list[int]:
    """The COCO category of each class: counted from 1, with COCO's gaps where the names are COCO's 80."""
    coco = len(names) == 80 and names[0] == "person" and names[-1] == "toothbrush"
    return [number for number in range(1, 91) if number not in COCO_GAPS] if coco else list(range(1, len(names) + 1))


def corners(boxes: Array) -> Array:
    """The four corners [N, 4, 2] of oriented boxes [N, 5] (cx, cy, w, h, angle in radians)."""
    centre, angle = boxes[:, None, :2], boxes[:, 4]
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None] * boxes[:, None, 2:3] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1)[:, None] * boxes[:, None, 3:4] / 2
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float32)
    points: Array = centre + signs[None, :, :1] * along + signs[None, :, 1:] * across
    return points


def _rounded(values: Array, digits: int = 2) -> Any:
    """As JSON values; NaN and infinity, which JSON does not know, become 0."""
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    return np.round(finite, digits).tolist()
