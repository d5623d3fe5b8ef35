"""Route `onnx`: ONNX NonMaxSuppression (TensorRT's INMSLayer) on the candidates, made fixed in shape by a scatter.

candidates -> NonMaxSuppression -> rows (image, class, candidate), as many as survive
zeros [B, N] <- score of each row at (image, candidate)
"""

from __future__ import annotations

import numpy as np

from ....contract.nms import GraphNms
from ....graph.emitter import Emitter, Tensor
from ...thresholds import threshold_constants
from ..candidates import Candidates, Survivors, best_candidates
from ..class_columns import candidate_boxes, class_columns
from ..raw_heads import Heads


def survivors(emit: Emitter, heads: Heads, settings: GraphNms) -> Survivors:
    """The candidates, scores 0 where they do not survive."""
    thresholds = threshold_constants(emit, settings)
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label)
    columns = class_columns(emit, candidates, 1 if settings.class_agnostic else heads.classes)
    selected = emit.emit(
        "NonMaxSuppression",
        [
            candidate_boxes(emit, heads, candidates),
            emit.transpose(columns, [0, 2, 1]),
            np.array([settings.topk_all], np.int64),
            thresholds.iou,
            thresholds.conf,
        ],
        ["selected", 3],
        np.int64,
        "selected",
    )
    return Survivors(_selected_scores(emit, candidates, selected), candidates.anchors, candidates.classes)


def _selected_scores(emit: Emitter, candidates: Candidates, selected: Tensor) -> Tensor:
    """Float32 [B, N]: the score of each selected candidate, 0 elsewhere."""
    place = emit.emit("Gather", [selected, np.array([0, 2], np.int64)], ["selected", 2], np.int64, "place", axis=1)
    scores = emit.emit("GatherND", [candidates.scores, place], ["selected"], np.float32, "selected_scores")
    nothing = emit.cast(emit.binary("Sub", candidates.anchors, candidates.anchors), np.float32, "nothing")
    return emit.emit("ScatterND", [nothing, place, scores], nothing.shape, np.float32, "survivors")
