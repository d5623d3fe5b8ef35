"""How Ultralytics suppresses oriented boxes, so that its validator's figures can be reproduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...contract.nms import Suppression
from ...graph.weights import Array
from .metrics.overlaps import probabilistic_iou

BLOCK = 512
"""Rows of the overlap matrix that are computed at once."""


def thin_out(outputs: Mapping[str, Array], settings: Suppression) -> tuple[dict[str, Array], Suppression]:
    """Raw heads without the pairs that "fast NMS" removes, and settings that remove no further ones.

    Fast NMS (Bolya et al. 2019, YOLACT) drops a box that overlaps any better one of its class, even one that was dropped
    itself, so it drops more than the greedy rule that trtzoo's own NMS keeps to.

    Args:
        outputs: of an oriented detector, `boxes` [B, A, 5] and `scores` [B, A, C].
        settings: thresholds.
    """
    scores = np.zeros_like(outputs["scores"])
    for row, (boxes, table) in enumerate(zip(outputs["boxes"], outputs["scores"], strict=True)):
        anchors, classes = _candidates(table, settings)
        keep = _unrivalled(boxes[anchors].astype(float), classes, settings)
        scores[row, anchors[keep], classes[keep]] = table[anchors[keep], classes[keep]]
    return {**outputs, "scores": scores}, replace(settings, iou_thres=1.0)


def _candidates(table: Array, settings: Suppression) -> tuple[Array, Array]:
    """Anchors and classes of the best pairs, best first."""
    if settings.multi_label:
        anchors, classes = np.nonzero(table > settings.conf_thres)
    else:
        anchors = np.flatnonzero(table.max(axis=1) > settings.conf_thres)
        classes = table[anchors].argmax(axis=1)
    order = np.argsort(-table[anchors, classes], kind="stable")[: settings.candidates]
    return anchors[order], classes[order]


def _unrivalled(boxes: Array, classes: Array, settings: Suppression) -> Array:
    """Which boxes [N, 5] overlap no better one, bool [N]."""
    keep = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), BLOCK):
        block = slice(start, start + BLOCK)
        overlaps = probabilistic_iou(boxes[: start + BLOCK], boxes[block])
        better = np.arange(len(overlaps))[:, None] < np.arange(start, start + overlaps.shape[1])[None]
        same = classes[: len(overlaps), None] == classes[None, block]
        rivals = better & (same | settings.class_agnostic) & (overlaps > settings.iou_thres)
        keep[block] = ~rivals.any(axis=0)
    return keep
