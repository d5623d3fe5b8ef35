"""Which heads are decoded together."""

from __future__ import annotations

from darknet_heads import ANCHOR_TEXT
from darknet_sections import parse


def test_heads_decode_together_only_when_they_are_alike():
    options = {"anchors": ANCHOR_TEXT, "num": 3, "classes": 2}
    first, other = parse("yolo", **options, mask="0"), parse("yolo", **options, mask="1,2", scale_x_y=1.1)
    assert first.kind() == other.kind()
    assert first.kind() != parse("yolo", **options, new_coords=1).kind()
    assert first.kind() != parse("Gaussian_yolo", **options).kind()
