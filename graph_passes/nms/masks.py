"""Instance masks of the surviving rows: coefficients x prototypes, sigmoid, crop to the box and a rim (YOLACT, Bolya 2019).

coeffs [B, K, M] x protos [B, M, h * w] -> sigmoid -> [B, K, h, w], 0 outside of the box and its rim and in unused rows

A point of the box at x prototype pixels lies between the centres of columns floor(x - .5) and floor(x - .5) + 1, so bilinear
enlarging reads columns from x1 - 1.5 to x2 + .5, and rows likewise. With them the masks of the picture are those of the
prototypes uncut, once they are cropped to the box there (`engines.pictures.postprocess`).
"""

from __future__ import annotations

import numpy as np

from ...graph.emitter import Emitter, Tensor

RIM = np.array([-1.5, -1.5, 0.5, 0.5], np.float32)
"""What is kept beyond left, top, right and bottom of a box, in prototype pixels."""


def instance_masks(
    emit: Emitter, coeffs: Tensor, protos: Tensor, boxes: Tensor, used: Tensor, imgsz: tuple[int, int]
) -> Tensor:
    """Masks [B, K, h, w], 0..1, at prototype resolution.

    A prototype pixel (row y, column x) is kept where x1 - 1.5 <= x < x2 + .5 and y1 - 1.5 <= y < y2 + .5.

    Args:
        emit: of the graph.
        coeffs: [B, K, M].
        protos: [B, M, h, w].
        boxes: [B, K, 4], network-input pixels.
        used: bool [B, K].
        imgsz: height and width of the network's input.
    """
    depth, height, width = (int(length) for length in protos.shape[1:])
    rows = int(coeffs.shape[1])
    flat = emit.reshape(protos, [depth, height * width], "flat_protos")
    logits = emit.reshape(emit.matmul(coeffs, flat, "logits"), [rows, height, width])
    ratios = np.array([width / imgsz[1], height / imgsz[0]] * 2, np.float32)
    scaled = emit.binary("Mul", boxes, ratios, "scaled_boxes")
    left, top, right, bottom = emit.columns(emit.binary("Add", scaled, RIM, "with_rim"))
    columns, lines = (emit.arange(length, np.float32) for length in (width, height))
    across = emit.binary("And", _between(emit, left, columns, right), emit.unsqueeze(used, 2), "used_columns")
    inside_x = emit.unsqueeze(across, 2, "inside_x")
    inside_y = emit.unsqueeze(_between(emit, top, lines, bottom), 3, "inside_y")
    inside = emit.binary("And", inside_x, inside_y, "inside")
    return emit.where(inside, emit.unary("Sigmoid", logits), np.array(0, np.float32), "masks")


def _between(emit: Emitter, begin: Tensor, positions: Tensor, end: Tensor) -> Tensor:
    """Bool [B, K, n]: begin <= position < end."""
    return emit.binary("And", emit.binary("LessOrEqual", begin, positions), emit.binary("Less", positions, end))
