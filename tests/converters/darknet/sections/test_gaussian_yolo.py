"""`[Gaussian_yolo]` against its formula (gaussian_yolo_layer.c, get_gaussian_yolo_box and get_gaussian_yolo_detections)."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_heads import ANCHOR_TEXT, ANCHORS, CLASSES, GRID, boxes_of, check_head, feature_map, sigmoid
from darknet_sections import NET, run_head


@pytest.mark.parametrize("point", ["center", "left_top", "right_bottom"])
def test_gaussian_yolo_multiplies_by_one_minus_the_mean_uncertainty(point):
    x = feature_map(9)

    def box(v, w, h):
        width, height = np.exp(v[4]) * w, np.exp(v[6]) * h
        shift = {"center": 0, "left_top": 0.5, "right_bottom": -0.5}[point]
        bx = sigmoid(v[0]) + shift * width / (NET.width / GRID[1])
        by = sigmoid(v[2]) + shift * height / (NET.height / GRID[0])
        doubt = (sigmoid(v[1]) + sigmoid(v[3]) + sigmoid(v[5]) + sigmoid(v[7])) / 4
        return (bx, by, width, height), sigmoid(v[9:]) * sigmoid(v[8]) * (1 - doubt)

    made = run_head(x, "Gaussian_yolo", anchors=ANCHOR_TEXT, num=3, classes=CLASSES, yolo_point=point)
    check_head(made, boxes_of(x, 9, ANCHORS, box))
