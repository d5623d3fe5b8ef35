"""Route `static`: greedy NMS in standard operators without control flow, so that a CUDA graph can hold it.

    candidates in descending order of score; S[j, i] = 1 where i comes before j and overlaps it too much
    keep <- 1 where S @ keep is 0, else 0: T times, beginning with all

A candidate at the end of a chain of d suppressions is right after d steps, whatever lies beyond it, so the rows are those of greedy
NMS while no chain is longer than T. `keep` is too large after an even number of steps and too small after an odd one, never the
other way round. So with an even T, rows that do not suppress each other are exact: see `engines.pictures.settling`.

Candidates that are not above the threshold come last and suppress none that is, so only the scores are cut by it. All sums are of
zeros and ones and at most M, which is exact in float32, TF32 and FP16.
"""

from __future__ import annotations

import numpy as np

from ....contract.nms import GraphNms
from ....errors import ModelError
from ....graph.emitter import Emitter, Tensor
from ...thresholds import Thresholds, threshold_constants
from ..candidates import Candidates, Survivors, best_candidates
from ..overlap import box_columns, box_iou
from ..raw_heads import Heads
from ..rotated import prob_iou, rotated_columns


def survivors(emit: Emitter, heads: Heads, settings: GraphNms) -> Survivors:
    """The candidates, scores 0 where they do not survive.

    Raises:
        ModelError: settings without a number of steps.
    """
    if settings.steps is None:
        raise ModelError("NMS of route static needs its number of steps; convert the weights again")
    thresholds = threshold_constants(emit, settings)
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label, emit.take_rows)
    by_class = heads.classes > 1 and not settings.class_agnostic
    keep = unrolled(emit, _suppressions(emit, heads, candidates, thresholds, by_class), settings.steps)
    above = emit.binary("Greater", candidates.scores, thresholds.conf, "above")
    kept = emit.binary("Mul", candidates.scores, emit.squeeze(keep, 2), "kept")
    scores = emit.where(above, kept, np.array(0, np.float32), "survivors")
    return Survivors(scores, candidates.anchors, candidates.classes)


def unrolled(emit: Emitter, matrix: Tensor, steps: int) -> Tensor:
    """Float32 [B, M, 1], 1 for each candidate that stands after `steps` steps; `matrix` is S, [B, M, M].

    The first step is a sum, for a product with a constant would look like a trained layer to half precision and INT8.
    """
    keep = _not_hit(emit, emit.reduce("ReduceSum", matrix, 2, name="hits"))
    for _ in range(steps - 1):
        keep = _not_hit(emit, emit.matmul(matrix, keep, "hits"))
    return keep


def _not_hit(emit: Emitter, hits: Tensor) -> Tensor:
    """1 where there is no hit, else 0: a single operator, max(0, min(1, 1 - hits))."""
    return emit.unary("HardSigmoid", hits, "keep", alpha=-1.0, beta=1.0)


def _suppressions(
    emit: Emitter, heads: Heads, candidates: Candidates, thresholds: Thresholds, by_class: bool
) -> Tensor:
    """S, float32 [B, M, M]; the order is made by Range, so that the file stays small."""
    boxes = emit.take_rows(heads.boxes, candidates.anchors, "candidate_boxes")
    rows = (rotated_columns if heads.rotated else box_columns)(emit, boxes)
    count = int(candidates.scores.shape[1])
    others = [emit.reshape(column, [1, count]) for column in rows]
    overlap = prob_iou if heads.rotated else box_iou
    hit = emit.binary("Greater", overlap(emit, rows, others), thresholds.iou, "too_close")
    if by_class:
        mine, other = (emit.unsqueeze(candidates.classes, axis) for axis in (2, 1))
        same = emit.binary("Equal", mine, other, "same_class")
        hit = emit.binary("And", hit, same)
    order = emit.arange(count, np.float32, "order")
    before = emit.cast(emit.binary("Less", emit.unsqueeze(order, 0), emit.unsqueeze(order, 1)), np.float32, "before")
    return emit.where(hit, before, np.array(0, np.float32), "suppressions")
