"""Which candidate suppresses which: overlap of every pair of boxes as a 0/1 matrix."""

from __future__ import annotations

import numpy as np

from ..emitter import Emitter, Tensor

COORDINATE_LIMIT = 1e18
"""Coordinates are limited to this in overlaps, so that areas stay finite in float32 and no overlap is NaN."""
SMALLEST_AREA = 1e-30
"""Area of a degenerate box, so that no union is zero."""


def box_iou(emit: Emitter, rows: Tensor, others: Tensor) -> Tensor:
    """IoU [B, N, M] of boxes `rows` [B, N, 4] with boxes `others` [B, M, 4], corners in pixels.

    inter / (area + area - inter) in float32. A box with negative width or height has no area and meets nothing; one
    clamp of the intersection's sides is enough, since a negative product is not greater than any threshold.
    """
    ours = emit.columns(emit.clip(rows, -COORDINATE_LIMIT, COORDINATE_LIMIT))
    theirs = [
        emit.transpose(x, [0, 2, 1]) for x in emit.columns(emit.clip(others, -COORDINATE_LIMIT, COORDINATE_LIMIT))
    ]
    width, height = (_meet(emit, ours, theirs, axis) for axis in (0, 1))
    inter = emit.binary("Mul", width, height, "inter")
    areas = emit.binary("Add", _area(emit, ours), _area(emit, theirs), "areas")
    return emit.binary("Div", inter, emit.binary("Sub", areas, inter, "union"), "iou")


def _meet(emit: Emitter, a: list[Tensor], b: list[Tensor], axis: int) -> Tensor:
    """Length of the common part of two boxes along x (0) or y (1), 0 where there is none."""
    begin = emit.binary("Max", a[axis], b[axis])
    end = emit.binary("Min", a[axis + 2], b[axis + 2])
    return emit.unary("Relu", emit.binary("Sub", end, begin))


def _area(emit: Emitter, sides: list[Tensor]) -> Tensor:
    width, height = (emit.unary("Relu", emit.binary("Sub", sides[axis + 2], sides[axis])) for axis in (0, 1))
    return emit.binary("Max", emit.binary("Mul", width, height), np.array(SMALLEST_AREA, np.float32), "area")
