"""The one end of every route: survivors become the rows of the end-to-end contract.

scores x keep -> TopK(K) -> gather boxes, keypoints, mask coefficients by anchor -> zero the unused rows
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..emitter import Emitter, Tensor
from .candidates import Candidates
from .heads import Heads


@dataclass(frozen=True)
class Rows:
    """The K best survivors of each image, in descending order of score.

    Attributes:
        anchors: int64 [B, K]; any anchor where the row is unused.
        used: bool [B, K].
        scores: float32 [B, K], 0 where unused.
        classes: int64 [B, K].
    """

    anchors: Tensor
    used: Tensor
    scores: Tensor
    classes: Tensor


def assemble(emit: Emitter, heads: Heads, candidates: Candidates, keep: Tensor | None, count: int) -> dict[str, Tensor]:
    """The end-to-end outputs by name.

    Args:
        emit: of the graph.
        heads: the raw heads.
        candidates: N an image.
        keep: float32 [B, N], 1 for survivors and 0 else; None: every candidate with a score above 0.
        count: K.
    """
    rows = _best_rows(emit, candidates, keep, count)
    outputs = {
        "num_dets": emit.reduce("ReduceSum", emit.cast(rows.used, np.int32), 1, name="num_dets"),
        "det_boxes": take(emit, heads.boxes, rows, "det_boxes"),
        "det_scores": rows.scores,
        "det_classes": emit.cast(emit.where(rows.used, rows.classes, np.array(0, np.int64)), np.int32, "det_classes"),
    }
    if heads.keypoints is not None:
        outputs["det_kpts"] = take(emit, heads.keypoints, rows, "det_kpts")
    return outputs


def take(emit: Emitter, values: Tensor, rows: Rows, name: str) -> Tensor:
    """The rows [B, K, ...] of `values` [B, A, ...], zero where unused."""
    taken = emit.gather_rows(values, rows.anchors)
    used = rows.used
    for axis in range(2, len(taken.shape)):
        used = emit.unsqueeze(used, axis)
    return emit.where(used, taken, np.array(0, np.float32), name)


def _best_rows(emit: Emitter, candidates: Candidates, keep: Tensor | None, count: int) -> Rows:
    kept = candidates.scores if keep is None else emit.binary("Mul", candidates.scores, keep, "kept_scores")
    available = int(kept.shape[1])
    scores, position = emit.topk(emit.pad_end(kept, 1, count - available), count, name="rows")
    if available < count:
        position = emit.binary("Min", position, np.array(available - 1, np.int64))
    used = emit.binary("Greater", scores, np.array(0, np.float32), "used")
    anchors, classes = (emit.gather_elements(x, position) for x in (candidates.anchors, candidates.classes))
    return Rows(anchors, used, scores, classes)
