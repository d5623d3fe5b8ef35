"""What a model found, held against the labels picture by picture; what is kept of each picture is small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data.datasets.truth import Truth
from ...engines.pictures.detections import Detections
from ...graph.weights import Array
from .metrics.average_precision import Matches, voc_average_precision
from .metrics.matching import THRESHOLDS, confusions, match, voc_match
from .metrics.overlaps import BOX_SHARE, box_iou, keypoint_similarity, probabilistic_iou, rotated_iou
from .metrics.prototype_masks import MaskGrid

METRICS = {
    "detect": ("box",),
    "pose": ("box", "keypoints"),
    "segment": ("box", "mask"),
    "obb": ("box", "dota"),
}
"""What is measured for each task; "dota" is the box by DOTA's own rule."""


@dataclass
class _Kept:
    """All pictures so far."""

    right: dict[str, list[Array]] = field(default_factory=dict)
    scores: list[Array] = field(default_factory=list)
    classes: list[Array] = field(default_factory=list)
    labelled: list[Array] = field(default_factory=list)


class Judge:
    """Takes up picture after picture and gives the matches of all of them.

    Args:
        task: of the model.
        classes: how many the dataset has.
        sigmas: [P] of its keypoints, None for the field's own.
        masks: the COCO library's module of run lengths.
    """

    def __init__(self, task: str, classes: int, sigmas: Sequence[float] | None, masks: Any) -> None:
        self.metrics = METRICS[task]
        self.confusion = np.zeros((classes + 1, classes + 1), np.int64)
        self._classes = classes
        self._sigmas = None if sigmas is None else np.array(sigmas)
        self._library = masks
        self._kept = _Kept(right={metric: [] for metric in self.metrics})

    def add(self, truth: Truth, found: Detections, classes: Array, grid: MaskGrid | None = None) -> None:
        """Judge one picture.

        Args:
            truth: its labels.
            found: what the model found on it, best first.
            classes: the dataset's class [N] of each.
            grid: its masks; None of a model without.
        """
        whole = truth[~truth.crowd]
        ways = {
            "box": lambda: _boxes(whole, found),
            "keypoints": lambda: self._keypoints(whole, found),
            "mask": lambda: self._masks(whole, found, grid),
        }
        for metric in self.metrics:
            if metric == "dota":
                right = voc_match(rotated_iou(truth.boxes, found.boxes), truth.classes, classes, truth.crowd)
                self._kept.right[metric].append(right)
                continue
            overlaps = ways[metric]()
            self._kept.right[metric].append(match(overlaps, whole.classes, classes))
            if metric == "box":
                self.confusion += confusions(overlaps, whole.classes, classes, found.scores, self._classes)
        self._kept.scores.append(found.scores.astype(np.float32))
        self._kept.classes.append(classes.astype(np.int32))
        self._kept.labelled.append(whole.classes.astype(np.int32))

    def matches(self, metric: str) -> Matches:
        """Of all pictures so far, by the YOLO frameworks' rule."""
        kept = self._kept
        return Matches(
            _joined(kept.right[metric], bool, (len(THRESHOLDS),)),
            _joined(kept.scores, np.float32),
            _joined(kept.classes, np.int32),
            _owners(kept.scores),
            _joined(kept.labelled, np.int32),
            _owners(kept.labelled),
        )

    def dota_by_class(self) -> dict[int, float]:
        """Average precision of each labelled class by DOTA's rule."""
        right = _joined(self._kept.right["dota"], np.int8)
        scores, classes = _joined(self._kept.scores, np.float32), _joined(self._kept.classes, np.int32)
        numbers, counts = np.unique(_joined(self._kept.labelled, np.int32), return_counts=True)
        result = {}
        for number, count in zip(numbers, counts, strict=True):
            rows = (classes == number) & (right >= 0)
            result[int(number)] = voc_average_precision(right[rows] == 1, scores[rows], int(count))
        return result

    def _keypoints(self, truth: Truth, found: Detections) -> Array:
        if truth.keypoints is None or found.keypoints is None:
            return np.zeros((len(truth), len(found)))
        areas = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(axis=1) * BOX_SHARE
        return keypoint_similarity(truth.keypoints, found.keypoints, areas, self._sigmas)

    def _masks(self, truth: Truth, found: Detections, grid: MaskGrid | None) -> Array:
        if truth.masks is None or grid is None:
            return np.zeros((len(truth), len(found)))
        return grid.overlaps(truth, self._library)


def _boxes(truth: Truth, found: Detections) -> Array:
    overlap: Callable[[Array, Array], Array] = probabilistic_iou if truth.boxes.shape[1] == 5 else box_iou
    boxes = found.boxes.astype(float).reshape(-1, truth.boxes.shape[1])
    return overlap(truth.boxes, boxes)


def _joined(parts: Sequence[Array], dtype: Any, shape: tuple[int, ...] = ()) -> Array:
    return np.concatenate([np.zeros((0, *shape), dtype), *parts])


def _owners(parts: Sequence[Array]) -> Array:
    """The number of the picture that each row belongs to."""
    return np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
