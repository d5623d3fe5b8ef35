"""Detections drawn onto a picture, legible at any size."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.weights import Array
from .detections import Detections, corners

COCO_POINTS = 17
COCO_LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Pairs of COCO's keypoints that a limb joins."""

_LEG, _TRUNK, _ARM, _FACE = (255, 153, 51), (255, 51, 255), (51, 153, 255), (0, 255, 0)
_LIMB_COLOURS = (_LEG,) * 4 + (_TRUNK,) * 3 + (_ARM,) * 5 + (_FACE,) * 7
_POINT_COLOURS = (_FACE,) * 5 + (_ARM,) * 6 + (_LEG,) * 6

_PLATE = (40, 40, 40)
"""Background of a classifier's lines."""

VISIBLE = 0.5
"""Keypoints with a lower visibility are not drawn."""

FARTHEST = 1e6
"""Coordinates are limited to this before they become whole numbers."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Pen:
    """Line width in pixels and font scale that suit a picture."""

    width: int
    font: float

    @property
    def thickness(self) -> int:
        """Of the letters, in pixels."""
        return max(1, round(self.font * 1.6))


def draw(picture: Array, found: Detections, names: Sequence[str]) -> Array:
    """A copy of the picture with everything that was found on it.

    Args:
        picture: uint8 [H, W, 3], blue, green, red.
        found: its detections.
        names: class names.

    Returns:
        uint8 [H, W, 3].
    """
    canvas: Array = picture.copy()
    side = min(picture.shape[:2])
    pen = _Pen(max(1, round(side / 240)), max(0.35, side / 1100))
    if found.probs is not None:
        _draw_classes(canvas, found, names, pen)
        return canvas
    if found.masks is not None:
        _tint(canvas, found)
    # The best on top, and labels above everything.
    rows = range(len(found) - 1, -1, -1)
    outlines = {row: _outline(canvas, found, row) for row in rows}
    for row in rows:
        _draw_object(canvas, found, row, outlines[row], pen)
    for row in rows:
        text = f"{label_of(int(found.classes[row]), names)} {found.scores[row]:.2f}"
        _label(canvas, text, outlines[row].min(axis=0), colour_of(int(found.classes[row])), pen)
    return canvas


def colour_of(number: int) -> Colour:
    """A colour (blue, green, red) for a class; neighbouring numbers get far-apart hues."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034 + 0.02) % 1.0, 0.85, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)


def label_of(number: int, names: Sequence[str]) -> str:
    """A class's name in the letters that OpenCV can draw: without accents; its number where nothing is left."""
    name = names[number] if number < len(names) else ""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain if plain.strip() else str(number)


def _outline(canvas: Array, found: Detections, row: int) -> Array:
    """The four corners int32 [4, 2] of an object's box; of an upright one in the picture, so that every edge is seen."""
    if found.oriented:
        return _whole(corners(found.boxes[row : row + 1])[0])
    left, top, right, bottom = found.boxes[row]
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.clip(_whole(outline), 0, [canvas.shape[1] - 1, canvas.shape[0] - 1])


def _draw_object(canvas: Array, found: Detections, row: int, outline: Array, pen: _Pen) -> None:
    import cv2

    colour = colour_of(int(found.classes[row]))
    cv2.polylines(canvas, [outline], True, colour, pen.width, cv2.LINE_AA)
    if found.keypoints is not None:
        _draw_keypoints(canvas, found.keypoints[row], pen)


def _whole(points: Array) -> Array:
    """Points as whole numbers; what is no number becomes 0."""
    whole: Array = np.rint(np.clip(np.nan_to_num(points), -FARTHEST, FARTHEST)).astype(np.int32)
    return whole


def _strip(text: str, pen: _Pen) -> tuple[int, int, int]:
    """Width of a text, height of the strip behind it, and how far its lowest letters reach below the line, in pixels."""
    import cv2

    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, pen.font, pen.thickness)
    return width, height + base + 2 * pen.width, base


def _label(canvas: Array, text: str, corner: Array, colour: Colour, pen: _Pen) -> None:
    """Text on a filled strip above the corner, or below it where there is no room above."""
    import cv2

    width, strip, base = _strip(text, pen)
    left = int(np.clip(corner[0], 0, max(0, canvas.shape[1] - width - 2 * pen.width)))
    above = corner[1] - strip if corner[1] >= strip else corner[1]
    top = int(np.clip(above, 0, max(0, canvas.shape[0] - strip)))
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pen.width, top + strip), colour, cv2.FILLED)
    ink = (0, 0, 0) if colour[0] * 0.114 + colour[1] * 0.587 + colour[2] * 0.299 > 130 else (255, 255, 255)
    place = (left + pen.width, top + strip - base - pen.width // 2)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, pen.font, ink, pen.thickness, cv2.LINE_AA)


def _tint(canvas: Array, found: Detections) -> None:
    for row in reversed(range(len(found))):
        mask = found.masks[row] if found.masks is not None else np.zeros(canvas.shape[:2], bool)
        colour = np.array(colour_of(int(found.classes[row])), np.float32)
        canvas[mask] = (canvas[mask] * 0.55 + colour * 0.45).astype(np.uint8)


def _draw_keypoints(canvas: Array, points: Array, pen: _Pen) -> None:
    import cv2

    seen = points[:, 2] >= VISIBLE if points.shape[1] > 2 else np.any(points[:, :2] != 0, axis=1)
    places = [(int(x), int(y)) for x, y in _whole(points[:, :2])]
    person = len(points) == COCO_POINTS
    if person:
        for (start, stop), colour in zip(COCO_LIMBS, _LIMB_COLOURS, strict=True):
            if seen[start] and seen[stop]:
                cv2.line(canvas, places[start], places[stop], colour, pen.width, cv2.LINE_AA)
    for number, place in enumerate(places):
        if seen[number]:
            colour = _POINT_COLOURS[number] if person else colour_of(number)
            cv2.circle(canvas, place, pen.width + 1, colour, cv2.FILLED, cv2.LINE_AA)


def _draw_classes(canvas: Array, found: Detections, names: Sequence[str], pen: _Pen) -> None:
    """The best classes in the upper left corner, best first."""
    lines = [f"{label_of(number, names)} {score:.2f}" for number, score in found.top_classes()]
    strip = max((_strip(line, pen)[1] for line in lines), default=0)
    for row, line in enumerate(lines):
        # A corner one strip further down: the label stands above its corner.
        _label(canvas, line, np.array([0, (row + 1) * strip]), _PLATE, pen)
