"""A model's outputs become `Detections`, whether its graph ends in raw heads or in detections, in any layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..converters.heads import ModelMeta, NmsSettings, end2end_outputs
from ..weights import Array
from .detections import Detections, no_detections
from .nms import select
from .preprocess import Placement


@dataclass(frozen=True)
class _Rows:
    """The surviving rows of one image in network-input pixels; `masks` are 0..1 at prototype resolution."""

    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None
    masks: Array | None = None


def decode(
    outputs: Mapping[str, Array], index: int, placement: Placement, meta: ModelMeta, settings: NmsSettings
) -> Detections:
    """The detections of one image of a batch.

    Args:
        outputs: of the runtime, by name.
        index: of the image in the batch.
        placement: where the picture lies in the network's input.
        meta: of the model.
        settings: how raw heads are suppressed; an end-to-end graph has done so already.

    Returns:
        Detections in pixels of the picture; boxes clipped to it, keypoints not.
    """
    image = {name: array[index] for name, array in outputs.items()}
    if meta.task == "classify":
        return no_detections(placement.size, probs=next(iter(image.values())))
    rows = _end2end_rows(image, meta) if meta.end2end else _raw_rows(image, meta, settings)
    boxes = _oriented(rows.boxes, placement) if meta.task == "obb" else _upright(rows.boxes, placement)
    return Detections(
        size=placement.size,
        boxes=boxes,
        scores=rows.scores,
        classes=rows.classes.astype(np.int64),
        keypoints=_keypoints(rows.keypoints, placement),
        masks=None if rows.masks is None else _picture_masks(rows.masks, boxes, placement, meta),
    )


def _raw_rows(image: Mapping[str, Array], meta: ModelMeta, settings: NmsSettings) -> _Rows:
    if meta.layout == "ultralytics":
        image = _from_ultralytics(list(image.values()), meta)
    anchors, classes = select(image["boxes"], image["scores"], settings, suppress=not meta.nms_free)
    rows = _Rows(image["boxes"][anchors], image["scores"][anchors, classes], classes)
    if meta.task == "pose":
        return replace(rows, keypoints=image["keypoints"][anchors])
    if meta.task == "segment":
        masks = np.tensordot(image["mask_coeffs"][anchors], image["protos"], (1, 0))
        return replace(rows, masks=1 / (1 + np.exp(-np.clip(masks, -80, 80))))
    return rows


def _from_ultralytics(arrays: list[Array], meta: ModelMeta) -> dict[str, Array]:
    """The raw heads of one image from `output0` [4 + C + extras, A] (boxes as cx, cy, w, h) and `output1`."""
    columns, classes = arrays[0].T, len(meta.names)
    boxes, scores, extras = columns[:, :4], columns[:, 4 : 4 + classes], columns[:, 4 + classes :]
    if meta.task == "obb":
        return {"boxes": np.concatenate([boxes, extras], axis=1), "scores": scores}
    half = boxes[:, 2:] / 2
    heads = {"boxes": np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1), "scores": scores}
    if meta.task == "pose" and meta.kpt_shape:
        heads["keypoints"] = extras.reshape(len(extras), *meta.kpt_shape)
    if meta.task == "segment":
        heads |= {"mask_coeffs": extras, "protos": arrays[1]}
    return heads


def _end2end_rows(image: Mapping[str, Array], meta: ModelMeta) -> _Rows:
    if meta.layout in ("flat", "ultralytics"):
        return _flat_rows(list(image.values()), meta)
    if meta.layout == "deepstream":
        names = [spec.name for spec in end2end_outputs(meta)]
        image = dict(zip(names, image.values(), strict=False))
    count = int(image["num_dets"].reshape(-1)[0])
    columns = [image.get(name) for name in ("det_boxes", "det_scores", "det_classes", "det_kpts", "det_masks")]
    boxes, scores, classes, keypoints, masks = (None if array is None else array[:count] for array in columns)
    assert boxes is not None and scores is not None and classes is not None
    return _Rows(boxes, scores, classes, keypoints, masks)


def _flat_rows(arrays: list[Array], meta: ModelMeta) -> _Rows:
    """Rows [K, 6 + extras]: box (4 numbers), score, class, then keypoints, mask coefficients or the angle."""
    rows = arrays[0][arrays[0][:, 4] > 0]
    boxes, scores, classes, extras = rows[:, :4], rows[:, 4], rows[:, 5], rows[:, 6:]
    if meta.task == "obb":
        return _Rows(np.concatenate([boxes, extras], axis=1), scores, classes)
    if meta.task == "pose" and meta.kpt_shape:
        return _Rows(boxes, scores, classes, extras.reshape(len(extras), *meta.kpt_shape))
    if meta.task == "segment" and len(arrays) > 1:
        logits = np.tensordot(extras, arrays[1], (1, 0))
        return _Rows(boxes, scores, classes, masks=1 / (1 + np.exp(-np.clip(logits, -80, 80))))
    return _Rows(boxes, scores, classes)


def _upright(boxes: Array, placement: Placement) -> Array:
    return placement.clip(placement.to_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4))


def _oriented(boxes: Array, placement: Placement) -> Array:
    """Centre and size in picture pixels; a letterbox scales both directions alike, so the angle stays."""
    centre = placement.to_picture(boxes[:, :2])
    return np.concatenate([centre, boxes[:, 2:4] / np.array(placement.scale, np.float32), boxes[:, 4:]], axis=1)


def _keypoints(keypoints: Array | None, placement: Placement) -> Array | None:
    if keypoints is None:
        return None
    return np.concatenate([placement.to_picture(keypoints[..., :2]), keypoints[..., 2:]], axis=-1)


def _picture_masks(masks: Array, boxes: Array, placement: Placement, meta: ModelMeta) -> Array:
    """Masks [N, h, w] of 0..1 over the network's input as bool [N, height, width] over the picture, cut to their boxes."""
    import cv2

    height, width = placement.size
    result = np.zeros((len(masks), height, width), bool)
    across, down = masks.shape[2] / meta.imgsz[1], masks.shape[1] / meta.imgsz[0]
    # Picture pixel centres -> prototype pixel centres, for warpAffine's inverse map.
    xs, ys = placement.scale[0] * across, placement.scale[1] * down
    matrix = np.array(
        [
            [xs, 0, (0.5 * placement.scale[0] + placement.offset[0]) * across - 0.5],
            [0, ys, (0.5 * placement.scale[1] + placement.offset[1]) * down - 0.5],
        ],
        np.float32,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for row, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        left, top = np.floor(box[:2]).astype(int)
        right, bottom = np.ceil(box[2:]).astype(int)
        smooth = cv2.warpAffine(
            mask.astype(np.float32), matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        result[row, top:bottom, left:right] = smooth[top:bottom, left:right] > 0.5
    return result
