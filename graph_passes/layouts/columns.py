"""What the layouts with one row an object share: its numbers side by side, and apart again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...contract.meta import ModelMeta
from ...graph.weights import Array

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor


def joined(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor], extras: str | None = None) -> Tensor:
    """[B, K, 6 + extras]: four box columns, score, class, and the angle or each row of the named output laid flat."""
    boxes = outputs["det_boxes"]
    columns = [
        emit.slice(boxes, 2, 0, 4) if meta.task == "obb" else boxes,
        emit.unsqueeze(outputs["det_scores"], 2),
        emit.unsqueeze(emit.cast(outputs["det_classes"], np.float32), 2),
    ]
    if meta.task == "obb":
        columns.append(emit.slice(boxes, 2, 4, 5))
    name = "det_kpts" if meta.task == "pose" else extras
    if name:
        columns.append(laid_flat(emit, outputs[name]))
    return emit.concat(columns, 2, "rows")


def laid_flat(emit: Emitter, x: Tensor) -> Tensor:
    """[B, N, ...] -> [B, N, all]."""
    if len(x.shape) == 3:
        return x
    return emit.reshape(x, [x.shape[1], math.prod(x.shape[2:])])


def width(meta: ModelMeta, before: int) -> int | str:
    """Values of an object where `before` come first; how many belong to a mask is only known from the prototypes."""
    points, values = meta.kpt_shape or (0, 0)
    return "columns" if meta.task == "segment" else before + points * values + (meta.task == "obb")


def parted(rows: Array, meta: ModelMeta) -> tuple[dict[str, Array], Array]:
    """The rows in use of `joined` [K, 6 + extras] by their names in the contract, and the extras of a segment model."""
    rows = rows[rows[:, 4] > 0]
    boxes, extras = rows[:, :4], rows[:, 6:]
    if meta.task == "obb":
        boxes = np.concatenate([boxes, extras], axis=1)
    apart = {
        "num_dets": np.array([len(rows)]),
        "det_boxes": boxes,
        "det_scores": rows[:, 4],
        "det_classes": rows[:, 5],
    }
    if meta.task == "pose" and meta.kpt_shape:
        apart["det_kpts"] = extras.reshape(len(rows), *meta.kpt_shape)
    return apart, extras
