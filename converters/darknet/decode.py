"""DarkNet's detection heads decoded to boxes and scores.

Sources: AlexeyAB/darknet, get_yolo_box (src/yolo_layer.c), get_gaussian_yolo_box and get_gaussian_yolo_detections
(src/gaussian_yolo_layer.c), get_region_box (src/region_layer.c).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ...graph.weights import Array
from ..vocabulary.ops import Ops, Tensor
from .layers import GaussianYolo, Head, Net, Region, Yolo


@dataclass(frozen=True)
class HeadMap:
    """A head and the size of its grid."""

    head: Head
    grid: tuple[int, int]


def decode(ops: Ops, maps: Sequence[tuple[HeadMap, Tensor]], net: Net) -> tuple[Tensor, Tensor]:
    """Decode the feature maps of all heads.

    Args:
        ops: the interpreter.
        maps: each head with its feature map [B, anchors * (values + classes), h, w], in the order of the cfg.
        net: the network's input.

    Returns:
        boxes [B, A, 4] x1, y1, x2, y2 in network-input pixels and scores [B, A, C]; anchors head by head, then anchor, y, x.
    """
    boxes, scores = [], []
    for _, group in groupby(maps, key=lambda item: _kind(item[0].head)):
        members = list(group)
        rows = ops.concat([_rows(ops, place, x) for place, x in members], 1, "rows")
        constants = _constants([place for place, _ in members], net)
        box, score = _DECODERS[type(members[0][0].head)](ops, rows, members[0][0].head, constants)
        boxes.append(box)
        scores.append(score)
    return ops.concat(boxes, 1, "boxes"), ops.concat(scores, 1, "scores")


@dataclass(frozen=True)
class _Constants:
    """What the decode adds and multiplies, a row an anchor: [1, A, 2] or [1, A, 1]."""

    cell: Array
    pixels: Array
    anchor: Array
    scale_x_y: Array


def _kind(head: Head) -> tuple[object, ...]:
    """Heads that decode alike, but for constants, are decoded together."""
    return (
        type(head),
        head.classes,
        getattr(head, "new_coords", None),
        getattr(head, "softmax", None),
        getattr(head, "point", None),
    )


def _rows(ops: Ops, place: HeadMap, x: Tensor) -> Tensor:
    """[B, anchors * values, h, w] -> [B, anchors * h * w, values]."""
    anchors, (height, width) = len(place.head.anchors), place.grid
    values = place.head.values + place.head.classes
    apart = ops.reshape(x, (anchors, values, height * width), "apart")
    return ops.reshape(ops.transpose(apart, (0, 1, 3, 2), "last"), (anchors * height * width, values), "rows")


def _constants(places: Sequence[HeadMap], net: Net) -> _Constants:
    columns = [_place_constants(place, net) for place in places]
    return _Constants(*(np.concatenate(parts, axis=1).astype(np.float32) for parts in zip(*columns, strict=True)))


def _place_constants(place: HeadMap, net: Net) -> tuple[Array, Array, Array, Array]:
    height, width = place.grid
    anchors = np.array(place.head.anchors)
    ys, xs = np.divmod(np.arange(height * width), width)
    cell = np.tile(np.stack([xs, ys], axis=1), (len(anchors), 1))
    pixels = np.full_like(cell, (net.width / width, net.height / height), dtype=np.float64)
    anchor = np.repeat(anchors, height * width, axis=0)
    if isinstance(place.head, Region):
        anchor = anchor * pixels
    scale = np.full((len(cell), 1), getattr(place.head, "scale_x_y", 1.0))
    return cell[None], pixels[None], anchor[None], scale[None]


def _decode_yolo(ops: Ops, rows: Tensor, head: Head, constants: _Constants) -> tuple[Tensor, Tensor]:
    xy, wh, objectness, classes = ops.split(rows, (2, 2, 1, head.classes), 2, "values")
    if isinstance(head, Yolo) and head.new_coords:
        # The convolution before the layer has the logistic activation already.
        half = ops.mul(ops.mul(wh, wh, "square"), 2 * constants.anchor, "half_size")
    else:
        xy, objectness, classes = (
            ops.sigmoid(part, name) for part, name in ((xy, "xy"), (objectness, "objectness"), (classes, "classes"))
        )
        half = ops.mul(ops.unary("exp", wh, "exp"), constants.anchor / 2, "half_size")
    return _corners(ops, _centre(ops, xy, constants), half), ops.mul(classes, objectness, "scores")


def _decode_gaussian(ops: Ops, rows: Tensor, head: Head, constants: _Constants) -> tuple[Tensor, Tensor]:
    x, ux, y, uy, w, uw, h, uh, objectness, classes = ops.split(rows, (1,) * 9 + (head.classes,), 2, "values")
    half = ops.mul(ops.unary("exp", ops.concat([w, h], 2, "wh"), "exp"), constants.anchor / 2, "half_size")
    centre = _centre(ops, ops.sigmoid(ops.concat([x, y], 2, "xy"), "xy"), constants)
    if isinstance(head, GaussianYolo) and head.point != "center":
        centre = (ops.add if head.point == "left_top" else ops.sub)(centre, half, "centre")
    doubt = ops.reduce(
        "mean", ops.sigmoid(ops.concat([ux, uy, uw, uh], 2, "uncertainties"), "uncertainty"), (2,), "doubt"
    )
    certain = ops.mul(ops.sigmoid(objectness, "objectness"), ops.sub(1.0, doubt, "certainty"), "certain")
    return _corners(ops, centre, half), ops.mul(ops.sigmoid(classes, "classes"), certain, "scores")


def _decode_region(ops: Ops, rows: Tensor, head: Head, constants: _Constants) -> tuple[Tensor, Tensor]:
    xy, wh, objectness, classes = ops.split(rows, (2, 2, 1, head.classes), 2, "values")
    half = ops.mul(ops.unary("exp", wh, "exp"), constants.anchor / 2, "half_size")
    if isinstance(head, Region) and head.softmax:
        classes = ops.softmax(classes, 2, "classes")
    boxes = _corners(ops, _centre(ops, ops.sigmoid(xy, "xy"), constants), half)
    return boxes, ops.mul(classes, ops.sigmoid(objectness, "objectness"), "scores")


def _centre(ops: Ops, xy: Tensor, constants: _Constants) -> Tensor:
    """(cell + xy * s - (s - 1) / 2) * pixels, multiplied out: one factor and one offset an anchor."""
    scale = constants.scale_x_y
    factor = scale * constants.pixels
    offset = (constants.cell - (scale - 1) / 2) * constants.pixels
    return ops.add(ops.mul(xy, factor, "centre.scale"), offset, "centre")


def _corners(ops: Ops, centre: Tensor, half: Tensor) -> Tensor:
    return ops.concat([ops.sub(centre, half, "corner.low"), ops.add(centre, half, "corner.high")], 2, "corners")


_DECODERS: dict[type, Callable[[Ops, Tensor, Head, _Constants], tuple[Tensor, Tensor]]] = {
    Yolo: _decode_yolo,
    GaussianYolo: _decode_gaussian,
    Region: _decode_region,
}
