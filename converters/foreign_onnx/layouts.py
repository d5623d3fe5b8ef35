"""How foreign exporters lay out a model's outputs, and the same outputs as raw heads.

    columns        [B, 4 + C + extra, A]   Ultralytics: cx, cy, w, h, classes, then keypoints, mask values or an angle
    rows           [B, A, 5 + C + extra]   YOLOv5, YOLOv7 and their pose models: cx, cy, w, h, objectness, classes, ...
    final          [B, K, 6 + extra]       Ultralytics' NMS-free heads: corners (obb: centre, size), score, class, ...
    plugin         [B, A, 4], [B, A, C]    what an EfficientNMS_TRT node gets
    probs, logits  [B, C]                  classifiers with and without their softmax

The layouts are those of the exporters' own files: ultralytics `engine/exporter.py`, yolov5 and yolov7 `export.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import Task
from ...graph.emitter import Emitter
from ..vocabulary.onnx_ops import OnnxOps
from ..vocabulary.ops import Ops, Tensor

Heads = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """How the outputs of an export are to be read.

    Attributes:
        kind: "columns", "rows", "final", "plugin", "probs" or "logits", as above.
        task: of the model.
        classes: C.
        outputs: the tensors that hold the values: boxes and what goes with them, then prototypes; "plugin": boxes
            and scores.
        kpt_shape: (points, values a point) of a pose model.
        masks: M, mask coefficients of a segmentation model, else 0.
        centred: boxes are centre and size, not corners; only of "plugin".
        activated: scores are probabilities, not logits; only of "plugin".
    """

    kind: str
    task: Task
    classes: int
    outputs: tuple[Tensor, ...]
    kpt_shape: tuple[int, int] | None = None
    masks: int = 0
    centred: bool = False
    activated: bool = True

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


def _plugin(ops: GraphOps, layout: Layout, values: Tensor, rest: Sequence[Tensor]) -> Heads:
    boxes = _corners(ops, values) if layout.centred else values
    return {"boxes": boxes, "scores": rest[0] if layout.activated else ops.sigmoid(rest[0], "scores")}


_READERS = {"columns": _columns, "rows": _rows, "final": _final, "plugin": _plugin}


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
