"""Keypoints, and the limbs between those of a person."""

from __future__ import annotations

import numpy as np

from ....graph.weights import Array
from .colours import Colour, colour_of

COCO_POINTS = 17
COCO_LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Pairs of COCO's keypoints that a limb joins."""

_LEG, _TRUNK, _ARM, _FACE = (255, 153, 51), (255, 51, 255), (51, 153, 255), (0, 255, 0)
_LIMB_COLOURS: tuple[Colour, ...] = (_LEG,) * 4 + (_TRUNK,) * 3 + (_ARM,) * 5 + (_FACE,) * 7
_POINT_COLOURS: tuple[Colour, ...] = (_FACE,) * 5 + (_ARM,) * 6 + (_LEG,) * 6

VISIBLE = 0.5
"""Keypoints with a lower visibility are not drawn."""

FARTHEST = 1e6
"""Coordinates are limited to this before they become whole numbers."""


def draw_keypoints(canvas: Array, points: Array, width: int) -> None:
    """Draw the keypoints [P, D] of one object with lines of `width` pixels; invisible ones, or those at 0, 0, are left out."""
    from ....opencv import cv2

    seen = points[:, 2] >= VISIBLE if points.shape[1] > 2 else np.any(points[:, :2] != 0, axis=1)
    places = [(int(x), int(y)) for x, y in whole(points[:, :2])]
    person = len(points) == COCO_POINTS
    if person:
        for (start, stop), colour in zip(COCO_LIMBS, _LIMB_COLOURS, strict=True):
            if seen[start] and seen[stop]:
                cv2.line(canvas, places[start], places[stop], colour, width, cv2.LINE_AA)
    for number, place in enumerate(places):
        if seen[number]:
            colour = _POINT_COLOURS[number] if person else colour_of(number)
            cv2.circle(canvas, place, width + 1, colour, cv2.FILLED, cv2.LINE_AA)


def whole(points: Array) -> Array:
    """Points as whole numbers; what is no number becomes 0."""
    rounded: Array = np.rint(np.clip(np.nan_to_num(points), -FARTHEST, FARTHEST)).astype(np.int32)
    return rounded
