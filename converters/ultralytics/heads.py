"""Ultralytics' heads, decoded to the raw-head contract (`converters/heads.py`).

The maps of all levels become rows [B, A, values] (level by level, then y, x) and are decoded once, with the centre and
the stride of every row as constants. A box is the distances from its cell's centre to its four sides, in strides: four
numbers, or four distributions of which the mean counts (Generalized Focal Loss, Li et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ModelError
from ...weights import Array
from ..blocks import classify
from ..checkpoint import Record
from ..modules import Walker, has, submodule, weight
from ..ops import Ops, Tensor

BRANCHES: Mapping[str, str] = {"one2one": "one2one_", "one2many": ""}
"""The heads of a model that may have two, the preferred one first, and what the names of their branches start with."""


@dataclass(frozen=True)
class Head:
    """A model's last layer.

    Attributes:
        module: its record.
        strides: of its levels, in pixels.
        branch: what the names of the chosen branches start with: "" or "one2one_".
    """

    module: Record
    strides: tuple[int, ...] = ()
    branch: str = ""

    @property
    def classes(self) -> int:
        """C, as the last layer of the class branch has it."""
        if has(self.module, "linear"):
            return self.module.child("linear").tensor("weight").shape[0]
        last = list(submodule(self.module, f"{self.branch}cv3.0").module_children().values())[-1]
        return last.tensor("weight").shape[0]

    def rows(self, walker: Walker, name: str, xs: Sequence[Tensor]) -> Tensor:
        """The outputs of the branch `name` on every level, as rows [B, A, values]."""
        return join_rows(walker.ops, self.maps(walker, name, xs), name)

    def maps(self, walker: Walker, name: str, xs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of the branch `name` on every level, [B, values, h, w]."""
        return [walker.child(self.module, f"{self.branch}{name}.{level}", x) for level, x in enumerate(xs)]

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
    levels = []
    for level, x in enumerate(maps):
        values, height, width = ops.shape(x)
        last = ops.transpose(x, (0, 2, 3, 1), f"{name}.{level}.transpose")
        levels.append(ops.reshape(last, (height * width, values), f"{name}.{level}.rows"))
    return ops.concat(levels, 1, f"{name}.rows")


def detect(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes [B, A, 4] as x1, y1, x2, y2 and scores [B, A, C]."""
    ops, cells = walker.ops, head.cells(walker.ops, xs)
    sides = _distances(walker, head, xs)
    outward = np.array([-1, -1, 1, 1], np.float32) * cells.stride
    boxes = ops.add(ops.mul(sides, outward, "outward"), np.tile(cells.centre, 2), "boxes")
    return {"boxes": boxes, "scores": _scores(walker, head, xs)}


def _scores(walker: Walker, head: Head, xs: Sequence[Tensor]) -> Tensor:
    return walker.ops.sigmoid(head.rows(walker, "cv3", xs), "scores")


def _distances(walker: Walker, head: Head, xs: Sequence[Tensor]) -> Tensor:
    """Left, top, right, bottom [B, A, 4] in strides."""
    ops, rows = walker.ops, head.rows(walker, "cv2", xs)
    anchors, values = ops.shape(rows)
    if values == 4:
        return rows
    bins = _bins(head, values)
    parts = ops.softmax(ops.reshape(rows, (anchors, 4, len(bins)), "bins"), 3, "distribution")
    return ops.reshape(ops.matmul(parts, bins, "mean"), (anchors, 4), "sides")


def _bins(head: Head, values: int) -> Array:
    """What each bin of a distribution stands for, [bins, 1]."""
    bins = weight(head.module.child("dfl").child("conv"), "weight").load().reshape(-1, 1)
    if values != 4 * len(bins):
        raise ModelError(
            f"the box branch of the {head.module.class_name} head gives {values} values, but its distributions have "
            f"{len(bins)} bins; the checkpoint is damaged"
        )
    return bins


def segment(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes, scores, mask coefficients [B, A, M] and prototypes [B, M, h, w]."""
    coefficients = head.rows(walker, "cv4", xs)
    all_levels = has(head.module.child("proto"), "feat_refine")
    protos = walker.child(head.module, "proto", xs if all_levels else xs[0])
    return {**detect(walker, head, xs), "mask_coeffs": coefficients, "protos": protos}


def pose(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Boxes, scores and keypoints [B, A, P, D]: a point is (2 * value - 0.5) strides from the cell's corner."""
    cells = head.cells(walker.ops, xs)
    points = _points(walker, head, head.rows(walker, "cv4", xs), 2 * cells.stride, cells.centre - 0.5 * cells.stride)
    return {**detect(walker, head, xs), "keypoints": points}


def pose26(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """The same, with a point `value` strides from the cell's centre; the branch of its spread serves the training."""
    cells = head.cells(walker.ops, xs)
    rows = head.rows(walker, "cv4_kpts", head.maps(walker, "cv4", xs))
    return {**detect(walker, head, xs), "keypoints": _points(walker, head, rows, cells.stride, cells.centre)}


def _points(walker: Walker, head: Head, rows: Tensor, scale: Array, origin: Array) -> Tensor:
    """Rows [B, A, P * D] as keypoints: x, y = value * scale + origin in pixels; a third is a logit of visibility."""
    ops, (points, values) = walker.ops, keypoint_shape(head.module)
    by_point = ops.reshape(rows, (ops.shape(rows)[0], points, values), "points")
    scale, origin = scale[:, :, None], origin[:, :, None]
    if values == 2:
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
    near, far = ops.split(_distances(walker, head, xs), [2, 2], 2, "sides.split")
    offset = _turned(ops, ops.mul(ops.sub(far, near, "offset.twice"), 0.5, "offset"), angle)
    centre = ops.add(ops.mul(offset, cells.stride, "centre.offset"), cells.centre, "centre")
    size = ops.mul(ops.add(near, far, "size.strides"), cells.stride, "size")
    return {"boxes": ops.concat([centre, size, angle], 2, "boxes"), "scores": _scores(walker, head, xs)}


def _turned(ops: Ops, vector: Tensor, angle: Tensor) -> Tensor:
    """Vectors x, y [B, A, 2] turned by angles [B, A, 1]."""
    cos, sin = ops.unary("cos", angle, "angle.cos"), ops.unary("sin", angle, "angle.sin")
    x, y = ops.split(vector, [1, 1], 2, "turn.split")
    along = ops.sub(ops.mul(x, cos, "turn.x_cos"), ops.mul(y, sin, "turn.y_sin"), "turn.x")
    across = ops.add(ops.mul(x, sin, "turn.x_sin"), ops.mul(y, cos, "turn.y_cos"), "turn.y")
    return ops.concat([along, across], 2, "turn")


def probabilities(walker: Walker, head: Head, xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Class probabilities [B, C]."""
    return {"probs": walker.ops.softmax(classify(walker, head.module, xs), 1, "probs")}


Decode = Callable[[Walker, Head, Sequence[Tensor]], Mapping[str, Tensor]]
"""Feature maps of the levels -> the raw heads of the task."""


def branches(module: Record) -> list[str]:
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


HEADS: Mapping[str, tuple[str, Decode]] = {
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
