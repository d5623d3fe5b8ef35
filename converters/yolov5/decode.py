"""YOLOv5's anchor heads, decoded to the raw-head contract: boxes, scores, mask coefficients, keypoints.

    level [B, anchors * values, h, w] -> rows [B, anchors * h * w, values]
    rows of all levels, joined        -> [B, A, values], decoded once; grid, stride and anchor of each row are constants

Formulas: `Detect` in `models/yolo.py` of ultralytics/yolov5; for keypoints, of TexasInstruments/edgeai-yolov5 (branch
yolo-pose).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ModelError
from ...graph.weights import Array
from ..checkpoint.reader import Record, TensorData
from ..torch_modules.modules import Walker, has, integer
from ..vocabulary.ops import Ops, Tensor


@dataclass(frozen=True)
class AnchorHead:
    """What a detection layer says of its outputs.

    Attributes:
        classes: C.
        strides: of the levels, in network-input pixels.
        anchors: width and height [levels, anchors, 2] in network-input pixels.
        masks: M, mask coefficients of a segmentation head, else 0.
        kpt_shape: (points, values a point) of a keypoint head, else None.
    """

    classes: int
    strides: tuple[int, ...]
    anchors: Array
    masks: int = 0
    kpt_shape: tuple[int, int] | None = None

    @property
    def parts(self) -> list[int]:
        """How an anchor's values divide: box, objectness and classes; the rest, if there is one."""
        points, values = self.kpt_shape or (0, 0)
        return [size for size in (5 + self.classes, self.masks + points * values) if size]


@dataclass(frozen=True)
class RowConstants:
    """Where each of the A rows lies and how large its anchor is, float32.

    Attributes:
        step: two strides, [1, A, 2]; without broadcasting it is multiplied several times faster.
        corner: (grid - 0.5) * stride, x and y [1, A, 2]: the least that the centre can be.
        reach: two anchors, width and height [1, A, 2]: half of the largest box.
    """

    step: Array
    corner: Array
    reach: Array


def anchor_head(module: Record, branches: int = 1) -> AnchorHead:
    """Read a Detect or Segment layer.

    Args:
        module: the layer.
        branches: how many groups of inputs it reads, each with the same levels (YOLOv7's IAuxDetect: 2).

    Raises:
        ModelError: its attributes contradict each other.
    """
    strides = _strides(module, branches)
    classes, kpt_shape = integer(module, "nc", 0), _keypoint_shape(module)
    masks = integer(module, "nm", 0) if has(module, "proto") else 0
    head = AnchorHead(classes, strides, _anchors(module, strides), masks, kpt_shape)
    outputs = integer(module, "no", sum(head.parts))
    if classes < 1 or outputs != sum(head.parts):
        raise ModelError(
            f"{module.class_path} says {outputs} values an anchor, but has {classes} classes, {masks} mask values "
            f"and keypoints {kpt_shape}; the file may come from a modified trainer"
        )
    return head


def _strides(module: Record, branches: int) -> tuple[int, ...]:
    """Whole pixels, one for each level that the layer reads."""
    strides, sources = numbers(module.attribute("stride")).reshape(-1), module.get("f", -1)
    levels = len(sources) // branches if isinstance(sources, (list, tuple)) else 1
    if len(strides) != levels or not all(stride >= 1 and stride == int(stride) for stride in strides):
        raise ModelError(
            f"{module.class_path} reads {levels} levels but has the strides {strides[:8].tolist()}; expected a whole number "
            "of pixels for each; the file may be damaged"
        )
    return tuple(int(stride) for stride in strides)


def _keypoint_shape(module: Record) -> tuple[int, int] | None:
    """Points, and values a point, of TexasInstruments' head: `nkpt` points of x, y, visibility."""
    if not has(module, "m_kpt"):
        return None
    points = integer(module, "nkpt", 0)
    values = integer(module, "no_kpt", 3 * points)
    if points < 1 or values not in (2 * points, 3 * points):
        raise ModelError(
            f"{module.class_path} has {points} keypoints with {values} values in all; expected 2 or 3 a point"
        )
    return points, values // points


def _anchors(module: Record, strides: Sequence[float]) -> Array:
    """Anchors [levels, anchors, 2] in pixels: early releases' buffer `anchor_grid`, else `anchors` times stride."""
    stored = module.get("anchor_grid")
    in_pixels = isinstance(stored, TensorData) and stored.size > 0
    values = numbers(stored if in_pixels else module.attribute("anchors"))
    if values.size == 0 or values.size % (2 * len(strides)):
        raise ModelError(
            f"{module.class_path} has {values.size} anchor values for {len(strides)} strides; the file may be damaged"
        )
    anchors = values.reshape(len(strides), -1, 2)
    return anchors if in_pixels else anchors * np.asarray(strides)[:, None, None]


