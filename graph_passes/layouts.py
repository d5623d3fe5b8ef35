"""Dressings of a graph's outputs: the same rows as separate tensors, as one, for DeepStream's parser, for Ultralytics.

separate     num_dets, det_boxes, det_scores, det_classes (+ det_kpts | det_masks)
flat         output [B, K, 6 + extras]: box, score, class, then angle | keypoints | mask pixels
deepstream   num_dets int32, det_boxes, det_scores, det_classes float32, in this order
ultralytics  rows: output0 [B, K, 6 + extras]: box, score, class, then angle | keypoints | mask coefficients
             raw:  output0 [B, 4 + C + extras, A]: cx, cy, w, h, scores, then the same extras; classify [B, C]
             segment: + output1 [B, M, h, w], the prototypes
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from ..contract.choices import Layout
from ..contract.meta import ModelMeta
from ..contract.outputs import end2end_outputs, raw_outputs
from ..errors import ModelError, UnsupportedError
from ..graph.emitter import Emitter, Tensor
from .model import Pass

DEEPSTREAM_ROWS = 200
"""What DeepStream's NvDsInferParseYoloV5CustomBatchedNMSTLT reads of a picture's rows."""


def dressed(layout: Layout | None) -> Pass | None:
    """The pass that dresses the outputs of a graph as it is."""
    if layout is None:
        return None
    return lambda model: model.with_meta(apply_layout(model.graph, model.meta, layout))


def apply_layout(graph: gs.Graph, meta: ModelMeta, layout: Layout) -> ModelMeta:
    """Dress the outputs of a graph in place, raw heads or `separate` end-to-end rows, and return its metadata.

    Raises:
        ModelError: the outputs are not those that the metadata promises.
        UnsupportedError: the layout cannot hold this model's outputs.
    """
    check_layout(meta, layout)
    outputs = _by_name(graph, meta)
    if meta.end2end:
        return dress_rows(graph, meta, outputs, layout)
    if layout == "ultralytics":
        _finish(graph, _raw_ultralytics(Emitter(graph, "/layout"), meta, outputs))
        meta = replace(meta, layout=layout)
    return meta


def check_layout(meta: ModelMeta, layout: Layout) -> None:
    """Raise UnsupportedError where `layout` cannot hold the model's outputs."""
    if not meta.end2end:
        if layout in ("flat", "deepstream") and meta.task != "classify":
            raise UnsupportedError(f"--layout {layout} dresses rows of detections; add --end2end")
        return
    if layout != "deepstream":
        return
    if meta.task != "detect":
        raise UnsupportedError(
            f"--layout deepstream: DeepStream's own parser reads boxes only, not the rest of a {meta.task} model; use "
            "--layout separate or flat with a parser of your own"
        )
    if meta.nms and meta.nms.topk_all > DEEPSTREAM_ROWS:
        raise UnsupportedError(
            f"--layout deepstream: DeepStream's own parser reads at most {DEEPSTREAM_ROWS} rows, not "
            f"{meta.nms.topk_all}; use --topk-all {DEEPSTREAM_ROWS}"
        )


def dress_rows(graph: gs.Graph, meta: ModelMeta, outputs: Mapping[str, Tensor], layout: Layout) -> ModelMeta:
    """Make the end-to-end `outputs` (by their names in the `separate` layout) the graph's outputs, in place.

    Args:
        graph: holds the outputs.
        meta: with its NMS settings.
        outputs: and for a segment model in the `ultralytics` layout also `det_coeffs` [B, K, M] and `protos`.
        layout: the dressing.
    """
    emit = Emitter(graph, "/layout")
    if layout == "flat":
        dressed = {"output": _flat_rows(emit, meta, outputs)}
    elif layout == "ultralytics":
        dressed = _ultralytics_rows(emit, meta, outputs)
    else:
        dressed = {spec.name: outputs[spec.name] for spec in end2end_outputs(meta)}
        if layout == "deepstream":
            dressed["det_classes"] = emit.cast(dressed["det_classes"], np.float32, "classes_as_float")
    _finish(graph, dressed)
    return replace(meta, layout=layout)


