"""Instance masks of the surviving rows: coefficients x prototypes, sigmoid, crop to the box (YOLACT, Bolya 2019).

coeffs [B, K, M] x protos [B, M, h * w] -> sigmoid -> [B, K, h, w], 0 outside of the box and in unused rows
"""

from __future__ import annotations

import numpy as np

from ...graph.emitter import Emitter, Tensor


def instance_masks(emit: Emitter, coeffs: Tensor, protos: Tensor, boxes: Tensor, imgsz: tuple[int, int]) -> Tensor:
    """Masks [B, K, h, w], 0..1, at prototype resolution.

    A prototype pixel (row y, column x) belongs to a box where x1 <= x < x2 and y1 <= y < y2 in prototype pixels, as in
    Ultralytics' mask post-processing.

    Args:
        emit: of the graph.
        coeffs: [B, K, M].
        protos: [B, M, h, w].
        boxes: [B, K, 4], network-input pixels; zeros in unused rows.
        imgsz: height and width of the network's input.
    """
    depth, height, width = (int(length) for length in protos.shape[1:])
    rows = int(coeffs.shape[1])
    flat = emit.reshape(protos, [depth, height * width], "flat_protos")
    logits = emit.reshape(emit.matmul(coeffs, flat, "logits"), [rows, height, width])
    ratios = np.array([width / imgsz[1], height / imgsz[0]] * 2, np.float32)
    left, top, right, bottom = emit.columns(emit.binary("Mul", boxes, ratios, "scaled_boxes"))
    columns, lines = (emit.arange(length, np.float32) for length in (width, height))
    inside_x = emit.unsqueeze(_between(emit, left, columns, right), 2, "inside_x")
    inside_y = emit.unsqueeze(_between(emit, top, lines, bottom), 3, "inside_y")
    inside = emit.binary("And", inside_x, inside_y, "inside")
    return emit.where(inside, emit.unary("Sigmoid", logits), np.array(0, np.float32), "masks")


def _between(emit: Emitter, begin: Tensor, positions: Tensor, end: Tensor) -> Tensor:
    """Bool [B, K, n]: begin <= position < end."""
    return emit.binary("And", emit.binary("LessOrEqual", begin, positions), emit.binary("Less", positions, end))