def numbers(value: object) -> Array:
    """A tensor, a number or a list of numbers of a checkpoint, as float64.

    Raises:
        ModelError: it is none of these.
    """
    try:
        return np.atleast_1d(np.asarray(value.load() if isinstance(value, TensorData) else value, np.float64))
    except (TypeError, ValueError) as error:
        raise ModelError(f"expected numbers in the checkpoint's detection layer: {error}") from error


def row_constants(head: AnchorHead, sizes: Sequence[tuple[int, int]]) -> RowConstants:
    """The constants of all rows for level maps of these heights and widths; order level, anchor, y, x."""
    levels = [_level_constants(*level) for level in zip(head.strides, head.anchors, sizes, strict=True)]
    return RowConstants(*(np.concatenate(parts, axis=1).astype(np.float32) for parts in zip(*levels, strict=True)))


def _level_constants(stride: float, anchors: Array, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    corner = np.tile((np.stack([x, y], axis=-1).reshape(1, -1, 2) - 0.5) * stride, (1, len(anchors), 1))
    reach = np.repeat(2 * anchors, height * width, axis=0)[None]
    return np.full(corner.shape, 2 * stride), corner, reach


def level_maps(walker: Walker, module: Record, xs: Sequence[Tensor]) -> list[Tensor]:
    """The head's convolutions on its inputs; release 1.0 had them as layers of the model, before the head.

    A keypoint head joins the channels of two convolutions before they are cut into anchors, so that only the first
    anchor's box comes from the first one: the cut is part of what was trained.
    """
    maps = [walker.child(module, f"m.{level}", x) for level, x in enumerate(xs)] if has(module, "m") else list(xs)
    if not has(module, "m_kpt"):
        return maps
    keypoints = [walker.child(module, f"m_kpt.{level}", x) for level, x in enumerate(xs)]
    return [walker.ops.concat(pair, name="outputs") for pair in zip(maps, keypoints, strict=True)]


def rows(ops: Ops, levels: Sequence[Tensor], head: AnchorHead) -> Tensor:
    """Level maps [B, anchors * values, h, w] as rows [B, A, values]; order level, anchor, y, x."""
    return ops.concat([_level_rows(ops, level, head) for level in levels], axis=1, name="rows")


def _level_rows(ops: Ops, level: Tensor, head: AnchorHead) -> Tensor:
    _, height, width = ops.shape(level)
    count, values = head.anchors.shape[1], sum(head.parts)
    cells = ops.reshape(level, (count, values, height * width), "anchors")
    return ops.reshape(ops.transpose(cells, (0, 1, 3, 2), "values_last"), (count * height * width, values), "flat")


def decode_boxes(ops: Ops, activated: Tensor, head: AnchorHead, at: RowConstants) -> tuple[Tensor, Tensor]:
    """Rows after the sigmoid as boxes and scores.

    With s the sigmoid: centre = (2 s - 0.5 + grid) * stride, size = (2 s)^2 * anchor, score = objectness * class.

    Args:
        ops: the interpreter.
        activated: [B, A, 5 + C], after the sigmoid.
        head: the detection layer.
        at: constants of the rows.

    Returns:
        boxes [B, A, 4], x1, y1, x2, y2 in network-input pixels, and scores [B, A, C].
    """
    xy, wh, objectness, classes = ops.split(activated, [2, 2, 1, head.classes], axis=2, name="fields")
    centre = ops.add(ops.mul(xy, at.step, "offset"), at.corner, "centre")
    half = ops.mul(ops.mul(wh, wh, "square"), at.reach, "half_size")
    boxes = ops.concat([ops.sub(centre, half, "top_left"), ops.add(centre, half, "bottom_right")], axis=2, name="boxes")
    return boxes, ops.mul(classes, objectness, "scores")


def decode_keypoints(ops: Ops, raw: Tensor, kpt_shape: tuple[int, int], at: RowConstants) -> Tensor:
    """Raw keypoint values as pixels: x, y = (2 raw - 0.5 + grid) * stride without a sigmoid, visibility = sigmoid.

    Args:
        ops: the interpreter.
        raw: [B, A, P * D].
        kpt_shape: P points of D values.
        at: constants of the rows.

    Returns:
        [B, A, P, D], x and y in network-input pixels.
    """
    points, values = kpt_shape
    cells = ops.reshape(raw, (ops.shape(raw)[0], points, values), "points")
    xy, *visibility = ops.split(cells, [2, values - 2] if values > 2 else [2], axis=3, name="point_fields")
    pixels = ops.add(ops.mul(xy, at.step[:, :, None], "point_offset"), at.corner[:, :, None], "point")
    return ops.concat([pixels, *(ops.sigmoid(part, "visibility") for part in visibility)], axis=3, name="keypoints")
