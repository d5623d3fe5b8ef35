"""NMS in numpy, for models whose graph ends in raw heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...contract.nms import Suppression
from ...graph.weights import Array

FARTHEST, FARTHEST_ORIENTED = np.float32(1e18), np.float32(1e9)
"""Coordinates are limited to these, as in the graph's own NMS, so that products stay finite in float32."""

Overlap = Callable[[int], Array]
"""The overlap [N] of one of N boxes, by its number, with all of them."""


def select(boxes: Array, scores: Array, settings: Suppression, suppress: bool = True) -> tuple[Array, Array]:
    """The surviving (anchor, class) pairs of one image, best first.

    Candidates are the M best pairs above the threshold, ties by lower anchor, then lower class; a box goes when its IoU with a
    kept one of its class (`settings.fast`: with any better one) is greater than the threshold; the first K kept are the answer.

    Args:
        boxes: [A, 4] x1, y1, x2, y2 or oriented [A, 5].
        scores: [A, C].
        settings: thresholds and limits.
        suppress: False for NMS-free heads: the best K are the answer.

    Returns:
        anchors [N] and classes [N].
    """
    anchors, classes = _candidates(scores, settings, settings.candidates if suppress else settings.topk_all)
    if not suppress:
        return anchors, classes
    kept = (_unrivalled if settings.fast else _greedy)(overlaps(boxes[anchors]), classes, settings)
    return anchors[kept], classes[kept]


def _greedy(overlap: Overlap, classes: Array, settings: Suppression) -> list[int]:
    kept: list[int] = []
    alive = np.ones(len(classes), bool)
    for row in range(len(classes)):
        if not alive[row] or len(kept) == settings.topk_all:
            continue
        kept.append(row)
        rivals = alive if settings.class_agnostic else alive & (classes == classes[row])
        alive &= ~(rivals & (overlap(row) > settings.iou_thres))
    return kept


def _unrivalled(overlap: Overlap, classes: Array, settings: Suppression) -> list[int]:
    """The rows that overlap no better one of their class."""
    kept: list[int] = []
    for row in range(len(classes)):
        better = overlap(row)[:row] > settings.iou_thres
        same = settings.class_agnostic | (classes[:row] == classes[row])
        if not (better & same).any():
            kept.append(row)
        if len(kept) == settings.topk_all:
            break
    return kept


def overlaps(boxes: Array) -> Overlap:
    """How much boxes [N, 4] overlap (intersection over union), or oriented ones [N, 5] (ProbIoU)."""
    return (_probabilistic_iou if boxes.shape[1] == 5 else _iou)(boxes)


def _candidates(scores: Array, settings: Suppression, count: int) -> tuple[Array, Array]:
    if settings.multi_label:
        anchors, classes = np.nonzero(scores > settings.conf_thres)
    else:
        anchors = np.flatnonzero((scores > settings.conf_thres).any(axis=1))
        classes = scores[anchors].argmax(axis=1)
    best = np.argsort(-scores[anchors, classes], kind="stable")[:count]
    return anchors[best], classes[best]


def _iou(boxes: Array) -> Overlap:
    """Intersection over union of boxes [N, 4]; an empty box overlaps nothing."""
    boxes = np.clip(boxes, -FARTHEST, FARTHEST)
    low, high = boxes[:, :2], boxes[:, 2:]
    area = np.maximum(np.clip(high - low, 0, None).prod(axis=1), np.float32(1e-30))

    def overlap(row: int) -> Array:
        sides = np.clip(np.minimum(high, high[row]) - np.maximum(low, low[row]), 0, None)
        inter: Array = sides[:, 0] * sides[:, 1]
        ratio: Array = inter / (area[row] + area - inter)
        return ratio

    return overlap


def _probabilistic_iou(boxes: Array) -> Overlap:
    """Similarity of oriented boxes [N, 5] as Gaussians: 1 - Hellinger distance (Llerena et al. 2021, ProbIoU).

    A box stands for a normal distribution of its centre and second moments; formula and small constants are those of the
    graph's own NMS (`graph_passes.nms.rotated`).
    """
    boxes, tiny = np.clip(boxes, -FARTHEST_ORIENTED, FARTHEST_ORIENTED), np.float32(1e-7)
    x, y = boxes[:, 0], boxes[:, 1]
    a, b, c = _covariance(boxes)
    root = np.abs(boxes[:, 2] * boxes[:, 3]) / 12

    def overlap(row: int) -> Array:
        dx, dy = x[row] - x, y[row] - y
        both_a, both_b, both_c = a[row] + a, b[row] + b, c[row] + c
        determinant = np.clip(both_a * both_b - both_c * both_c, 0, None)
        shift = (both_a * dy * dy + both_b * dx * dx - 2 * both_c * dx * dy) / (4 * (determinant + tiny))
        shape = np.log(determinant / (4 * root[row] * root + tiny) + tiny) / 2
        distance = np.clip(shift + shape, tiny, 100)
        likeness: Array = 1 - np.sqrt(1 + tiny - np.exp(-distance))
        return likeness

    return overlap


def _covariance(boxes: Array) -> tuple[Array, Array, Array]:
    """Entries xx, yy, xy of the covariance of a uniform distribution over each oriented box."""
    wide, high, angle = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12, boxes[:, 4]
    cos, sin = np.cos(angle), np.sin(angle)
    return wide * cos**2 + high * sin**2, wide * sin**2 + high * cos**2, (wide - high) * cos * sin
