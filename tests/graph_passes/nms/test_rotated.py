"""Overlaps of rotated boxes against the formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from nms_reference import prob_iou
from raw_heads import model_meta, run
from routes import end_to_end

from trtzoo.contract.nms import NmsSettings


@pytest.mark.parametrize("route", ["plain", "static"])
def test_rotated_boxes_of_a_pixel_overlap_as_the_formula_says(route):
    """ProbIoU of two small boxes in float64, where a greater epsilon would show: on either side of it as the threshold."""
    boxes = np.array([[0, 0, 0.3, 0.2, 0.1], [0.05, 0.02, 0.3, 0.2, 0.4]], np.float32)
    overlap = float(prob_iou(boxes)[0, 1])
    assert 0.1 < overlap < 0.95
    for threshold, kept in ((overlap + 0.01, 2), (overlap - 0.01, 1)):
        settings = NmsSettings(route, iou_thres=threshold, conf_thres=0.25, topk_all=2, candidates=2)
        runtime, _ = end_to_end(model_meta("obb", classes=1), settings, 2)
        assert (
            run(runtime, {"boxes": boxes[None], "scores": np.array([[[0.9], [0.8]]], np.float32)})["num_dets"].item()
            == kept
        )
