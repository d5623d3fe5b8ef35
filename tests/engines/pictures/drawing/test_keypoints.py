"""Keypoints are drawn where they are."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import GREY, detections, picture_of

from trtzoo.engines.pictures.drawing import draw


@pytest.mark.parametrize("points", [17, 5], ids=["COCO's seventeen", "others"])
@pytest.mark.parametrize("values", [2, 3], ids=["without visibility", "with visibility"])
def test_keypoints_are_drawn_where_they_are_and_invisible_ones_not(points, values):
    size = (400, 400)
    places = np.stack([20 + 20 * np.arange(points), np.full(points, 300)], axis=1).astype(np.float32)
    keypoints = np.concatenate([places, np.ones((points, values - 2))], axis=1)[None].astype(np.float32)
    if values == 3:
        keypoints[0, 3, 2] = 0.1
        keypoints[0, 3, :2] = [200, 380]
    drawn = draw(picture_of(*size), detections(size, [[10, 20, 380, 390]], keypoints=keypoints))
    for number, (x, y) in enumerate(keypoints[0, :, :2].astype(int)):
        hidden = values == 3 and number == 3
        assert (drawn[y, x] != GREY).any() != hidden
