"""Bilinear resizing of pictures: as OpenCV samples, or as DarkNet does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from ...contract.choices import Sampling
from ...graph.weights import Array

REMAP_LIMIT = 2**15 - 1
"""OpenCV's remap takes pictures below this length only."""

Resizer = Callable[[Array, int, int], Array]
"""Picture uint8 [H, W, C], height, width -> whole levels [height, width, C], uint8 or uint16; white is the type's greatest."""

_FINER = 257
"""A level of 8 bits in levels of 16: white is white in both."""


def _linear(picture: Array, height: int, width: int) -> Array:
    """Pixel x of the result lies at (x + 0.5) * W / w - 0.5 in the picture: between the centres of pixels."""
    from ...opencv import cv2

    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    levels: Array = resized.reshape(height, width, picture.shape[2])
    return levels


def _darknet(picture: Array, height: int, width: int) -> Array:
    """Pixel x of the result lies at x * (W - 1) / (w - 1): first falls on first, last on last.

    Source: AlexeyAB/darknet, src/image.c, resize_image. Its results are floats: with levels of 16 bits no more is lost than
    remap's 32nds of a pixel cost. Pictures that are too long for remap are reduced as OpenCV does it; where 80 pixels become
    one, the difference is below that of a pixel's choice.
    """
    from ...opencv import cv2

    if picture.shape[:2] == (height, width):
        return picture
    if max(picture.shape[:2]) >= REMAP_LIMIT:
        return _linear(picture, height, width)
    places, fractions = _maps(picture.shape[:2], (height, width))
    finer = np.multiply(picture, np.uint16(_FINER), dtype=np.uint16)
    resized = cv2.remap(finer, places, fractions, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    levels: Array = resized.reshape(height, width, picture.shape[2])
    return levels


def white_of(levels: Array) -> float:
    """The level of white: the greatest of whole levels; floats are shares of white already."""
    return float(np.iinfo(levels.dtype).max) if levels.dtype.kind == "u" else 1.0


@lru_cache(maxsize=16)
def _maps(size: tuple[int, int], new_size: tuple[int, int]) -> tuple[Array, Array]:
    """Where each pixel of the result lies: whole pixels int16 [h, w, 2], and 32nds of a pixel in both directions [h, w]."""
    from ...opencv import cv2

    ys, xs = (_places(length, new) for length, new in zip(size, new_size, strict=True))
    across, down = np.meshgrid(xs, ys)
    places, fractions = cv2.convertMaps(across, down, cv2.CV_16SC2)
    return places, fractions


def _places(length: int, new_length: int) -> Array:
    """Coordinates in the picture of all pixels along one axis, float32."""
    places: Array = np.linspace(0, length - 1, new_length, dtype=np.float32)
    places[-1] = length - 1
    return places


RESIZERS: Mapping[Sampling, Resizer] = {"linear": _linear, "darknet": _darknet}
