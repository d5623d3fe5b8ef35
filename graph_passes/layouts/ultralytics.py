"""Layout `ultralytics`: as that framework exports its models, so that it runs them.

rows     output0 [B, K, 6 + extras]: box, score, class, then angle | keypoints | mask coefficients
raw      output0 [B, 4 + C + extras, A]: cx, cy, w, h, scores, then the same extras; classify [B, C]
segment  + output1 [B, M, h, w], the prototypes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec, raw_outputs
from ...errors import UnsupportedError
from ...graph.weights import Array
from .base import Dressing
from .columns import joined, laid_flat, parted, width

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor


def _dress(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _rows(emit, meta, outputs) if meta.end2end else _heads(emit, meta, outputs)


def _rows(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if meta.task != "segment":
        return {"output0": joined(emit, meta, outputs)}
    if "det_coeffs" not in outputs:
        raise UnsupportedError(
            "--layout ultralytics: the masks of this graph are finished, their coefficients are gone; convert the "
            "weights again with --layout ultralytics"
        )
    return {"output0": joined(emit, meta, outputs, "det_coeffs"), "output1": outputs["protos"]}


def _heads(emit: Emitter, meta: ModelMeta, heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if meta.task == "classify":
        return {"output0": heads["probs"]}
    boxes, angle = heads["boxes"], []
    if meta.task == "obb":
        boxes, angle = emit.slice(boxes, 2, 0, 4), [emit.slice(boxes, 2, 4, 5)]
    else:
        boxes = _centre_size(emit, boxes)
    extras = [laid_flat(emit, heads[name]) for name in ("keypoints", "mask_coeffs") if name in heads]
    columns = emit.concat([boxes, heads["scores"], *extras, *angle], 2, "columns")
    outputs = {"output0": emit.transpose(columns, [0, 2, 1], "predictions")}
    return outputs | ({"output1": heads["protos"]} if meta.task == "segment" else {})


def _centre_size(emit: Emitter, boxes: Tensor) -> Tensor:
    """Corners [B, A, 4] -> centre and size."""
    low, high = emit.slice(boxes, 2, 0, 2), emit.slice(boxes, 2, 2, 4)
    middle = emit.binary("Mul", emit.binary("Add", low, high), np.array(0.5, np.float32), "centre")
    return emit.concat([middle, emit.binary("Sub", high, low, "size")], 2, "centre_size")


def _specs(meta: ModelMeta) -> Sequence[TensorSpec]:
    if meta.task == "classify":
        return [replace(raw_outputs(meta)[0], name="output0")]
    masks = [TensorSpec("output1", "float32", ("B", "M", "h", "w"))] if meta.task == "segment" else []
    if meta.nms:
        return [TensorSpec("output0", "float32", ("B", meta.nms.topk_all, width(meta, 6))), *masks]
    return [TensorSpec("output0", "float32", ("B", width(meta, 4 + len(meta.names)), "A")), *masks]


def _undress(image: Mapping[str, Array], meta: ModelMeta) -> dict[str, Array]:
    if not meta.end2end:
        return _raw_heads(image, meta)
    rows, extras = parted(image["output0"], meta)
    return rows | ({"det_coeffs": extras, "protos": image["output1"]} if "output1" in image else {})


def _raw_heads(image: Mapping[str, Array], meta: ModelMeta) -> dict[str, Array]:
    """The raw heads of one image from `output0` [4 + C + extras, A] (boxes as cx, cy, w, h) and `output1`."""
    columns, classes = image["output0"].T, len(meta.names)
    boxes, scores, extras = columns[:, :4], columns[:, 4 : 4 + classes], columns[:, 4 + classes :]
    if meta.task == "obb":
        return {"boxes": np.concatenate([boxes, extras], axis=1), "scores": scores}
    half = boxes[:, 2:] / 2
    heads = {"boxes": np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1), "scores": scores}
    if meta.task == "pose" and meta.kpt_shape:
        heads["keypoints"] = extras.reshape(len(extras), *meta.kpt_shape)
    if "output1" in image:
        heads |= {"mask_coeffs": extras, "protos": image["output1"]}
    return heads


DRESSING = Dressing(lambda meta: None, _dress, _specs, _undress, heads=True)
