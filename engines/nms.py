"""Greedy NMS in numpy, for models whose graph ends in raw heads."""

from __future__ import annotations

import numpy as np

from ..converters.heads import NmsSettings
from ..weights import Array


def select(boxes: Array, scores: Array, settings: NmsSettings, suppress: bool = True) -> tuple[Array, Array]:
    """The surviving (anchor, class) pairs of one image, best first.

    Candidates are the M best pairs above the threshold, ties by lower anchor, then lower class; a box goes when its IoU with a
    kept one of its class is greater than the threshold; the first K kept are the answer.

    Args:
        boxes: [A, 4] x1, y1, x2, y2 or oriented [A, 5].
        scores: [A, C].
        settings: thresholds and limits.
        suppress: False for NMS-free heads: the best K are the answer.

    Returns:
        anchors [N] and classes [N].
    """
    anchors, classes = _candidates(scores, settings)
    if not suppress:
        return anchors[: settings.topk_all], classes[: settings.topk_all]
    overlap = _probabilistic_iou if boxes.shape[1] == 5 else _iou
    chosen = boxes[anchors]
    kept: list[int] = []
    alive = np.ones(len(anchors), bool)
    for row in range(len(anchors)):
        if not alive[row] or len(kept) == settings.topk_all:
            continue
        kept.append(row)
        rivals = alive if settings.class_agnostic else alive & (classes == classes[row])
        alive &= ~(rivals & (overlap(chosen[row], chosen) > settings.iou_thres))
    return anchors[kept], classes[kept]


def _candidates(scores: Array, settings: NmsSettings) -> tuple[Array, Array]:
    if settings.multi_label:
        anchors, classes = np.nonzero(scores > settings.conf_thres)
    else:
        classes = scores.argmax(axis=1)
        anchors = np.nonzero(scores.max(axis=1) > settings.conf_thres)[0]
        classes = classes[anchors]
    best = np.argsort(-scores[anchors, classes], kind="stable")[: settings.candidates]
    return anchors[best], classes[best]


def _iou(box: Array, boxes: Array) -> Array:
    """Intersection over union of one box [4] with others [N, 4]; 0 where both are empty."""
    size = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None)
    inter = size[:, 0] * size[:, 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = (box[2] - box[0]) * (box[3] - box[1]) + area - inter
    ratio: Array = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return ratio


def _probabilistic_iou(box: Array, boxes: Array) -> Array:
    """Similarity of oriented boxes as Gaussians: 1 - Hellinger distance (Llerena et al. 2021, ProbIoU).

    Args:
        box: [5] cx, cy, w, h, angle.
        boxes: [N, 5].
    """
    (a1, b1, c1), (a2, b2, c2) = _covariance(box[None]), _covariance(boxes)
    dx, dy = box[0] - boxes[:, 0], box[1] - boxes[:, 1]
    a, b, c, tiny = a1 + a2, b1 + b2, c1 + c2, 1e-7
    det = a * b - c * c
    shift = (a * dy * dy + b * dx * dx - 2 * c * dx * dy) / (det + tiny) / 4
    own = np.clip(a1 * b1 - c1 * c1, 0, None) * np.clip(a2 * b2 - c2 * c2, 0, None)
    spread = np.log(det / (4 * np.sqrt(own) + tiny) + tiny) / 2
    distance = np.clip(shift + spread, tiny, 100)
    result: Array = 1 - np.sqrt(1 - np.exp(-distance) + tiny)
    return result


def _covariance(boxes: Array) -> tuple[Array, Array, Array]:
    """Entries xx, yy, xy of the covariance of a uniform distribution over each oriented box."""
    wide, high, angle = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12, boxes[:, 4]
    cos, sin = np.cos(angle), np.sin(angle)
    return wide * cos**2 + high * sin**2, wide * sin**2 + high * cos**2, (wide - high) * cos * sin
