"""Whether the NMS of route `static` in a graph had steps enough for a picture, told from the rows alone."""

from __future__ import annotations

from ...contract.nms import GraphNms, Suppression
from .nms import overlaps
from .postprocess import Rows

ROUNDING = 1e-4
"""Overlaps that differ from the threshold by less may fall on either side of it on another machine."""


def is_unsettled(rows: Rows, graph: GraphNms | None, settings: Suppression) -> bool:
    """Whether a row overlaps a better one of its class too much, so that more steps would have given fewer rows.

    After an even number of steps what survives holds every box that greedy NMS keeps (`graph_passes.nms.routes.static`), and a box that
    greedy NMS drops is suppressed by a better one that it keeps. So rows that are too many show here, and without such a pair the rows
    are exact. After an odd number boxes may be missing instead, which does not show.

    Args:
        rows: of one image.
        graph: the NMS in its model's graph, None of raw heads.
        settings: the thresholds that the image was run with.
    """
    if graph is None or graph.route != "static" or not graph.steps or graph.steps % 2:
        return False
    overlap = overlaps(rows.boxes)
    for row in range(len(rows.boxes) - 1):
        close = overlap(row)[row + 1 :] > settings.iou_thres + ROUNDING
        if (close & (settings.class_agnostic | (rows.classes[row + 1 :] == rows.classes[row]))).any():
            return True
    return False
