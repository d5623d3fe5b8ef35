"""The one end of every route: survivors become the rows of the end-to-end contract.

scores, 0 where suppressed -> TopK(K) -> gather boxes, keypoints, mask coefficients by anchor -> zero unused rows
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...graph.emitter import Emitter, Tensor
from .candidates import Survivors
from .masks import instance_masks
from .raw_heads import Heads


@dataclass(frozen=True)
class Rows:
    """The K best survivors of each image, in descending order of score.

    Attributes:
        anchors: int64 [B, K]; any anchor where the row is unused.
        used: bool [B, K].
        scores: float32 [B, K], 0 where unused.
        classes: int64 [B, K], 0 where unused.
    """

    anchors: Tensor
    used: Tensor
    scores: Tensor
    classes: Tensor


def assemble(
    emit: Emitter, heads: Heads, survivors: Survivors, count: int, imgsz: tuple[int, int]
) -> dict[str, Tensor]:
    """The end-to-end outputs by name, and for a segment model also `det_coeffs` [B, K, M] and `protos`.

    Args:
        emit: of the graph.
        heads: the raw heads.
        survivors: N an image, with a score of 0 where there is none.
        count: K.
        imgsz: height and width of the network's input.
    """
    rows = best_rows(emit, survivors, count)
    outputs = {
        "num_dets": emit.reduce("ReduceSum", emit.cast(rows.used, np.int32), 1, name="num_dets"),
        "det_boxes": take(emit, heads.boxes, rows, "det_boxes"),
        "det_scores": rows.scores,
        "det_classes": emit.cast(rows.classes, np.int32, "det_classes"),
    }
    if heads.keypoints is not None:
        outputs["det_kpts"] = take(emit, heads.keypoints, rows, "det_kpts")
    if heads.mask_coeffs is not None:
        coeffs = take(emit, heads.mask_coeffs, rows, "det_coeffs")
        masks = instance_masks(
            Emitter(emit.graph, f"{emit.scope}/masks"), coeffs, heads.protos, outputs["det_boxes"], rows.used, imgsz
        )
        outputs |= {"det_masks": masks, "det_coeffs": coeffs, "protos": heads.protos}
    return outputs


def best_rows(emit: Emitter, survivors: Survivors, count: int) -> Rows:
    """The `count` best survivors; where there are fewer, unused rows."""
    best = survivors
    if not (survivors.in_order and survivors.scores.shape[1] == count):
        best = _sorted(emit, survivors, count)
    used = emit.binary("Greater", best.scores, np.array(0, np.float32), "used")
    return Rows(best.anchors, used, best.scores, emit.where(used, best.classes, np.array(0, np.int64)))


def _sorted(emit: Emitter, survivors: Survivors, count: int) -> Survivors:
    """The `count` best, filled up with scores of 0."""
    available = int(survivors.scores.shape[1])
    scores, position = emit.topk(emit.pad_end(survivors.scores, 1, count - available), count, name="rows")
    if available < count:
        position = emit.binary("Min", position, np.array(available - 1, np.int64))
    anchors, classes = (emit.gather_elements(x, position) for x in (survivors.anchors, survivors.classes))
    return Survivors(scores, anchors, classes, in_order=True)


def take(emit: Emitter, values: Tensor, rows: Rows, name: str) -> Tensor:
    """The rows [B, K, ...] of `values` [B, A, ...], zero where unused."""
    taken = emit.take_rows(values, rows.anchors)
    used = rows.used
    for axis in range(2, len(taken.shape)):
        used = emit.unsqueeze(used, axis)
    return emit.where(used, taken, np.array(0, np.float32), name)
