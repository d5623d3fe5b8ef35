"""A detection head of DarkNet decoded box by box, and maps to decode."""

from __future__ import annotations

import numpy as np
from darknet_sections import NET

GRID = 3, 5
ANCHORS = [(10, 14), (23, 27), (37, 58)]
ANCHOR_TEXT = ", ".join(f"{w},{h}" for w, h in ANCHORS)
CLASSES = 2


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def boxes_of(x, values, anchors, box_and_score):
    """Rows head order: anchor, row, column; `box_and_score(v, w, h)` gives x, y (in cells), w, h (pixels), scores."""
    boxes, scores = [], []
    maps = x.astype(np.float64).reshape(len(x), len(anchors), values + CLASSES, *GRID)
    for image in range(len(x)):
        for anchor, (w, h) in enumerate(anchors):
            for row, column in np.ndindex(GRID):
                (bx, by, bw, bh), score = box_and_score(maps[image, anchor, :, row, column], w, h)
                cx, cy = (column + bx) / GRID[1] * NET.width, (row + by) / GRID[0] * NET.height
                boxes.append([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2])
                scores.append(score)
    return np.reshape(boxes, (len(x), -1, 4)), np.reshape(scores, (len(x), -1, CLASSES))


def check_head(made, expected):
    for ours, theirs in zip(made, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def feature_map(values, seed=0, low=None):
    shape = (2, 3 * (values + CLASSES), *GRID)
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, shape) if low is None else rng.uniform(0, 1, shape)).astype(np.float32)
