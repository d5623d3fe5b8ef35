"""Route `none`: heads that give one box an object (one-to-one heads of v10 and 26) need only their K best pairs."""

from __future__ import annotations

import numpy as np

from ....contract.nms import GraphNms
from ....graph.emitter import Emitter
from ...thresholds import conf_constant
from ..candidates import Survivors, best_candidates
from ..raw_heads import Heads


def survivors(emit: Emitter, heads: Heads, settings: GraphNms) -> Survivors:
    """The K best pairs of each image, scores 0 where they are not above the threshold."""
    best = best_candidates(emit, heads, settings.topk_all, settings.multi_label, emit.take_rows)
    valid = emit.binary("Greater", best.scores, conf_constant(emit, settings), "valid")
    scores = emit.where(valid, best.scores, np.array(0, np.float32), "survivors")
    return Survivors(scores, best.anchors, best.classes, in_order=True)
