"""Greedy NMS in numpy, the definition that every route is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def box_iou(boxes: Array) -> Array:
    """IoU [N, N] of boxes [N, 4] (corners), float32, in the order of operations that the graph has."""
    corners = np.clip(boxes, -1e18, 1e18).astype(np.float32)
    low, high = corners[:, None, :2], corners[:, None, 2:]
    sides = np.maximum(np.minimum(high, high.swapaxes(0, 1)) - np.maximum(low, low.swapaxes(0, 1)), 0)
    inter = sides[..., 0] * sides[..., 1]
    size = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    area = np.maximum(size[:, 0] * size[:, 1], np.float32(1e-30))
    return inter / (area[:, None] + area[None] - inter)


def greedy_nms(
    boxes: Array,
    scores: Array,
    *,
    iou_thres: float,
    conf_thres: float,
    rows: int,
    candidates: int,
    multi_label: bool = False,
    class_agnostic: bool = False,
    overlap: Callable[[Array], Array] = box_iou,
) -> list[tuple[int, int]]:
    """The surviving (anchor, class) pairs of one image, best first: boxes [A, 4], scores [A, C]."""
    best = scores.argmax(1)
    pairs = [(a, c) for a in range(len(scores)) for c in (range(scores.shape[1]) if multi_label else [int(best[a])])]
    pairs = sorted((pair for pair in pairs if scores[pair] > np.float32(conf_thres)), key=lambda pair: -scores[pair])
    pairs = pairs[:candidates]
    iou = overlap(boxes[[anchor for anchor, _ in pairs]])
    kept: list[int] = []
    for j, (_, label) in enumerate(pairs):
        rivals = [i for i in kept if class_agnostic or pairs[i][1] == label]
        if not any(iou[i, j] > np.float32(iou_thres) for i in rivals):
            kept.append(j)
    return [pairs[j] for j in kept[:rows]]
