"""Two answers to the same pictures, object by object; written apart from the product, which it judges."""

from __future__ import annotations

from typing import Any

import numpy as np

ABOVE = 0.3
"""Objects above this score must be found again."""


def differences(theirs: list[Any], ours: list[Any]) -> dict[str, float]:
    """Objects above 0.3 of two answers: how many have no partner of the same class with IoU > .95, and the worst of pairs."""
    worst = {"lost": 0, "extra": 0, "pairs": 0, "iou": 1.0, "box": 0.0, "score": 0.0, "keypoint": 0.0, "mask_iou": 1.0}
    for left, right in zip(theirs, ours, strict=True):
        if left.probs is not None:
            worst["score"] = max(worst["score"], float(np.abs(left.probs - right.probs).max()))
            continue
        worst["lost"] += unmatched(left, right, worst)
        worst["extra"] += unmatched(right, left, None)
    return {name: round(float(value), 5) for name, value in worst.items()}


def unmatched(left: Any, right: Any, worst: dict[str, float] | None) -> int:
    """How many objects of `left` above 0.3 have no partner in `right`."""
    lost = 0
    for row in np.flatnonzero(left.scores > ABOVE):
        same = np.flatnonzero(right.classes == left.classes[row])
        gaps = [np.abs(left.boxes[row] - right.boxes[other]).max() for other in same]
        if not gaps or overlap(left, row, right, best := int(same[int(np.argmin(gaps))])) <= 0.95:
            lost += 1
        elif worst is not None:
            record(left, row, right, best, worst)
    return lost


def record(left: Any, row: int, right: Any, other: int, worst: dict[str, float]) -> None:
    """The differences of a pair."""
    worst["pairs"] += 1
    worst["iou"] = min(worst["iou"], overlap(left, row, right, other))
    worst["box"] = max(worst["box"], float(np.abs(left.boxes[row] - right.boxes[other]).max()))
    worst["score"] = max(worst["score"], float(abs(left.scores[row] - right.scores[other])))
    if left.keypoints is not None:
        seen = left.keypoints[row][:, 2] > 0.5 if left.keypoints.shape[2] > 2 else slice(None)
        gap = np.abs(left.keypoints[row][seen, :2] - right.keypoints[other][seen, :2])
        worst["keypoint"] = max(worst["keypoint"], float(gap.max(initial=0)))
    if left.masks is not None:
        both = (left.masks[row] & right.masks[other]).sum() / max(1, (left.masks[row] | right.masks[other]).sum())
        worst["mask_iou"] = min(worst["mask_iou"], float(both))


def overlap(left: Any, row: int, right: Any, other: int) -> float:
    """IoU of two boxes, oriented ones by the area of their corners' intersection (OpenCV)."""
    one, two = left.boxes[row].astype(float), right.boxes[other].astype(float)
    if len(one) == 5:
        import cv2

        turned = [((box[0], box[1]), (box[2], box[3]), float(np.degrees(box[4]))) for box in (one, two)]
        points = cv2.rotatedRectangleIntersection(*turned)[1]
        both = 0.0 if points is None else cv2.contourArea(cv2.convexHull(points))
        return float(both / max(1e-9, one[2] * one[3] + two[2] * two[3] - both))
    corner, end = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    both = np.prod(np.clip(end - corner, 0, None))
    return float(both / max(1e-9, np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2]) - both))
