"""Overlap of rotated boxes: the probabilistic IoU of their Gaussians (Llerena et al. 2021, arXiv:2106.06072).

A box cx, cy, w, h, angle stands for a normal distribution with its centre as mean and its second moments as covariance

    a = w^2/12 cos^2 + h^2/12 sin^2     b = w^2/12 sin^2 + h^2/12 cos^2     c = (w^2 - h^2)/12 sin cos

With A, B, C the sums of two boxes' a, b, c and dx, dy the distance of their centres, their Bhattacharyya distance is

    (A dy^2 + B dx^2 - 2 C dx dy) / (4 (A B - C^2))  +  1/2 log((A B - C^2) / (4 sqrt(det1 det2)))

and ProbIoU = 1 - sqrt(1 - exp(-distance)), 1 minus the Hellinger distance. A box's own determinant a b - c^2 is
w^2 h^2 / 144, which is used as such: it is exact where the difference of products cancels. The small constants are
those of Ultralytics' `batch_probiou`, so that the same pairs overlap. Ultralytics removes every box that overlaps a
better one even if that one is itself removed ("fast NMS"); here suppression is greedy, as for upright boxes, so some
boxes that Ultralytics drops stay.
"""

from __future__ import annotations

import numpy as np

from ...graph.emitter import Emitter, Tensor

EPSILON = 1e-7
FARTHEST = 100.0
"""Distances are limited to this before the exponential."""
LARGEST = 1e9
"""Coordinates and sizes are limited to this, so that determinants stay finite in float32 and no overlap is NaN."""


def rotated_columns(emit: Emitter, boxes: Tensor) -> list[Tensor]:
    """Centre x, y, covariance a, b, c and the root of the determinant, each [B, N, 1], of boxes [B, N, 5]."""
    limited = emit.clip(boxes, -LARGEST, LARGEST, "limited_boxes")
    x, y, width, height, angle = emit.columns(limited)
    cosine, sine = emit.unary("Cos", angle), emit.unary("Sin", angle)
    along, across = (_over_12(emit, emit.binary("Mul", side, side)) for side in (width, height))
    a, b = (
        emit.binary("Add", _times_square(emit, first, cosine), _times_square(emit, second, sine))
        for first, second in ((along, across), (across, along))
    )
    c = emit.binary("Mul", emit.binary("Sub", along, across), emit.binary("Mul", cosine, sine))
    root = _over_12(emit, emit.unary("Abs", emit.binary("Mul", width, height)))
    return [x, y, a, b, c, root]


def prob_iou(emit: Emitter, rows: list[Tensor], others: list[Tensor]) -> Tensor:
    """ProbIoU [B, N, M] in float32 of `rotated_columns`: `rows` [B, N, 1] with `others` [B, 1, M]."""
    dx, dy = (emit.binary("Sub", rows[axis], others[axis]) for axis in (0, 1))
    a, b, c = (emit.binary("Add", rows[part], others[part]) for part in (2, 3, 4))
    determinant = emit.unary(
        "Relu", emit.binary("Sub", emit.binary("Mul", a, b), emit.binary("Mul", c, c)), "determinant"
    )
    near = emit.binary("Add", _times_square(emit, a, dy), _times_square(emit, b, dx))
    cross = emit.binary("Mul", _scaled(emit, c, 2), emit.binary("Mul", dx, dy))
    spread = _scaled(emit, _plus(emit, determinant, EPSILON), 4)
    shift = emit.binary("Div", emit.binary("Sub", near, cross), spread, "shift")
    roots = _plus(emit, _scaled(emit, emit.binary("Mul", rows[5], others[5]), 4), EPSILON)
    shape = _scaled(emit, emit.unary("Log", _plus(emit, emit.binary("Div", determinant, roots), EPSILON)), 0.5)
    distance = emit.clip(emit.binary("Add", shift, shape), EPSILON, FARTHEST, "distance")
    likeness = emit.unary("Exp", emit.unary("Neg", distance))
    hellinger = emit.unary("Sqrt", emit.binary("Sub", np.array(1 + EPSILON, np.float32), likeness))
    return emit.binary("Sub", np.array(1, np.float32), hellinger, "prob_iou")


def _over_12(emit: Emitter, x: Tensor) -> Tensor:
    return emit.binary("Div", x, np.array(12, np.float32))


def _times_square(emit: Emitter, x: Tensor, y: Tensor) -> Tensor:
    return emit.binary("Mul", x, emit.binary("Mul", y, y))


def _scaled(emit: Emitter, x: Tensor, factor: float) -> Tensor:
    return emit.binary("Mul", x, np.array(factor, np.float32))


def _plus(emit: Emitter, x: Tensor, term: float) -> Tensor:
    return emit.binary("Add", x, np.array(term, np.float32))
