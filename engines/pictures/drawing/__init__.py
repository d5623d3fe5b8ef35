"""Detections drawn onto a picture, legible at any size."""

from __future__ import annotations

from .colours import colour_of
from .draw import Style, draw
from .labels import label_of

__all__ = ["Style", "colour_of", "draw", "label_of"]
