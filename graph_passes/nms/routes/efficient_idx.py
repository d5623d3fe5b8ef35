"""Route `efficient-idx`: the EfficientNMS_ONNX_TRT plugin on the candidates, its rows regrouped by image.

    candidates -> EfficientNMS_ONNX_TRT -> rows [B x K, 3] of (image, class, candidate)
    zeros [B, N + 1] <- 1 at (image, candidate), rows of -1 at the spare last place

The plugin packs the rows of all images together in no fixed order, repeats the last row to the end, and writes -1 when
no image has a detection. A scatter of ones undoes all three: order and repetition do not matter to it. Rows that the
plugin makes up when its threshold is below 0.007 go by the comparison with the threshold that follows.
"""

from __future__ import annotations

import numpy as np

from ....contract.nms import GraphNms
from ....graph.emitter import Emitter, Tensor
from ...thresholds import conf_constant, plugin_iou
from ..candidates import Candidates, Survivors, best_candidates
from ..class_columns import candidate_boxes, class_columns
from ..raw_heads import Heads

PLUGIN = "EfficientNMS_ONNX_TRT"
DOMAIN = "TRT"
"""ONNX wants a domain of its own for operators that are not ONNX's; TensorRT finds the plugin under any."""


def survivors(emit: Emitter, heads: Heads, settings: GraphNms) -> Survivors:
    """The candidates, scores 0 where they do not survive."""
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label)
    columns = class_columns(emit, candidates, 1 if settings.class_agnostic else heads.classes)
    rows = heads.batch * settings.topk_all if isinstance(heads.batch, int) else "rows"
    selected = emit.emit(
        PLUGIN, [candidate_boxes(emit, heads, candidates), columns], [rows, 3], np.int32, "selected", DOMAIN,
        score_threshold=float(settings.conf_thres), iou_threshold=plugin_iou(settings.iou_thres),
        max_output_boxes_per_class=settings.topk_all, center_point_box=0, plugin_version="1", plugin_namespace="",
    )  # fmt: skip
    chosen = emit.binary("Greater", _marks(emit, candidates, selected), np.array(0.5, np.float32), "chosen")
    above = emit.binary("Greater", candidates.scores, conf_constant(emit, settings), "above")
    zero = np.array(0, np.float32)
    scores = emit.where(emit.binary("And", chosen, above), candidates.scores, zero, "survivors")
    return Survivors(scores, candidates.anchors, candidates.classes)


def _marks(emit: Emitter, candidates: Candidates, selected: Tensor) -> Tensor:
    """Float32 [B, N]: 1 for each candidate that some row of `selected` [rows, 3] names."""
    count = int(candidates.scores.shape[1])
    rows = emit.cast(selected, np.int64)
    image, box = emit.slice(rows, 1, 0, 1, "image"), emit.slice(rows, 1, 2, 3, "box")
    missing = emit.binary("Less", image, np.array(0, np.int64), "missing")
    place = [emit.binary("Max", image, np.array(0, np.int64)), emit.where(missing, np.array(count, np.int64), box)]
    ones = emit.squeeze(emit.cast(emit.binary("Equal", box, box), np.float32), 1, "ones")
    nothing = emit.cast(emit.binary("Sub", candidates.anchors, candidates.anchors), np.float32, "nothing")
    spare = emit.pad_end(nothing, 1, 1)
    marked = emit.emit("ScatterND", [spare, emit.concat(place, 1), ones], spare.shape, np.float32, "marks")
    return emit.slice(marked, 1, 0, count)
