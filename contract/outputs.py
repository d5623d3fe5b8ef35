"""What goes into a model and comes out of it: raw heads and rows of detections.

A converter ends in the *raw heads* of its task (`raw_outputs`), a graph with `--end2end` in the rows of detections (`end2end_outputs`).
Nothing downstream looks at a file name. Dressings of the two are `graph_passes.layouts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .meta import ModelMeta

INPUT = "images"
THRESHOLD_ROWS = "thresholds"
"""Name of the free first axis of thresholds that are inputs: 1, or as many as there are images."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, numpy type name and shape of a graph's input or output; a str in the shape is a free axis."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def input_spec(meta: ModelMeta) -> TensorSpec:
    """`images` float32 [B, channels, H, W], or what a graph pass made of it: another type, or [B, H, W, channels]."""
    image = (*meta.imgsz, meta.channels) if meta.input_axes == "hwc" else (meta.channels, *meta.imgsz)
    return TensorSpec(INPUT, meta.input_dtype, (_batch(meta), *image))


def raw_outputs(
    meta: ModelMeta, anchors: int | str = "A", masks: tuple[int | str, ...] = ("M", "h", "w")
) -> tuple[TensorSpec, ...]:
    """The raw heads of the model's task, in order.

    Args:
        meta: the model.
        anchors: A, boxes before NMS.
        masks: M mask coefficients, prototype height and width of a segment model.
    """
    batch, classes = _batch(meta), len(meta.names)
    if meta.task == "classify":
        return (TensorSpec("probs", "float32", (batch, classes)),)
    specs = [
        TensorSpec("boxes", "float32", (batch, anchors, 5 if meta.task == "obb" else 4)),
        TensorSpec("scores", "float32", (batch, anchors, classes)),
    ]
    if meta.task == "pose":
        specs.append(TensorSpec("keypoints", "float32", (batch, anchors, *(meta.kpt_shape or ("P", "D")))))
    if meta.task == "segment":
        specs.append(TensorSpec("mask_coeffs", "float32", (batch, anchors, masks[0])))
        specs.append(TensorSpec("protos", "float32", (batch, *masks)))
    return tuple(specs)


def end2end_outputs(meta: ModelMeta, mask_size: tuple[int | str, int | str] = ("h", "w")) -> tuple[TensorSpec, ...]:
    """The outputs of an end-to-end graph in the `separate` layout, in order; K rows an image.

    Args:
        meta: the model, with `nms` set.
        mask_size: prototype height and width of a segment model.
    """
    batch, rows = _batch(meta), meta.nms.topk_all if meta.nms else 0
    specs = [
        TensorSpec("num_dets", "int32", (batch, 1)),
        TensorSpec("det_boxes", "float32", (batch, rows, 5 if meta.task == "obb" else 4)),
        TensorSpec("det_scores", "float32", (batch, rows)),
        TensorSpec("det_classes", "int32", (batch, rows)),
    ]
    if meta.task == "pose":
        specs.append(TensorSpec("det_kpts", "float32", (batch, rows, *(meta.kpt_shape or ("P", "D")))))
    if meta.task == "segment":
        specs.append(TensorSpec("det_masks", "float32", (batch, rows, *mask_size)))
    return tuple(specs)


def expected_inputs(meta: ModelMeta) -> Sequence[TensorSpec]:
    """The pictures, and the thresholds where those are inputs (`graph_passes.thresholds.runtime_thresholds`)."""
    specs = [input_spec(meta)]
    if meta.nms and meta.extra.get("runtime_thresholds"):
        names = ("conf_thres",) if meta.nms.route == "none" else ("conf_thres", "iou_thres")
        specs += [TensorSpec(name, "float32", (meta.batch or THRESHOLD_ROWS, 1)) for name in names]
    return specs


def contract_outputs(meta: ModelMeta) -> tuple[TensorSpec, ...]:
    """Raw heads or rows, before any layout dresses them (`graph_passes.layouts.expected_outputs`)."""
    return end2end_outputs(meta) if meta.end2end else raw_outputs(meta)


def _batch(meta: ModelMeta) -> int | str:
    return "batch" if meta.batch is None else meta.batch
