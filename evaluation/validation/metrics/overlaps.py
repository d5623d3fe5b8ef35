"""How far labelled and found objects overlap: boxes, masks, keypoints, oriented boxes; [M, N] of M labelled and N found."""

from __future__ import annotations

import numpy as np

from ....graph.weights import Array

COCO_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], np.float64) / 1000
"""Spread of COCO's 17 keypoints, as a share of an object's size (COCO's keypoint evaluation)."""

BOX_SHARE = 0.53
"""An object's area as a share of its box, for labels that have no area of their own (xtcocotools, and after it the YOLO frameworks)."""


def box_iou(labelled: Array, found: Array) -> Array:
    """Intersection over union of boxes [M, 4] and [N, 4], x1, y1, x2, y2."""
    low = np.maximum(labelled[:, None, :2], found[None, :, :2])
    high = np.minimum(labelled[:, None, 2:], found[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (labelled, found)]
    union = areas[0][:, None] + areas[1][None] - inter
    ratio: Array = inter / np.maximum(union, 1e-7)
    return ratio


def keypoint_similarity(labelled: Array, found: Array, areas: Array, sigmas: Array | None = None) -> Array:
    """Object keypoint similarity of [M, P, 3] and [N, P, 2 or 3]: the mean over labelled points of exp(-d^2 / (8 s^2 area)).

    Args:
        labelled: x, y, visibility; points of visibility 0 do not count.
        found: x, y, and what comes after it.
        areas: [M] of the labelled objects, in square pixels.
        sigmas: [P]; None takes COCO's 17.
    """
    sigmas = COCO_SIGMAS if sigmas is None else sigmas
    squared = ((labelled[:, None, :, :2] - found[None, :, :, :2]) ** 2).sum(axis=3)
    likeness = np.exp(-squared / (8 * sigmas**2 * (areas[:, None, None] + 1e-7)))
    seen = labelled[:, None, :, 2] != 0
    mean: Array = (likeness * seen).sum(axis=2) / np.maximum(seen.sum(axis=2), 1e-7)
    return mean


def rotated_iou(labelled: Array, found: Array) -> Array:
    """Intersection over union of the rectangles [M, 5] and [N, 5] (cx, cy, w, h, angle), exactly, as DOTA's rule wants it."""
    from ....opencv import cv2

    result = np.zeros((len(labelled), len(found)))
    shapes = [[_rectangle(box) for box in boxes] for boxes in (labelled, found)]
    reach = [np.hypot(boxes[:, 2], boxes[:, 3]) / 2 for boxes in (labelled, found)]
    distance = np.hypot(*(labelled[:, None, axis] - found[None, :, axis] for axis in (0, 1)))
    for row, column in np.argwhere(distance < reach[0][:, None] + reach[1][None]):
        _, corners = cv2.rotatedRectangleIntersection(shapes[0][row], shapes[1][column])
        inter = cv2.contourArea(cv2.convexHull(corners)) if corners is not None and len(corners) > 2 else 0.0
        union = labelled[row, 2:4].prod() + found[column, 2:4].prod() - inter
        result[row, column] = inter / max(union, 1e-9)
    return result


def _rectangle(box: Array) -> tuple[tuple[float, float], tuple[float, float], float]:
    x, y, width, height, angle = map(float, box)
    return (x, y), (width, height), float(np.rad2deg(angle))


def probabilistic_iou(labelled: Array, found: Array) -> Array:
    """Likeness of oriented boxes [M, 5] and [N, 5] as Gaussians: 1 - Hellinger distance (Llerena et al. 2021, ProbIoU).

    The YOLO frameworks match oriented boxes by it, where DOTA's rule takes the exact overlap (`rotated_iou`).
    """
    tiny = 1e-7
    (a1, b1, c1), (a2, b2, c2) = (_covariance(boxes) for boxes in (labelled, found))
    a, b, c = (first[:, None] + second[None] for first, second in ((a1, a2), (b1, b2), (c1, c2)))
    dx, dy = (labelled[:, None, axis] - found[None, :, axis] for axis in (0, 1))
    both = a * b - c**2
    shift = (a * dy**2 + b * dx**2 - 2 * c * dx * dy) / (4 * (both + tiny))
    own = [np.clip(a * b - c**2, 0, None) for a, b, c in ((a1, b1, c1), (a2, b2, c2))]
    shape = np.log(np.clip(both, 0, None) / (4 * np.sqrt(own[0][:, None] * own[1][None]) + tiny) + tiny) / 2
    distance = np.clip(shift + shape, tiny, 100)
    likeness: Array = 1 - np.sqrt(1 - np.exp(-distance) + tiny)
    return likeness


def _covariance(boxes: Array) -> tuple[Array, Array, Array]:
    """Entries xx, yy, xy of the covariance of a uniform distribution over each box."""
    wide, high, angle = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12, boxes[:, 4]
    cos, sin = np.cos(angle), np.sin(angle)
    return wide * cos**2 + high * sin**2, wide * sin**2 + high * cos**2, (wide - high) * cos * sin
