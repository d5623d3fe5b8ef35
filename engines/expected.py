"""Inputs and outputs that a model's metadata promise, in any layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..converters.heads import ModelMeta, TensorSpec, end2end_outputs, input_spec, raw_outputs


def expected_inputs(meta: ModelMeta) -> Sequence[TensorSpec]:
    """The pictures, and the thresholds where those are inputs (`graph_passes.thresholds.runtime_thresholds`)."""
    specs = [input_spec(meta)]
    if meta.nms and meta.extra.get("runtime_thresholds"):
        names = ("conf_thres",) if meta.nms.route == "none" else ("conf_thres", "iou_thres")
        specs += [TensorSpec(name, "float32", (1,)) for name in names]
    return specs


def expected_outputs(meta: ModelMeta) -> Sequence[TensorSpec]:
    """The outputs that the metadata promises (`graph_passes.layouts`)."""
    specs = end2end_outputs(meta) if meta.end2end else raw_outputs(meta)
    if meta.layout == "deepstream":
        return [replace(spec, dtype="float32") if spec.name == "det_classes" else spec for spec in specs]
    if meta.layout not in ("flat", "ultralytics"):
        return specs
    if meta.task == "classify":
        return [replace(specs[0], name="output0")]
    masks = [TensorSpec("output1", "float32", ("B", "M", "h", "w"))] if meta.task == "segment" else []
    if not meta.end2end:
        return [TensorSpec("output0", "float32", ("B", _columns(meta, 4 + len(meta.names)), "A")), *masks]
    rows = ("B", specs[1].shape[1], _columns(meta, 6))
    if meta.layout == "flat":
        return [TensorSpec("output", "float32", rows)]
    return [TensorSpec("output0", "float32", rows), *masks]


def _columns(meta: ModelMeta, before: int) -> int | str:
    """Values of an object where all lie in one row; how many belong to a mask is only known from the prototypes."""
    points, values = meta.kpt_shape or (0, 0)
    return "columns" if meta.task == "segment" else before + points * values + (meta.task == "obb")
