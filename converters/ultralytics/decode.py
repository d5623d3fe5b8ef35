"""Ultralytics' heads, decoded to the raw-head contract (`contract/outputs.py`).

The maps of all levels become rows [B, A, values] (level by level, then y, x) and are decoded once, with the centre and
the stride of every row as constants. A box is the distances from its cell's centre to its four sides, in strides: four
numbers, or four distributions of which the mean counts (Generalized Focal Loss, Li et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...contract.choices import HeadChoice, Task
from ...errors import ModelError
from ...graph.weights import Array
from ..checkpoint.reader import Record
from ..torch_modules.blocks import classify
from ..torch_modules.modules import Walker, has, submodule, weight
from ..vocabulary.ops import Ops, Tensor

BRANCHES: Mapping[HeadChoice, str] = {"one2one": "one2one_", "one2many": ""}
"""The heads of a model that may have two, the preferred one first, and what the names of their branches start with."""


@dataclass(frozen=True)
class Head:
    """A model's last layer.

    Attributes:
        module: its record.
        strides: of its levels, in pixels.
        branch: what the names of the chosen branches start with: "" or "one2one_".
        boxes: the branch of the boxes, `scores` that of the classes, `distribution` what takes the mean of the bins.
    """

    module: Record
    strides: tuple[int, ...] = ()
    branch: str = ""
    boxes: str = "cv2"
    scores: str = "cv3"
    distribution: str = "dfl"

    @property
    def classes(self) -> int:
        """C, as the last layer of the class branch has it."""
        if has(self.module, "linear"):
            return self.module.child("linear").tensor("weight").shape[0]
        last = list(submodule(self.module, f"{self.branch}{self.scores}.0").module_children().values())[-1]
        return last.tensor("weight").shape[0]

    def maps(self, walker: Walker, name: str, xs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of the branch `name` on every level, [B, values, h, w]."""
        return [walker.child(self.module, f"{self.branch}{name}.{level}", x) for level, x in enumerate(xs)]

    def rows(self, walker: Walker, name: str, xs: Sequence[Tensor]) -> Tensor:
        """The outputs of the branch `name` as rows [B, A, values]."""
        return join_rows(walker.ops, self.maps(walker, name, xs), name)

    def cells(self, ops: Ops, xs: Sequence[Tensor]) -> Cells:
        """Where the rows of these feature maps lie."""
        return cells_of([ops.shape(x)[1:] for x in xs], self.strides)


@dataclass(frozen=True)
class Cells:
    """The rows of a head, float32: `centre` x, y [1, A, 2] and `stride` [1, A, 1], in pixels."""

    centre: Array
    stride: Array


def cells_of(sizes: Sequence[tuple[int, ...]], strides: Sequence[int]) -> Cells:
    """The cells of levels of these heights and widths."""
    grids = [np.mgrid[:height, :width].reshape(2, -1)[::-1].T + 0.5 for height, width in sizes]
    centre = np.concatenate([grid * stride for grid, stride in zip(grids, strides, strict=True)])
    stride = np.concatenate([np.full((len(grid), 1), stride) for grid, stride in zip(grids, strides, strict=True)])
    return Cells(centre[None].astype(np.float32), stride[None].astype(np.float32))


def join_rows(ops: Ops, maps: Sequence[Tensor], name: str) -> Tensor:
    """Maps [B, values, h, w] of every level as rows [B, A, values]."""
    flat = [ops.reshape(x, (ops.shape(x)[0], -1), f"{name}.{level}.flat") for level, x in enumerate(maps)]
    return ops.transpose(ops.concat(flat, 2, f"{name}.levels"), (0, 2, 1), f"{name}.rows")


