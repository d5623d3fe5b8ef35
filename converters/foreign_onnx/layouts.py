"""How foreign exporters lay out a model's outputs, and the same outputs as raw heads.

    columns        [B, 4 + C + extra, A]   Ultralytics: cx, cy, w, h, classes, then keypoints, mask values or an angle
    rows           [B, A, 5 + C + extra]   YOLOv5 to YOLOv7 and their pose models: cx, cy, w, h, objectness, classes, ...
    yolox          [B, A, 5 + C]           YOLOX before its decode: offsets in cells, logarithms of sizes in strides, ...
    final          [B, K, 6 + extra]       Ultralytics' NMS-free heads: corners (obb: centre, size), score, class, ...
    queries        [B, K, 4 + C]           RT-DETR: cx, cy, w, h as shares of the input, classes
    pair           [B, A, 4], [B, A, C]    boxes and scores: what an EfficientNMS_TRT node gets, DAMO-YOLO, YOLO-NAS
    probs, logits  [B, C]                  classifiers with and without their softmax

The layouts are those of the exporters' own files: ultralytics `engine/exporter.py`, yolov5 and yolov7 `export.py`, YOLOX
`models/yolo_head.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import Task
from ...contract.meta import Preprocess
from ...graph.emitter import Emitter
from ...graph.weights import Array
from ..vocabulary.onnx_ops import OnnxOps
from ..vocabulary.ops import Ops, Tensor

Heads = dict[str, Tensor]

Kind = Literal["columns", "rows", "yolox", "final", "queries", "pair", "probs", "logits"]

YOLOX_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Layout:
    """How the outputs of an export are to be read.

    Attributes:
        kind: one of those above.
        task: of the model.
        classes: C.
        outputs: the tensors that hold the values: boxes and what goes with them, then prototypes; "pair": boxes and
            scores.
        kpt_shape: (points, values a point) of a pose model.
        masks: M, mask coefficients of a segmentation model, else 0.
        centred: boxes are centre and size, not corners; only of "pair".
        activated: scores are probabilities, not logits; only of "pair".
        given_to_plugin: the graph itself says what they are, by handing them to TensorRT's NMS.
        exporter: whose export it is, for the user.
        preprocess: how pictures become its input.
    """

    kind: Kind
    task: Task
    classes: int
    outputs: tuple[Tensor, ...]
    kpt_shape: tuple[int, int] | None = None
    masks: int = 0
    centred: bool = False
    activated: bool = True
    given_to_plugin: bool = False
    exporter: str = ""
    preprocess: Preprocess = Preprocess()

    @property
    def nms_free(self) -> bool:
        """Whether each object has one box."""
        return self.kind in ("final", "queries")

    @property
    def anchors(self) -> int:
        """A or K, boxes of a picture."""
        return int(self.outputs[0].shape[2 if self.kind == "columns" else 1])

    @property
    def extra(self) -> int:
        """Values of an anchor after box and classes."""
        return extra_values(self.task, self.kpt_shape, self.masks)


def extra_values(task: str, kpt_shape: tuple[int, int] | None, masks: int) -> int:
    """Values that an anchor has besides box and classes: keypoints, mask coefficients, or an angle."""
    points, values = kpt_shape or (0, 0)
    return points * values + masks + (task == "obb")


class GraphOps(OnnxOps):
    """The vocabulary on a graph that exists already: operations are appended, `finish` replaces its outputs.

    Args:
        graph: its first input is the picture.
        batch: its batch size, or the name of its free batch axis.
    """

    def __init__(self, graph: gs.Graph, batch: int | str) -> None:
        Ops.__init__(self)
        self.batch = batch
        self.input = graph.inputs[0]
        self.graph = graph
        self._emitter = Emitter(graph)

    def finish(self, outputs: Mapping[str, Tensor]) -> gs.Graph:
        self.graph.outputs.clear()
        taken = self.graph.tensors()
        for name, tensor in outputs.items():
            if name in taken and taken[name] is not tensor:
                taken[name].name = self._emitter.unique(f"{name}_inner")
        return super().finish(outputs)

    def as_float32(self, x: Tensor) -> Tensor:
        """The tensor in single precision, its first axis known to be the batch."""
        x.shape = [self.batch, *x.shape[1:]]
        return x if x.dtype == np.float32 else self._emitter.cast(x, np.float32, self.full_name("float32"))


def raw_heads(ops: GraphOps, layout: Layout) -> Heads:
    """The raw heads (`heads.raw_outputs`) from the outputs of an export."""
    with ops.scope("heads"):
        first, *rest = (ops.as_float32(tensor) for tensor in layout.outputs)
        if layout.kind in ("probs", "logits"):
            return {"probs": first if layout.kind == "probs" else ops.softmax(first, 1, "probs")}
        heads = _READERS[layout.kind](ops, layout, first, rest)
        return heads | ({"protos": rest[0]} if layout.task == "segment" else {})


def _columns(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    rows = ops.transpose(values, (0, 2, 1), "rows")
    box, scores, *extra = ops.split(rows, _sizes(4, layout.classes, layout.extra), axis=2, name="fields")
    return _with_extra(ops, layout, box if layout.task == "obb" else _corners(ops, box), scores, extra)


def _rows(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    parts = ops.split(values, _sizes(4, 1, layout.classes, layout.extra), axis=2, name="fields")
    box, objectness, classes, *extra = parts
    return _with_extra(ops, layout, _corners(ops, box), ops.mul(classes, objectness, "scores"), extra)


def _final(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    """Rows of one class each: its score in the column of that class, nothing in the others."""
    box, score, number, *extra = ops.split(values, _sizes(4, 1, 1, layout.extra), axis=2, name="fields")
    distance = ops.unary("abs", ops.sub(number, np.arange(layout.classes).reshape(1, 1, -1), "offset"), "distance")
    is_class = ops.unary("relu", ops.sub(1.0, distance, "closeness"), "one_hot")
    return _with_extra(ops, layout, box, ops.mul(is_class, score, "scores"), extra)


def _yolox(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    """Centre = (offset + cell) * stride, size = exp(value) * stride (YOLOX, Ge et al. 2021, `decode_outputs`)."""
    cells, strides = grid(ops.shape(ops.input)[1:], YOLOX_STRIDES)
    offset, size, objectness, classes = ops.split(values, [2, 2, 1, layout.classes], axis=2, name="fields")
    centre = ops.mul(ops.add(offset, cells, "cell"), strides, "centre")
    box = ops.concat([centre, ops.mul(ops.unary("exp", size, "exp"), strides, "size")], axis=2, name="decoded")
    return {"boxes": _corners(ops, box), "scores": ops.mul(classes, objectness, "scores")}


def grid(size: Sequence[int], strides: Sequence[int]) -> tuple[Array, Array]:
    """Column and row [1, A, 2] of every cell, level by level, and its stride in pixels, [1, A, 1]; float32."""
    levels = [np.mgrid[: size[0] // step, : size[1] // step].reshape(2, -1)[::-1].T for step in strides]
    steps = [np.full((len(cells), 1), step) for cells, step in zip(levels, strides, strict=True)]
    return np.concatenate(levels)[None].astype(np.float32), np.concatenate(steps)[None].astype(np.float32)


def _queries(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    height, width = ops.shape(ops.input)[1:]
    box, scores = ops.split(values, [4, layout.classes], axis=2, name="fields")
    pixels = ops.mul(box, np.array([width, height, width, height]).reshape(1, 1, 4), "pixels")
    return {"boxes": _corners(ops, pixels), "scores": scores}


def _pair(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    if len(ops.shape(values)) == 3:
        values = ops.reshape(values, (layout.anchors, 4), "one_box")
    boxes = _corners(ops, values) if layout.centred else values
    return {"boxes": boxes, "scores": rest[0] if layout.activated else ops.sigmoid(rest[0], "scores")}


_READERS = {
    "columns": _columns,
    "rows": _rows,
    "yolox": _yolox,
    "final": _final,
    "queries": _queries,
    "pair": _pair,
}


def _sizes(*sizes: int) -> list[int]:
    return [size for size in sizes if size]


def _corners(ops: GraphOps, box: Tensor) -> Tensor:
    """Centre and size as x1, y1, x2, y2."""
    centre, size = ops.split(box, [2, 2], axis=2, name="box")
    half = ops.mul(size, 0.5, "half_size")
    return ops.concat(
        [ops.sub(centre, half, "top_left"), ops.add(centre, half, "bottom_right")], axis=2, name="corners"
    )


def _with_extra(ops: GraphOps, layout: Layout, boxes: Tensor, scores: Tensor, extra: Sequence[Tensor]) -> Heads:
    """The heads of the task from its parts; `extra` holds one tensor [B, A, n], or none."""
    if layout.task == "obb":
        return {"boxes": ops.concat([boxes, *extra], axis=2, name="rotated"), "scores": scores}
    heads = {"boxes": boxes, "scores": scores}
    if layout.kpt_shape:
        anchors = ops.shape(boxes)[0]
        heads["keypoints"] = ops.reshape(extra[0], (anchors, *layout.kpt_shape), "keypoints")
    if layout.masks:
        heads["mask_coeffs"] = extra[0]
    return heads
