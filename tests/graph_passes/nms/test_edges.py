"""The limits of the rule, worked out by hand: an overlap of exactly the threshold, and as many pairs as candidates."""

from __future__ import annotations

import numpy as np
import pytest
from raw_heads import model_meta, run
from routes import end_to_end
from suppressions import suppression

from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.pictures.nms import select

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
    session, _ = end_to_end(model_meta(classes=1), settings, 2)
    assert run(session, {"boxes": HALF[None], "scores": SCORES[None]})["num_dets"].item() == kept


def test_a_plugin_suppresses_at_the_threshold_itself():
    """As EfficientNMS does, whose rule the lowering keeps."""
    settings = NmsSettings("efficient", iou_thres=0.5, conf_thres=0.25, topk_all=2, candidates=2)
    session, _ = end_to_end(model_meta(classes=1), settings, 2)
    assert run(session, {"boxes": HALF[None], "scores": SCORES[None]})["num_dets"].item() == 1


@pytest.mark.parametrize("candidates", [6, 7])
def test_every_pair_is_a_candidate_where_there_are_no_more(candidates):
    """Three boxes far apart, two classes each above the threshold: six rows."""
    boxes = np.array([[0, 0, 4, 4], [20, 0, 24, 4], [40, 0, 44, 4]], np.float32)
    scores = np.array([[0.9, 0.8], [0.7, 0.6], [0.5, 0.4]], np.float32)
    settings = NmsSettings("plain", iou_thres=0.5, conf_thres=0.25, topk_all=6, candidates=candidates, multi_label=True)
    session, _ = end_to_end(model_meta(classes=2), settings, 3)
    outputs = run(session, {"boxes": boxes[None], "scores": scores[None]})
    assert outputs["num_dets"].item() == 6
    np.testing.assert_array_equal(outputs["det_scores"][0], np.sort(scores.ravel())[::-1])


def test_rotated_boxes_of_a_pixel_overlap_as_the_formula_says():
    """ProbIoU of two small boxes in float64, where a greater epsilon would show: on either side of it as the threshold."""
    from nms_reference import prob_iou

    boxes = np.array([[0, 0, 0.3, 0.2, 0.1], [0.05, 0.02, 0.3, 0.2, 0.4]], np.float32)
    overlap = float(prob_iou(boxes)[0, 1])
    assert 0.1 < overlap < 0.95
    for threshold, kept in ((overlap + 0.01, 2), (overlap - 0.01, 1)):
        settings = NmsSettings("plain", iou_thres=threshold, conf_thres=0.25, topk_all=2, candidates=2)
        session, _ = end_to_end(model_meta("obb", classes=1), settings, 2)
        assert run(session, {"boxes": boxes[None], "scores": SCORES[None]})["num_dets"].item() == kept
