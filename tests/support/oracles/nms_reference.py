"""Greedy NMS in numpy, the definition that every route is held against, and the rows that it makes of raw heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trtzoo.contract.nms import Suppression

Array = npt.NDArray[Any]
Pairs = list[tuple[int, int]]


def greedy_nms(boxes: Array, scores: Array, settings: Suppression, overlap: Callable[[Array], Array]) -> Pairs:
    """The surviving (anchor, class) pairs of one image, best first: boxes [A, 4 or 5], scores [A, C]."""
    best = scores.argmax(1)
    classes = range(scores.shape[1])
    pairs = [(a, c) for a in range(len(scores)) for c in (classes if settings.multi_label else [int(best[a])])]
    pairs = [pair for pair in pairs if scores[pair] > np.float32(settings.conf_thres)]
    pairs = sorted(pairs, key=lambda pair: -scores[pair])[: settings.candidates]
    too_close = overlap(boxes[[anchor for anchor, _ in pairs]]) > np.float32(settings.iou_thres)
    kept: list[int] = []
    for j, (_, label) in enumerate(pairs):
        if not any(too_close[i, j] and (settings.class_agnostic or pairs[i][1] == label) for i in kept):
            kept.append(j)
    return [pairs[j] for j in kept[: settings.topk_all]]


def box_iou(boxes: Array) -> Array:
    """IoU [N, N] of boxes [N, 4] (corners), float32, in the order of operations that the graph has."""
    corners = np.clip(boxes, -1e18, 1e18).astype(np.float32).reshape(-1, 4)
    low, high = corners[:, None, :2], corners[:, None, 2:]
    sides = np.maximum(np.minimum(high, high.swapaxes(0, 1)) - np.maximum(low, low.swapaxes(0, 1)), 0)
    inter = sides[..., 0] * sides[..., 1]
    size = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    area = np.maximum(size[:, 0] * size[:, 1], np.float32(1e-30))
    return inter / (area[:, None] + area[None] - inter)


def prob_iou(boxes: Array) -> Array:
    """ProbIoU [N, N] of rotated boxes [N, 5], float64: 1 - Hellinger distance of their Gaussians (arXiv:2106.06072)."""
    x, y, w, h, angle = boxes.reshape(-1, 5).astype(np.float64).T
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    spread = np.einsum("nij,nj,nkj->nik", turn, np.stack([w**2, h**2], 1) / 12, turn)
    both = (spread[:, None] + spread[None]) / 2
    apart = np.stack([x, y], 1)[:, None] - np.stack([x, y], 1)[None]
    shift = np.einsum("abi,abij,abj->ab", apart, np.linalg.inv(both), apart) / 8
    own = np.linalg.det(spread)
    shape = np.log(np.linalg.det(both) / np.sqrt(own[:, None] * own[None])) / 2
    return 1 - np.sqrt(1 - np.exp(-(shift + shape)) + 1e-15)


def reference_rows(heads: Mapping[str, Array], settings: Suppression, imgsz: tuple[int, int]) -> dict[str, Array]:
    """The end-to-end outputs, layout `separate`, of raw heads by name."""
    batch, rows = len(heads["boxes"]), settings.topk_all
    names = {"boxes": "det_boxes", "keypoints": "det_kpts", "mask_coeffs": "det_coeffs"}
    gathered = {new: heads[old] for old, new in names.items() if old in heads}
    outputs = {new: np.zeros((batch, rows, *values.shape[2:]), np.float32) for new, values in gathered.items()}
    outputs |= {"num_dets": np.zeros((batch, 1), np.int32), "det_scores": np.zeros((batch, rows), np.float32)}
    outputs["det_classes"] = np.zeros((batch, rows), np.int32)
    overlap = prob_iou if heads["boxes"].shape[2] == 5 else box_iou
    for image in range(batch):
        pairs = greedy_nms(heads["boxes"][image], heads["scores"][image], settings, overlap)
        anchors, classes = ([pair[part] for pair in pairs] for part in (0, 1))
        outputs["num_dets"][image] = count = len(pairs)
        outputs["det_scores"][image, :count] = heads["scores"][image][anchors, classes]
        outputs["det_classes"][image, :count] = classes
        for new, values in gathered.items():
            outputs[new][image, :count] = values[image][anchors]
    if "det_coeffs" in outputs:
        outputs["det_masks"] = instance_masks(outputs.pop("det_coeffs"), heads["protos"], outputs["det_boxes"], imgsz)
        outputs["det_masks"][outputs["det_scores"] == 0] = 0
    return outputs


def instance_masks(coeffs: Array, protos: Array, boxes: Array, imgsz: tuple[int, int]) -> Array:
    """Sigmoid of coefficients x prototypes [B, K, h, w], zero outside the boxes and the rim that bilinear enlarging reads."""
    height, width = protos.shape[2:]
    masks = 1 / (1 + np.exp(-np.einsum("bkm,bmhw->bkhw", coeffs, protos)))
    scale = np.array([width / imgsz[1], height / imgsz[0]] * 2, np.float32)
    x1, y1, x2, y2 = np.moveaxis((boxes * scale)[..., None, None], 2, 0)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    kept = (x >= x1 - 1.5) & (x < x2 + 0.5) & (y >= y1 - 1.5) & (y < y2 + 0.5)
    return np.where(kept, masks, 0).astype(np.float32)
