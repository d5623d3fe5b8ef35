"""Route `efficient`: the EfficientNMS_TRT plugin, which writes the rows of a detection model itself.

    scores [B, A, C] -> zero all but the best class of an anchor (single-label) -> EfficientNMS_TRT -> rows

It considers the 5000 best pairs instead of M, keeps scores >= the threshold and suppresses at IoU >= the threshold.
With a threshold below 0.007 it fills the unused rows with junk of score -32768 (or 0), always after the real ones; so
rows that are not above the threshold are zeroed and not counted here, and any threshold gives right rows.
"""

from __future__ import annotations

import numpy as np

from ....contract.nms import GraphNms
from ....contract.target import Target
from ....graph.emitter import Emitter, Tensor
from ...thresholds import conf_constant, plugin_iou
from ..raw_heads import Heads
from .efficient_idx import DOMAIN

PLUGIN = "EfficientNMS_TRT"
AGNOSTIC_SINCE = (9, 0)
"""TensorRT in which the plugin surely has the attribute `class_agnostic`: 8.6.1 brought it, but 8.6.0, which names itself
8.6 too, ignores it, as 8.5 does, and would suppress class by class."""


def rows(emit: Emitter, heads: Heads, settings: GraphNms, target: Target) -> dict[str, Tensor]:
    """The end-to-end outputs of a detection model by name."""
    scores = heads.scores if settings.multi_label or heads.classes == 1 else _best_class_only(emit, heads)
    batch, count = heads.batch, settings.topk_all
    attrs = {
        "score_threshold": float(settings.conf_thres), "iou_threshold": plugin_iou(settings.iou_thres),
        "max_output_boxes": count, "background_class": -1, "score_activation": 0, "box_coding": 0,
        "plugin_version": "1", "plugin_namespace": "",
    }  # fmt: skip
    if (target.tensorrt or AGNOSTIC_SINCE) >= AGNOSTIC_SINCE:
        attrs["class_agnostic"] = int(settings.class_agnostic)
    shapes = [[batch, 1], [batch, count, 4], [batch, count], [batch, count]]
    dtypes = [np.int32, np.float32, np.float32, np.int32]
    _, *written = emit.emit_many(PLUGIN, [heads.boxes, scores], shapes, dtypes, "efficient_nms", DOMAIN, **attrs)
    return _without_junk(emit, written, settings)


def _best_class_only(emit: Emitter, heads: Heads) -> Tensor:
    """Scores [B, A, C], 0 but for the first of the best classes of each anchor."""
    best = emit.unsqueeze(emit.argmax(heads.scores, 2), 2, "best_class")
    mine = emit.binary("Equal", best, emit.arange(heads.classes), "is_best")
    return emit.where(mine, heads.scores, np.array(0, np.float32), "best_class_only")


def _without_junk(emit: Emitter, written: list[Tensor], settings: GraphNms) -> dict[str, Tensor]:
    boxes, scores, classes = written
    used = emit.binary("Greater", scores, conf_constant(emit, settings), "used")
    zero = np.array(0, np.float32)
    return {
        "num_dets": emit.reduce("ReduceSum", emit.cast(used, np.int32), 1, name="num_dets"),
        "det_boxes": emit.where(emit.unsqueeze(used, 2), boxes, zero, "det_boxes"),
        "det_scores": emit.where(used, scores, zero, "det_scores"),
        "det_classes": emit.where(used, classes, np.array(0, np.int32), "det_classes"),
    }