def detect(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes [B, A, 4] as x1, y1, x2, y2 and scores [B, A, C]."""
    ops, cells = walker.ops, head.cells(walker.ops, xs)
    reach = ops.mul(_distances(walker, head, xs), np.array([-1, -1, 1, 1]) * cells.stride, "reach")
    return {"boxes": ops.add(reach, np.tile(cells.centre, 2), "boxes"), "scores": _scores(walker, head, xs)}


def _scores(walker: Walker, head: Head, xs: Sequence[Tensor]) -> Tensor:
    return walker.ops.sigmoid(head.rows(walker, head.scores, xs), "scores")


def _distances(walker: Walker, head: Head, xs: Sequence[Tensor]) -> Tensor:
    """Left, top, right, bottom [B, A, 4] in strides; a branch of more values gives a distribution a side."""
    ops, rows = walker.ops, head.rows(walker, head.boxes, xs)
    anchors, values = ops.shape(rows)
    if values == 4:
        return rows
    bins = _bins(head, values)
    parts = ops.softmax(ops.reshape(rows, (anchors, 4, len(bins)), "bins"), 3, "distribution")
    return ops.reshape(ops.matmul(parts, bins, "mean"), (anchors, 4), "sides")


def _bins(head: Head, values: int) -> Array:
    """What each bin of a distribution stands for, [bins, 1]."""
    bins = weight(head.module.child(head.distribution).child("conv"), "weight").load().reshape(-1, 1)
    if values != 4 * len(bins):
        raise ModelError(
            f"the box branch of the {head.module.class_name} head gives {values} values, but its distributions have "
            f"{len(bins)} bins; the checkpoint is damaged"
        )
    return bins


def segment(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes, scores, mask coefficients [B, A, M] and prototypes [B, M, h, w]."""
    detections, coefficients = detect(walker, head, xs), head.rows(walker, "cv4", xs)
    all_levels = has(head.module.child("proto"), "feat_refine")
    protos = walker.child(head.module, "proto", xs if all_levels else xs[0])
    return {**detections, "mask_coeffs": coefficients, "protos": protos}


def pose(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes, scores and keypoints [B, A, P, D]: a point is (2 * value - 0.5) strides from the cell's corner."""
    cells, detections = head.cells(walker.ops, xs), detect(walker, head, xs)
    values = head.rows(walker, "cv4", xs)
    points = _points(walker, head, values, 2 * cells.stride, cells.centre - 0.5 * cells.stride)
    return {**detections, "keypoints": points}


def pose26(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """The same, with a point `value` strides from the cell's centre; the branch of its spread serves the training."""
    cells, detections = head.cells(walker.ops, xs), detect(walker, head, xs)
    values = head.rows(walker, "cv4_kpts", head.maps(walker, "cv4", xs))
    return {**detections, "keypoints": _points(walker, head, values, cells.stride, cells.centre)}


def _points(walker: Walker, head: Head, values: Tensor, scale: Array, origin: Array) -> Tensor:
    """Rows [B, A, P * D] as keypoints: x, y = value * scale + origin in pixels; a third is a logit of visibility."""
    ops, (points, dimensions) = walker.ops, keypoint_shape(head.module)
    by_point = ops.reshape(values, (ops.shape(values)[0], points, dimensions), "points")
    scale, origin = scale[:, :, None], origin[:, :, None]
    if dimensions == 2:
        return ops.add(ops.mul(by_point, scale, "points.scale"), origin, "keypoints")
    position, visibility = ops.split(by_point, [2, 1], 3, "points.split")
    position = ops.add(ops.mul(position, scale, "points.scale"), origin, "points.position")
    return ops.concat([position, ops.sigmoid(visibility, "points.visibility")], 3, "keypoints")


def keypoint_shape(module: Record) -> tuple[int, int]:
    """Points, values a point.

    Raises:
        ModelError: the head has no such pair, or points of other than two or three values.
    """
    shape = module.attribute("kpt_shape")
    if (
        not isinstance(shape, (list, tuple))
        or len(shape) != 2
        or not isinstance(shape[0], int)
        or shape[1] not in (2, 3)
    ):
        raise ModelError(
            f"the {module.class_name} head's kpt_shape is {shape!r:.40}, not (points, 2 or 3); the file is damaged"
        )
    return shape[0], shape[1]


def obb(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes [B, A, 5] as cx, cy, w, h, angle and scores; the angle is (sigmoid - 1/4) * pi."""
    share = walker.ops.sigmoid(head.rows(walker, "cv4", xs), "angle.share")
    angle = walker.ops.sub(walker.ops.mul(share, np.pi, "angle.turn"), np.pi / 4, "angle")
    return _rotated(walker, head, xs, angle)


def obb26(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """The same, where the head gives the angle itself."""
    return _rotated(walker, head, xs, head.rows(walker, "cv4", xs))


def _rotated(walker: Walker, head: Head, xs: Sequence[Tensor], angle: Tensor) -> dict[str, Tensor]:
    """Boxes whose distances run along their own axes: half the differences, turned by the angle, lead to the centre."""
    ops, cells = walker.ops, head.cells(walker.ops, xs)
    near, far = ops.split(_distances(walker, head, xs), [2, 2], 2, "near_far")
    x, y = ops.split(ops.sub(far, near, "offset"), [1, 1], 2, "offset.split")
    cos, sin = ops.unary("cos", angle, "angle.cos"), ops.unary("sin", angle, "angle.sin")
    right = ops.sub(ops.mul(x, cos, "x_cos"), ops.mul(y, sin, "y_sin"), "right")
    down = ops.add(ops.mul(x, sin, "x_sin"), ops.mul(y, cos, "y_cos"), "down")
    box = ops.concat([right, down, ops.add(near, far, "size"), angle], 2, "box")
    scale = np.concatenate([cells.stride * [0.5, 0.5, 1, 1], np.ones_like(cells.stride)], axis=2)
    origin = np.pad(cells.centre, ((0, 0), (0, 0), (0, 3)))
    boxes = ops.add(ops.mul(box, scale, "box.pixels"), origin, "boxes")
    return {"boxes": boxes, "scores": _scores(walker, head, xs)}


def probabilities(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Class probabilities [B, C]."""
    return {"probs": walker.ops.softmax(classify(walker, head.module, xs), 1, "probs")}


Decode = Callable[[Walker, Head, Sequence[Tensor]], Mapping[str, Tensor]]
"""Feature maps of the levels -> the raw heads of the task."""


def branches(module: Record) -> list[HeadChoice]:
    """Which of `BRANCHES` a head has; fusing a model removes one, or leaves Identity modules in its place.

    Raises:
        ModelError: none.
    """
    if has(module, "linear"):
        return ["one2many"]
    present = [name for name, branch in BRANCHES.items() if _is_trained(module, f"{branch}cv3")]
    if not present:
        raise ModelError(f"the {module.class_path} head has neither cv3 nor one2one_cv3; the checkpoint is damaged")
    return present


def _is_trained(module: Record, name: str) -> bool:
    """Whether a branch is there and is not made of Identity modules."""
    levels = module.child(name).module_children().values() if has(module, name) else ()
    return any(level.class_name != "Identity" for level in levels)


HEADS: Mapping[str, tuple[Task, Decode]] = {
    "Detect": ("detect", detect),
    "v10Detect": ("detect", detect),
    "Segment": ("segment", segment),
    "Segment26": ("segment", segment),
    "Pose": ("pose", pose),
    "Pose26": ("pose", pose26),
    "OBB": ("obb", obb),
    "OBB26": ("obb", obb26),
    "Classify": ("classify", probabilities),
}
"""Task and decoder of a head, by class name."""

OTHER_HEADS: Mapping[str, str] = {
    "WorldDetect": "classes come from a text encoder (YOLO-World)",
    "YOLOEDetect": "classes come from prompts (YOLOE)",
    "YOLOESegment": "classes come from prompts (YOLOE)",
    "YOLOESegment26": "classes come from prompts (YOLOE)",
    "RTDETRDecoder": "RT-DETR is a transformer without anchors",
    "Depth": "depth estimation is none of the tasks detect, pose, segment, obb, classify",
    "SemanticSegment": "semantic segmentation is none of the tasks detect, pose, segment, obb, classify",
}
"""Heads of the framework that are not converted, and why."""
