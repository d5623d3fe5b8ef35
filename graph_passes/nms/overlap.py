"""How much two boxes overlap: what is computed once a box, and the matrix for every pair of two lists of boxes."""

from __future__ import annotations

import numpy as np

from ...graph.emitter import Emitter, Tensor

COORDINATE_LIMIT = 1e18
"""Coordinates are limited to this in overlaps, so that areas stay finite in float32 and no overlap is NaN."""
SMALLEST_AREA = 1e-30
"""Area of a degenerate box, so that no union is zero."""


def box_columns(emit: Emitter, boxes: Tensor) -> list[Tensor]:
    """Left, top, right and bottom in pixels, and area, each [B, N, 1], of boxes [B, N, 4]; negative sides count as none."""
    corners = emit.clip(boxes, -COORDINATE_LIMIT, COORDINATE_LIMIT, "corners")
    left, top, right, bottom = emit.columns(corners)
    width, height = (emit.unary("Relu", emit.binary("Sub", *ends)) for ends in ((right, left), (bottom, top)))
    area = emit.binary("Max", emit.binary("Mul", width, height), np.array(SMALLEST_AREA, np.float32), "area")
    return [left, top, right, bottom, area]


def box_iou(emit: Emitter, rows: list[Tensor], others: list[Tensor]) -> Tensor:
    """IoU [B, N, M] in float32, inter / (area + area - inter), of `box_columns`.

    Args:
        emit: of the graph or a loop's body.
        rows: the columns of N boxes, each [B, N, 1].
        others: the columns of M boxes, each [B, 1, M].
    """
    sides = []
    for begin, end in ((0, 2), (1, 3)):
        low, high = emit.binary("Max", rows[begin], others[begin]), emit.binary("Min", rows[end], others[end])
        sides.append(emit.unary("Relu", emit.binary("Sub", high, low)))
    inter = emit.binary("Mul", sides[0], sides[1], "inter")
    union = emit.binary("Sub", emit.binary("Add", rows[4], others[4]), inter, "union")
    return emit.binary("Div", inter, union, "iou")
