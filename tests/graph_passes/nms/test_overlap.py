"""Overlaps worked out by hand, and what becomes of one that equals the threshold."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest
from raw_heads import model_meta, run, session
from routes import end_to_end
from suppressions import suppression

from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.pictures.nms import select
from trtzoo.graph.emitter import Emitter
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.nms.overlap import box_columns, box_iou

HALF = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)
"""Two boxes that share one of two square pixels: their IoU is exactly .5."""
SCORES = np.array([[0.9], [0.8]], np.float32)


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, 2), (float(np.nextafter(np.float32(0.5), np.float32(0))), 1)])
def test_an_overlap_of_the_threshold_does_not_suppress_in_numpy(threshold, kept):
    settings = suppression(iou_thres=threshold, topk_all=2, candidates=2, conf_thres=0.25)
    assert len(select(HALF, SCORES, settings)[0]) == kept


@pytest.mark.parametrize("route", ["plain", "static"])
@pytest.mark.parametrize(("threshold", "kept"), [(0.5, 2), (float(np.nextafter(np.float32(0.5), np.float32(0))), 1)])
def test_an_overlap_of_the_threshold_does_not_suppress_in_the_graph(threshold, kept, route):
    settings = NmsSettings(route, iou_thres=threshold, conf_thres=0.25, topk_all=2, candidates=2)
    runtime, _ = end_to_end(model_meta(classes=1), settings, 2)
    assert run(runtime, {"boxes": HALF[None], "scores": SCORES[None]})["num_dets"].item() == kept


def test_a_plugin_suppresses_at_the_threshold_itself():
    """As EfficientNMS does, whose rule the lowering keeps."""
    settings = NmsSettings("efficient", iou_thres=0.5, conf_thres=0.25, topk_all=2, candidates=2)
    runtime, _ = end_to_end(model_meta(classes=1), settings, 2)
    assert run(runtime, {"boxes": HALF[None], "scores": SCORES[None]})["num_dets"].item() == 1


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        ([0, 0, 4, 4], 1), ([2, 0, 6, 4], 8 / 24), ([1, 1, 3, 3], 4 / 16), ([4, 0, 8, 4], 0), ([9, 9, 12, 12], 0),
        ([3, 3, 1, 1], 0), ([2, 2, 2, 2], 0), ([-4, -4, 8, 8], 16 / 144),
    ],
    ids=["itself", "half", "inside", "side by side", "apart", "inside out", "a point", "around"],
)  # fmt: skip
def test_overlaps_by_hand(other, overlap):
    """Of a square of 4 x 4 with another box; both ways round."""
    graph = gs.Graph(opset=17)
    emit = Emitter(graph)
    boxes = gs.Variable("boxes", np.float32, [1, 2, 4])
    columns = box_columns(emit, boxes)
    iou = box_iou(emit, columns, [emit.transpose(column, [0, 2, 1]) for column in columns])
    graph.inputs, graph.outputs = [boxes], [iou]
    pair = np.array([[[0, 0, 4, 4], other]], np.float32)
    (found,) = session(load_all(graph.cleanup().toposort(), {})).run(None, {"boxes": pair})
    np.testing.assert_allclose([found[0, 0, 1], found[0, 1, 0]], overlap, rtol=1e-6)
