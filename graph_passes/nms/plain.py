"""Route `plain`: exact greedy NMS in standard operators, as a loop to the fixed point.

    candidates [B, M] -> S[j, i] = 1 where candidate i < j of the same class overlaps j
    keep <- valid and not (S @ keep), until keep no longer changes

Greedy NMS keeps candidate j exactly when none of the kept ones before it suppresses it. After t rounds the first t
candidates are right whatever keep began with, so the loop ends at the one fixed point, after as many rounds as the
longest chain of suppressions (a handful), at most M. All shapes are static.
"""

from __future__ import annotations

import numpy as np

from ...converters.heads import NmsSettings
from ..emitter import Emitter, Tensor
from ..thresholds import Thresholds
from .candidates import Candidates
from .heads import Heads
from .overlap import box_iou


def keep_mask(
    emit: Emitter, heads: Heads, candidates: Candidates, settings: NmsSettings, thresholds: Thresholds
) -> Tensor:
    """Float32 [B, N]: 1 for the candidates that survive."""
    valid = emit.cast(emit.binary("Greater", candidates.scores, thresholds.conf), np.float32, "valid")
    suppresses = _suppression(emit, heads, candidates, settings, thresholds)
    start = emit.unsqueeze(valid, 2)
    count = int(candidates.scores.shape[1])

    def body(inner: Emitter, state: list[Tensor]) -> list[Tensor]:
        keep = state[1]
        free = inner.binary("Less", inner.matmul(suppresses, keep, "hits"), np.array(0.5, np.float32))
        new = inner.binary("Mul", start, inner.cast(free, np.float32), "keep")
        return [inner.any(inner.unary("Abs", inner.binary("Sub", new, keep))), new]

    return emit.squeeze(emit.loop(count, [start], body, "greedy")[0], 2, "keep")


def _suppression(
    emit: Emitter, heads: Heads, candidates: Candidates, settings: NmsSettings, thresholds: Thresholds
) -> Tensor:
    """S as float32 [B, M, M]: row j holds 1 where candidate i would suppress j."""
    boxes = emit.gather_rows(heads.boxes, candidates.anchors, "candidate_boxes")
    hit = emit.binary("Greater", box_iou(emit, boxes, boxes), thresholds.iou, "overlap")
    order = emit.arange(boxes.shape[1], np.float32)
    before = emit.binary("Less", emit.unsqueeze(order, 0), emit.unsqueeze(order, 1), "before")
    hit = emit.binary("And", hit, before)
    if heads.classes > 1 and not settings.class_agnostic:
        classes = emit.cast(candidates.classes, np.float32)
        same = emit.binary("Equal", emit.unsqueeze(classes, 2), emit.unsqueeze(classes, 1), "same_class")
        hit = emit.binary("And", hit, same)
    return emit.cast(hit, np.float32, "suppresses")
