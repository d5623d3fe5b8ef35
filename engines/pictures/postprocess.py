"""A model's outputs become `Detections`, whether its graph ends in raw heads or in detections, in any layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...graph.weights import Array
from ...graph_passes.layouts import undressed
from .detections import Detections, no_detections
from .nms import select
from .preprocess import Placement


@dataclass(frozen=True)
class Rows:
    """The surviving rows of one image, best first.

    Attributes:
        boxes: [N, 4 or 5] in network-input pixels.
        scores: [N].
        classes: [N].
        keypoints: [N, P, D] in network-input pixels.
        masks: [N, h, w] of 0..1 over the network's input, at the resolution of the prototypes; what lies well outside of a
            row's box may be missing.
    """

    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None
    masks: Array | None = None


def decode(
    outputs: Mapping[str, Array],
    index: int,
    placement: Placement,
    meta: ModelMeta,
    settings: Suppression,
    masks: bool = True,
) -> Detections:
    """The detections of one image of a batch.

    Args:
        outputs: of the runtime, by name; without masks, those of `graph_passes.layouts.wanted_outputs` will do.
        index: of the image in the batch.
        placement: where the picture lies in the network's input.
        meta: of the model.
        settings: how raw heads are suppressed; an end-to-end graph has done so already.
        masks: whether those of a segmentation model are wanted.

    Returns:
        Detections in pixels of the picture; boxes clipped to it, keypoints not.
    """
    if meta.task == "classify":
        return no_detections(placement.size, probs=next(iter(outputs.values()))[index], names=meta.names)
    return in_picture(surviving_rows(outputs, index, meta, settings), placement, meta, masks)


def surviving_rows(outputs: Mapping[str, Array], index: int, meta: ModelMeta, settings: Suppression) -> Rows:
    """What is left of one image of a batch after the suppression; arguments as those of `decode`, but for no classifier."""
    image = undressed({name: array[index] for name, array in outputs.items()}, meta)
    return _end2end_rows(image, meta) if meta.end2end else _raw_rows(image, meta, settings)


def in_picture(rows: Rows, placement: Placement, meta: ModelMeta, masks: bool = True) -> Detections:
    """The rows of an image in pixels of its picture; arguments as those of `decode`."""
    boxes = _oriented(rows.boxes, placement) if meta.task == "obb" else _upright(rows.boxes, placement)
    return Detections(
        size=placement.size,
        boxes=boxes,
        scores=rows.scores,
        classes=rows.classes.astype(np.int64),
        keypoints=_keypoints(rows.keypoints, placement),
        masks=None if rows.masks is None or not masks else _picture_masks(rows.masks, boxes, placement, meta),
        names=meta.names,
    )


def _raw_rows(image: Mapping[str, Array], meta: ModelMeta, settings: Suppression) -> Rows:
    anchors, classes = select(image["boxes"], image["scores"], settings, suppress=not meta.nms_free)
    rows = Rows(image["boxes"][anchors], image["scores"][anchors, classes], classes)
    if meta.task == "pose":
        return replace(rows, keypoints=image["keypoints"][anchors])
    if "protos" in image:
        return replace(rows, masks=_masks(image["mask_coeffs"][anchors], image["protos"]))
    return rows


def _end2end_rows(image: Mapping[str, Array], meta: ModelMeta) -> Rows:
    used = slice(int(image["num_dets"].reshape(-1)[0]))
    rows = Rows(image["det_boxes"][used], image["det_scores"][used], image["det_classes"][used])
    if meta.task == "pose":
        return replace(rows, keypoints=image["det_kpts"][used])
    if "det_masks" in image:
        return replace(rows, masks=image["det_masks"][used])
    if "protos" in image:
        return replace(rows, masks=_masks(image["det_coeffs"][used], image["protos"]))
    return rows


def _masks(coeffs: Array, protos: Array) -> Array:
    """Masks [N, h, w] of 0..1 from coefficients [N, M] and prototypes [M, h, w]."""
    logits = np.clip(np.tensordot(coeffs, protos, (1, 0)), -80, 80)
    masks: Array = 1 / (1 + np.exp(-logits))
    return masks


def _upright(boxes: Array, placement: Placement) -> Array:
    return placement.clip(placement.to_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4))


def _oriented(boxes: Array, placement: Placement) -> Array:
    """Boxes [N, 5] in picture pixels: what becomes of the two axes of each, which a stretched picture turns and scales."""
    cosine, sine, scale = np.cos(boxes[:, 4:]), np.sin(boxes[:, 4:]), np.array(placement.scale, np.float32)
    along, across = np.hstack([cosine, sine]) / scale, np.hstack([-sine, cosine]) / scale
    growth = np.stack([np.linalg.norm(along, axis=1), np.linalg.norm(across, axis=1)], axis=1)
    angle = np.arctan2(along[:, 1:], along[:, :1])
    return np.concatenate([placement.to_picture(boxes[:, :2]), boxes[:, 2:4] * growth, angle], axis=1)


def _keypoints(keypoints: Array | None, placement: Placement) -> Array | None:
    if keypoints is None:
        return None
    return np.concatenate([placement.to_picture(keypoints[..., :2]), keypoints[..., 2:]], axis=-1)


def _picture_masks(masks: Array, boxes: Array, placement: Placement, meta: ModelMeta) -> Array:
    """Masks [N, h, w] of 0..1 over the network's input as bool [N, height, width] over the picture.

    They are cut to the pixels whose centres lie in their boxes; what the graph kept of them (`graph_passes.nms.masks`) is all
    that bilinear interpolation reads there.
    """
    from ...opencv import cv2

    result = np.zeros((len(masks), *placement.size), bool)
    pixels = np.array([masks.shape[2] / meta.imgsz[1], masks.shape[1] / meta.imgsz[0]])
    scale, offset = np.array(placement.scale) * pixels, np.array(placement.offset) * pixels
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for row, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        corner, end = np.ceil(box[:2] - 0.5).astype(int), np.ceil(box[2:] - 0.5).astype(int)
        if (end <= corner).any():
            continue
        # Pixel centres of the picture's part -> pixel centres of the mask.
        start = (corner + 0.5) * scale + offset - 0.5
        matrix = np.array([[scale[0], 0, start[0]], [0, scale[1], start[1]]])
        size = int(end[0] - corner[0]), int(end[1] - corner[1])
        smooth = cv2.warpAffine(mask.astype(np.float32), matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        result[row, corner[1] : end[1], corner[0] : end[0]] = smooth > 0.5
    return result
