"""Pictures of grey and detections to draw on them."""

from __future__ import annotations

import numpy as np

from trtzoo.engines.pictures.detections import Detections

NAMES = ("person", "bicycle", "a name that is much longer than the box is wide")
GREY = 128
SIZES = {
    "smallest": (16, 16),
    "narrow": (300, 20),
    "flat": (20, 300),
    "usual": (480, 640),
    "full HD": (1080, 1920),
    "12 megapixels": (3000, 4000),
}
PLACES = {
    "upper left": (0.0, 0.0, 0.3, 0.3),
    "upper right": (0.7, 0.0, 1.0, 0.3),
    "lower left": (0.0, 0.7, 0.3, 1.0),
    "lower right": (0.7, 0.7, 1.0, 1.0),
    "along the top": (0.2, 0.0, 0.8, 0.1),
    "along the bottom": (0.2, 0.9, 0.8, 1.0),
    "everything": (0.0, 0.0, 1.0, 1.0),
    "the middle": (0.3, 0.3, 0.7, 0.7),
    "a point": (0.5, 0.5, 0.5, 0.5),
}


def picture_of(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def detections(size: tuple[int, int], boxes, classes=None, **more) -> Detections:
    boxes = np.asarray(boxes, np.float32)
    classes = np.zeros(len(boxes), np.int64) if classes is None else np.asarray(classes)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    return Detections(size, boxes, scores, classes, **{"names": NAMES, **more})


def is_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture [H, W, 3] has this colour."""
    return np.abs(picture.astype(int) - colour).max(axis=2) <= 2
