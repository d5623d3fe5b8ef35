"""Pictures become the network's input, as the model's metadata says, and network pixels become picture pixels again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract.meta import ModelMeta
from ...errors import UnsupportedError
from ...graph.weights import Array
from .sampling import RESIZERS


@dataclass(frozen=True)
class Placement:
    """Where the picture lies in the network's input: network = picture * scale + offset.

    Attributes:
        size: height, width of the picture in pixels.
        scale: horizontal, vertical.
        offset: horizontal, vertical, in network-input pixels.
    """

    size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_picture(self, points: Array) -> Array:
        """Points [..., 2] x, y in network-input pixels as picture pixels."""
        moved: Array = (points - np.array(self.offset, np.float32)) / np.array(self.scale, np.float32)
        return moved

    def clip(self, boxes: Array) -> Array:
        """Boxes [N, 4] cut off at the edges of the picture."""
        height, width = self.size
        return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def prepare(picture: Array, meta: ModelMeta) -> tuple[Array, Placement]:
    """Turn a picture into one image of the network's input.

    Args:
        picture: uint8 [H, W, 3], blue, green, red, as OpenCV reads it.
        meta: of the model.

    Returns:
        An image in the type and layout of the model's input (`contract.outputs.input_spec`), and where the picture lies in it.

    Raises:
        UnsupportedError: the input has neither one nor three channels.
    """
    import cv2

    settings = meta.preprocess
    if meta.channels not in (1, 3):
        raise UnsupportedError(
            f"the model takes {meta.channels} channels, but pictures have three; run it from your own code"
        )
    if meta.channels == 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None]
    elif settings.colour == "rgb":
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    canvas, placement = _RESIZE[settings.resize](picture, meta)
    values = np.rint(canvas * 255) if meta.input_dtype == "uint8" else canvas * np.float32(settings.scale)
    image = values if meta.input_axes == "hwc" else values.transpose(2, 0, 1)
    return np.ascontiguousarray(image, dtype=meta.input_dtype), placement


def _stretch(picture: Array, meta: ModelMeta) -> tuple[Array, Placement]:
    (height, width), (rows, columns) = picture.shape[:2], meta.imgsz
    if meta.task == "classify":
        image = _resize_antialiased(picture, _triangles(height, rows), _triangles(width, columns))
    else:
        image = RESIZERS[meta.preprocess.sampling](picture, rows, columns)
    return image, Placement((height, width), (columns / width, rows / height), (0.0, 0.0))


def _letterbox(picture: Array, meta: ModelMeta) -> tuple[Array, Placement]:
    """Keep the aspect, pad; rounding as YOLOv5 and Ultralytics do it, or always down (DarkNet, YOLOX: `topleft`)."""
    (height, width), (rows, columns) = picture.shape[:2], meta.imgsz
    if meta.preprocess.anchor == "topleft":
        ratio = min(rows / height, columns / width)
        new_height, new_width, top, left = max(1, int(height * ratio)), max(1, int(width * ratio)), 0, 0
    elif meta.family == "darknet":
        new_height, new_width = min(rows, height * columns // width), min(columns, width * rows // height)
        new_height, new_width = max(1, new_height), max(1, new_width)
        top, left = (rows - new_height) // 2, (columns - new_width) // 2
    else:
        ratio = min(rows / height, columns / width)
        new_height, new_width = max(1, round(height * ratio)), max(1, round(width * ratio))
        top, left = round((rows - new_height) / 2 - 0.1), round((columns - new_width) / 2 - 0.1)
    canvas = np.full((rows, columns, picture.shape[2]), meta.preprocess.pad, np.float32)
    resize = RESIZERS[meta.preprocess.sampling]
    canvas[top : top + new_height, left : left + new_width] = resize(picture, new_height, new_width)
    scale = new_width / width, new_height / height
    return canvas, Placement((height, width), scale, (float(left), float(top)))


def _crop(picture: Array, meta: ModelMeta) -> tuple[Array, Placement]:
    """A classifier's input: the shorter side scaled to the input's, then the centre."""
    (height, width), (rows, columns) = picture.shape[:2], meta.imgsz
    new_height, new_width = max(rows, height * columns // width), max(columns, width * rows // height)
    top, left = round((new_height - rows) / 2), round((new_width - columns) / 2)
    down = _triangles(height, new_height, top, rows)
    across = _triangles(width, new_width, left, columns)
    scale = new_width / width, new_height / height
    placement = Placement((height, width), scale, (float(-left), float(-top)))
    return _resize_antialiased(picture, down, across), placement


def _resize_antialiased(picture: Array, down: Array, across: Array) -> Array:
    """Bilinear with a support that grows with the reduction, as Pillow and torchvision resize for classifiers; 0..1."""
    rows = np.tensordot(down, picture.astype(np.float32), (1, 0))
    both = np.tensordot(rows, across, (1, 1)).transpose(0, 2, 1)
    rounded: Array = np.clip(np.rint(both), 0, 255) / np.float32(255)
    return rounded


def _triangles(length: int, new_length: int, first: int = 0, count: int | None = None) -> Array:
    """Weights [count, length] of a triangle filter around `count` of the `new_length` new pixels, from `first` on."""
    step = length / new_length
    centres = (np.arange(first, first + (count or new_length)) + 0.5) * step
    distance = np.abs(np.arange(length) + 0.5 - centres[:, None]) / max(step, 1.0)
    weights = np.clip(1 - distance, 0, None)
    shares: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


_RESIZE = {"stretch": _stretch, "letterbox": _letterbox, "crop": _crop}
