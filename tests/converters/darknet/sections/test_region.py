"""`[region]` against its formula, box by box (region_layer.c, get_region_box)."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_heads import CLASSES, GRID, boxes_of, check_head, feature_map, sigmoid
from darknet_sections import NET, planned, run_head

from trtzoo.errors import InputError, UnsupportedError


@pytest.mark.parametrize("softmax", [0, 1])
def test_region_has_anchors_in_cells(softmax):
    x, cells = feature_map(5), [(0.6, 0.7), (1.8, 2.1), (3, 1.2)]

    def box(v, w, h):
        classes = np.exp(v[5:]) / np.exp(v[5:]).sum() if softmax else v[5:]
        size = np.exp(v[2]) * w * NET.width / GRID[1], np.exp(v[3]) * h * NET.height / GRID[0]
        return (*sigmoid(v[:2]), *size), classes * sigmoid(v[4])

    text = ", ".join(f"{w},{h}" for w, h in cells)
    made = run_head(x, "region", anchors=text, num=3, classes=CLASSES, softmax=softmax)
    check_head(made, boxes_of(x, 5, cells, box))


REFUSED = {
    "coords": ({"coords": 5}, UnsupportedError, "coords=5 is not supported; only 4 is"),
    "a tree": ({"tree": "9k.tree"}, UnsupportedError, "tree=9k.tree"),
    "no width": ({"anchors": "0,1"}, InputError, "must be positive"),
}


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_cannot_be_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        planned("region", (20, *GRID), **({"anchors": "10,14"} | options))
