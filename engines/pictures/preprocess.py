"""Pictures become the network's input, as the model's metadata says, and network pixels become picture pixels again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract.meta import ModelMeta
from ...errors import UnsupportedError
from ...graph.weights import Array
from .sampling import RESIZERS, white_of


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
    from ...opencv import cv2

    settings = meta.preprocess
    if meta.channels not in (1, 3):
        raise UnsupportedError(
            f"the model takes {meta.channels} channels, but pictures have three; run it from your own code"
        )
    if meta.channels == 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None]
    elif settings.colour == "rgb":
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    laid = _RESIZE[settings.resize](picture, meta)
    planes = _bytes(laid, meta) if meta.input_dtype == "uint8" else _shares(laid, meta)
    image = planes.transpose(1, 2, 0) if meta.input_axes == "hwc" else planes
    return np.ascontiguousarray(image, dtype=meta.input_dtype), laid.placement


@dataclass(frozen=True)
class _Laid:
    """A resized picture [h, w, C] and where its corner lies in the input; `sampling.white_of` says what is white in it."""

    levels: Array
    placement: Placement
    top: int = 0
    left: int = 0

    def into(self, canvas: Array) -> list[tuple[Array, Array]]:
        """Each of its planes [h, w] with its place in a canvas [C, H, W]."""
        from ...opencv import cv2

        height, width = self.levels.shape[:2]
        places = canvas[:, self.top : self.top + height, self.left : self.left + width]
        return list(zip(cv2.split(self.levels), places, strict=True))


def _shares(laid: _Laid, meta: ModelMeta) -> Array:
    """The input [C, H, W] as float32, 0..`scale`."""
    canvas = np.full((meta.channels, *meta.imgsz), meta.preprocess.pad, np.float32)
    white = white_of(laid.levels)
    for plane, place in laid.into(canvas):
        np.divide(plane, white, out=place, dtype=np.float32)
    if meta.preprocess.scale != 1:
        canvas *= np.float32(meta.preprocess.scale)
    return canvas


def _bytes(laid: _Laid, meta: ModelMeta) -> Array:
    """The input [C, H, W] as uint8."""
    canvas = np.full((meta.channels, *meta.imgsz), np.rint(meta.preprocess.pad * 255), np.uint8)
    white = white_of(laid.levels)
    for plane, place in laid.into(canvas):
        place[:] = plane if plane.dtype == np.uint8 else np.rint(plane / white * 255)
    return canvas


def _stretch(picture: Array, meta: ModelMeta) -> _Laid:
    (height, width), (rows, columns) = picture.shape[:2], meta.imgsz
    if meta.task == "classify":
        levels = _resize_antialiased(picture, _triangles(height, rows), _triangles(width, columns))
    else:
        levels = RESIZERS[meta.preprocess.sampling](picture, rows, columns)
    return _Laid(levels, Placement((height, width), (columns / width, rows / height), (0.0, 0.0)))


def _letterbox(picture: Array, meta: ModelMeta) -> _Laid:
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
    levels = RESIZERS[meta.preprocess.sampling](picture, new_height, new_width)
    scale = new_width / width, new_height / height
    return _Laid(levels, Placement((height, width), scale, (float(left), float(top))), top, left)


def _crop(picture: Array, meta: ModelMeta) -> _Laid:
    """A classifier's input: the shorter side scaled to the input's, then the centre."""
    (height, width), (rows, columns) = picture.shape[:2], meta.imgsz
    new_height, new_width = max(rows, height * columns // width), max(columns, width * rows // height)
    top, left = round((new_height - rows) / 2), round((new_width - columns) / 2)
    down = _triangles(height, new_height, top, rows)
    across = _triangles(width, new_width, left, columns)
    scale = new_width / width, new_height / height
    placement = Placement((height, width), scale, (float(-left), float(-top)))
    return _Laid(_resize_antialiased(picture, down, across), placement)


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
