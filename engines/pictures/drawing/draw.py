"""One picture with everything that was found on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ....graph.weights import Array
from ..detections import Detections, corners
from .colours import Colour, colour_of
from .keypoints import draw_keypoints, whole
from .labels import Labels, Pen, label_of

_PLATE = (40, 40, 40)
"""Background of a classifier's lines."""


@dataclass(frozen=True)
class Style:
    """How detections are drawn.

    Attributes:
        line_width: in pixels; None takes what suits the picture's size.
        labels: write class and score at each object.
    """

    line_width: int | None = None
    labels: bool = True


def draw(picture: Array, found: Detections, style: Style = Style()) -> Array:
    """A copy of the picture with everything that was found on it.

    Args:
        picture: uint8 [H, W, 3], blue, green, red.
        found: its detections.
        style: widths and labels.

    Returns:
        uint8 [H, W, 3].
    """
    canvas: Array = picture.copy()
    side = min(picture.shape[:2])
    width = style.line_width or max(1, round(side / 240))
    labels = Labels(canvas, Pen(width, max(0.35, side / 1100, 0.15 * (style.line_width or 0))))
    if found.probs is not None:
        _draw_classes(labels, found)
        return canvas
    colours = _colours(found)
    _tint(canvas, found, colours)
    # The best on top, and labels above everything.
    rows = range(len(found) - 1, -1, -1)
    outlines = {row: _outline(canvas, found, row) for row in rows}
    for row in rows:
        _draw_object(canvas, found, row, outlines[row], colours[row], width)
    # The best chooses its place first.
    for row in reversed(rows) if style.labels else ():
        number = int(found.classes[row])
        text = f"{label_of(found.name_of(number), number)} {found.scores[row]:.2f}"
        labels.write(text, outlines[row], colours[row])
    return canvas


def _colours(found: Detections) -> list[Colour]:
    """Of each object: that of its class; where there are masks, the instances of a class differ."""
    seen: Counter[int] = Counter()
    colours = []
    for number in found.classes.tolist():
        colours.append(colour_of(number, seen[number] if found.masks is not None else 0))
        seen[number] += 1
    return colours


def _outline(canvas: Array, found: Detections, row: int) -> Array:
    """The four corners int32 [4, 2] of an object's box; of an upright one in the picture, so that every edge is seen."""
    if found.oriented:
        return whole(corners(found.boxes[row : row + 1])[0])
    left, top, right, bottom = found.boxes[row]
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.clip(whole(outline), 0, [canvas.shape[1] - 1, canvas.shape[0] - 1])


def _draw_object(canvas: Array, found: Detections, row: int, outline: Array, colour: Colour, width: int) -> None:
    from ....opencv import cv2

    cv2.polylines(canvas, [outline], True, colour, width, cv2.LINE_AA)
    if found.keypoints is not None:
        draw_keypoints(canvas, found.keypoints[row], width)


def _tint(canvas: Array, found: Detections, colours: list[Colour]) -> None:
    if found.masks is None:
        return
    for row in reversed(range(len(found))):
        mask = found.masks[row]
        canvas[mask] = (canvas[mask] * 0.55 + np.array(colours[row], np.float32) * 0.45).astype(np.uint8)


def _draw_classes(labels: Labels, found: Detections) -> None:
    """The best classes in the upper left corner, best first."""
    lines = [f"{label_of(found.name_of(number), number)} {score:.2f}" for number, score in found.top_classes()]
    strip = max(map(labels.height, lines), default=0)
    for row, line in enumerate(lines):
        # A corner one strip further down: the label stands above its corner.
        labels.write(line, np.array([[0, (row + 1) * strip]]), _PLATE)
