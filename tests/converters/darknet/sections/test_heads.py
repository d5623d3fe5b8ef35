"""`[yolo]`, `[Gaussian_yolo]` and `[region]` against their formulas, box by box.

Sources: AlexeyAB/darknet, get_yolo_box (yolo_layer.c), get_gaussian_yolo_box and get_gaussian_yolo_detections
(gaussian_yolo_layer.c), get_region_box (region_layer.c).
"""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import NET, parse, planned, run_head

from trtzoo.errors import InputError, UnsupportedError

GRID = 3, 5
ANCHORS = [(10, 14), (23, 27), (37, 58)]
CLASSES = 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def boxes_of(x, values, anchors, box_and_score):
    """Rows head order: anchor, row, column; `box_and_score(v, w, h)` gives x, y (in cells), w, h (pixels), scores."""
    boxes, scores = [], []
    maps = x.astype(np.float64).reshape(len(x), len(anchors), values + CLASSES, *GRID)
    for image in range(len(x)):
        for anchor, (w, h) in enumerate(anchors):
            for row, column in np.ndindex(GRID):
                (bx, by, bw, bh), score = box_and_score(maps[image, anchor, :, row, column], w, h)
                cx, cy = (column + bx) / GRID[1] * NET.width, (row + by) / GRID[0] * NET.height
                boxes.append([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2])
                scores.append(score)
    return np.reshape(boxes, (len(x), -1, 4)), np.reshape(scores, (len(x), -1, CLASSES))


def check(made, expected):
    for ours, theirs in zip(made, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def feature_map(values, seed=0, low=None):
    shape = (2, 3 * (values + CLASSES), *GRID)
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, shape) if low is None else rng.uniform(0, 1, shape)).astype(np.float32)


ANCHOR_TEXT = ", ".join(f"{w},{h}" for w, h in ANCHORS)


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_yolo(scale):
    x = feature_map(5)

    def box(v, w, h):
        xy = sigmoid(v[:2]) * scale - 0.5 * (scale - 1)
        return (*xy, np.exp(v[2]) * w, np.exp(v[3]) * h), sigmoid(v[5:]) * sigmoid(v[4])

    made = run_head(x, "yolo", anchors=ANCHOR_TEXT, num=3, classes=CLASSES, scale_x_y=scale)
    check(made, boxes_of(x, 5, ANCHORS, box))


def test_yolo_with_new_coordinates():
    x = feature_map(5, low=0)

    def box(v, w, h):
        return (*(v[:2] * 2 - 0.5), v[2] ** 2 * 4 * w, v[3] ** 2 * 4 * h), v[5:] * v[4]

    made = run_head(x, "yolo", anchors=ANCHOR_TEXT, num=3, classes=CLASSES, scale_x_y=2, new_coords=1)
    check(made, boxes_of(x, 5, ANCHORS, box))


def test_the_mask_picks_the_anchors():
    head = parse("yolo", anchors=ANCHOR_TEXT, num=3, mask="2,0", classes=CLASSES)
    assert head.anchors == (ANCHORS[2], ANCHORS[0])


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
    check(made, boxes_of(x, 9, ANCHORS, box))


@pytest.mark.parametrize("softmax", [0, 1])
def test_region_has_anchors_in_cells(softmax):
    x, cells = feature_map(5), [(0.6, 0.7), (1.8, 2.1), (3, 1.2)]

    def box(v, w, h):
        classes = np.exp(v[5:]) / np.exp(v[5:]).sum() if softmax else v[5:]
        size = np.exp(v[2]) * w * NET.width / GRID[1], np.exp(v[3]) * h * NET.height / GRID[0]
        return (*sigmoid(v[:2]), *size), classes * sigmoid(v[4])

    text = ", ".join(f"{w},{h}" for w, h in cells)
    made = run_head(x, "region", anchors=text, num=3, classes=CLASSES, softmax=softmax)
    check(made, boxes_of(x, 5, cells, box))


def test_heads_decode_together_only_when_they_are_alike():
    options = {"anchors": ANCHOR_TEXT, "num": 3, "classes": 2}
    first, other = parse("yolo", **options, mask="0"), parse("yolo", **options, mask="1,2", scale_x_y=1.1)
    assert first.kind() == other.kind()
    assert first.kind() != parse("yolo", **options, new_coords=1).kind()
    assert first.kind() != parse("Gaussian_yolo", **options).kind()


REFUSED = {
    "channels": ("yolo", {}, InputError, r"gets 20 channels, .* \(20 \+ 5\) \* 1 = 25; correct filters="),
    "coords": ("region", {"coords": 5}, UnsupportedError, "coords=5 is not supported; only 4 is"),
    "a tree": ("region", {"tree": "9k.tree"}, UnsupportedError, "tree=9k.tree"),
    "too few anchors": ("yolo", {"num": 2}, InputError, "needs 2 anchors .* gives 2"),
    "no such anchor": ("yolo", {"mask": 3}, InputError, "mask=3 names an anchor that does not exist"),
    "no width": ("region", {"anchors": "0,1"}, InputError, "must be positive"),
}


@pytest.mark.parametrize(("name", "options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_no_head_can_be_is_refused(name, options, kind, message):
    with pytest.raises(kind, match=message):
        planned(name, (20, *GRID), **({"anchors": "10,14"} | options))
