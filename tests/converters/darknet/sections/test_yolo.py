"""`[yolo]` against its formula, box by box (AlexeyAB/darknet, yolo_layer.c, get_yolo_box)."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_heads import ANCHOR_TEXT, ANCHORS, CLASSES, GRID, boxes_of, check_head, feature_map, sigmoid
from darknet_sections import parse, planned, run_head

from trtzoo.errors import InputError


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_yolo(scale):
    x = feature_map(5)

    def box(v, w, h):
        xy = sigmoid(v[:2]) * scale - 0.5 * (scale - 1)
        return (*xy, np.exp(v[2]) * w, np.exp(v[3]) * h), sigmoid(v[5:]) * sigmoid(v[4])

    made = run_head(x, "yolo", anchors=ANCHOR_TEXT, num=3, classes=CLASSES, scale_x_y=scale)
    check_head(made, boxes_of(x, 5, ANCHORS, box))


def test_yolo_with_new_coordinates():
    x = feature_map(5, low=0)

    def box(v, w, h):
        return (*(v[:2] * 2 - 0.5), v[2] ** 2 * 4 * w, v[3] ** 2 * 4 * h), v[5:] * v[4]

    made = run_head(x, "yolo", anchors=ANCHOR_TEXT, num=3, classes=CLASSES, scale_x_y=2, new_coords=1)
    check_head(made, boxes_of(x, 5, ANCHORS, box))


def test_the_mask_picks_the_anchors():
    head = parse("yolo", anchors=ANCHOR_TEXT, num=3, mask="2,0", classes=CLASSES)
    assert head.anchors == (ANCHORS[2], ANCHORS[0])


REFUSED = {
    "channels": ({}, InputError, r"gets 20 channels, .* \(20 \+ 5\) \* 1 = 25; correct filters="),
    "too few anchors": ({"num": 2}, InputError, "needs 2 anchors .* gives 2"),
    "no such anchor": ({"mask": 3}, InputError, "mask=3 names an anchor that does not exist"),
}


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_cannot_be_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        planned("yolo", (20, *GRID), **({"anchors": "10,14"} | options))