def _flat_rows(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor], extras: str | None = None) -> Tensor:
    """[B, K, 6 + extras]: four box columns, score, class, and the angle or each row of the named output laid flat."""
    boxes = outputs["det_boxes"]
    columns = [
        emit.slice(boxes, 2, 0, 4) if meta.task == "obb" else boxes,
        emit.unsqueeze(outputs["det_scores"], 2),
        emit.unsqueeze(emit.cast(outputs["det_classes"], np.float32), 2),
    ]
    if meta.task == "obb":
        columns.append(emit.slice(boxes, 2, 4, 5))
    name = extras or {"pose": "det_kpts", "segment": "det_masks"}.get(meta.task)
    if name:
        columns.append(_laid_flat(emit, outputs[name]))
    return emit.concat(columns, 2, "rows")


def _ultralytics_rows(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if meta.task != "segment":
        return {"output0": _flat_rows(emit, meta, outputs)}
    if "det_coeffs" not in outputs:
        raise UnsupportedError(
            "--layout ultralytics: the masks of this graph are finished, their coefficients are gone; convert the "
            "weights again with --layout ultralytics"
        )
    return {"output0": _flat_rows(emit, meta, outputs, "det_coeffs"), "output1": outputs["protos"]}


def _raw_ultralytics(emit: Emitter, meta: ModelMeta, heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The raw heads [B, 4 + C + extras, A] as Ultralytics exports them."""
    if meta.task == "classify":
        return {"output0": heads["probs"]}
    boxes, angle = heads["boxes"], []
    if meta.task == "obb":
        boxes, angle = emit.slice(boxes, 2, 0, 4), [emit.slice(boxes, 2, 4, 5)]
    else:
        boxes = _centre_size(emit, boxes)
    extras = [_laid_flat(emit, heads[name]) for name in ("keypoints", "mask_coeffs") if name in heads]
    columns = emit.concat([boxes, heads["scores"], *extras, *angle], 2, "columns")
    outputs = {"output0": emit.transpose(columns, [0, 2, 1], "predictions")}
    return outputs | ({"output1": heads["protos"]} if meta.task == "segment" else {})


def _centre_size(emit: Emitter, boxes: Tensor) -> Tensor:
    """Corners [B, A, 4] -> centre and size."""
    low, high = emit.slice(boxes, 2, 0, 2), emit.slice(boxes, 2, 2, 4)
    middle = emit.binary("Mul", emit.binary("Add", low, high), np.array(0.5, np.float32), "centre")
    return emit.concat([middle, emit.binary("Sub", high, low, "size")], 2, "centre_size")


def _laid_flat(emit: Emitter, x: Tensor) -> Tensor:
    """[B, N, ...] -> [B, N, all]."""
    if len(x.shape) == 3:
        return x
    return emit.reshape(x, [x.shape[1], math.prod(x.shape[2:])])


def _by_name(graph: gs.Graph, meta: ModelMeta) -> dict[str, Tensor]:
    """The graph's outputs under the names of the contract."""
    outputs = {tensor.name: tensor for tensor in graph.outputs}
    specs = end2end_outputs(meta) if meta.end2end else raw_outputs(meta)
    missing = [spec.name for spec in specs if spec.name not in outputs]
    if missing:
        raise ModelError(
            f"the graph has the outputs {', '.join(outputs)} but lacks {', '.join(missing)}; only raw heads and the "
            "layout separate can be dressed anew, convert the weights again"
        )
    return outputs


def _finish(graph: gs.Graph, outputs: Mapping[str, Tensor]) -> None:
    """Make these the graph's outputs under these names, and drop what nothing needs any more."""
    tensors = graph.tensors()
    for name in outputs:
        if name in tensors:
            tensors[name].name = f"{name}:undressed"
    for name, tensor in outputs.items():
        tensor.name = name
    graph.outputs = list(outputs.values())
    graph.cleanup(remove_unused_graph_inputs=False)
