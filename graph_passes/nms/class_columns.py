"""Candidates as an NMS operator wants them: boxes [B, N, 4], and scores [B, N, C] with one class a row above zero.

An operator that sees only the M candidates, each in the column of its class, suppresses by the same rule whatever
--single-label, --multi-label, --class-agnostic and --nms-candidates say, and reads M x C scores instead of A x C.
"""

from __future__ import annotations

import numpy as np

from ...graph.emitter import Emitter, Tensor
from .candidates import Candidates
from .overlap import COORDINATE_LIMIT
from .raw_heads import Heads


def candidate_boxes(emit: Emitter, heads: Heads, candidates: Candidates) -> Tensor:
    """Corners [B, N, 4] without infinite or negative sides, of which operators may make NaN or turn them inside out."""
    boxes = emit.gather_rows(heads.boxes, candidates.anchors)
    boxes = emit.clip(boxes, -COORDINATE_LIMIT, COORDINATE_LIMIT, "candidate_boxes")
    low, high = emit.slice(boxes, 2, 0, 2), emit.slice(boxes, 2, 2, 4)
    return emit.concat([low, emit.binary("Max", low, high)], 2, "corners")


def class_columns(emit: Emitter, candidates: Candidates, classes: int) -> Tensor:
    """Scores float32 [B, N, C]; C = 1 for a class-agnostic suppression."""
    scores = emit.unsqueeze(candidates.scores, 2)
    if classes == 1:
        return scores
    mine = emit.binary("Equal", emit.unsqueeze(candidates.classes, 2), emit.arange(classes), "is_class")
    return emit.where(mine, scores, np.array(0, np.float32), "class_columns")
