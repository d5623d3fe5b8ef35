"""What DarkNet's detection heads share; each decodes its own values in `sections/yolo.py`, `gaussian_yolo.py`, `region.py`.

maps [B, anchors * (values + classes), h, w] of the heads that decode alike -> rows, joined -> one decode -> corners
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar

import numpy as np

from ...graph.weights import Array
from ..vocabulary.ops import Ops, Tensor
from .cfg import Section
from .layer import Arrays, Place, Shape, Spec
from .net import Net

Anchors = tuple[tuple[float, float], ...]

TRAINING_KEYS = """
    bias_match coords jitter rescore object_scale noobject_scale class_scale coord_scale mask_scale absolute thresh random
    ignore_thresh truth_thresh iou_thresh iou_normalizer cls_normalizer obj_normalizer delta_normalizer uc_normalizer iou_loss
    iou_thresh_kind objectness_smooth resize max max_delta counters_per_class label_smooth_eps focal_loss show_details beta1
    embedding_layer track_history_size sim_thresh dets_for_show dets_for_track track_ciou_norm map log sqrt
    nms_kind beta_nms
"""
"""Keys of a head that do not change what it computes."""


@dataclass(frozen=True)
class Constants:
    """What a decode adds and multiplies, a row an anchor: [1, A, 2], or [1, A, 1] for scale_x_y.

    Attributes:
        cell: column, row of the grid.
        pixels: width, height of a cell in network-input pixels.
        anchor: width, height in network-input pixels.
        scale_x_y: how far a centre may leave its cell.
    """

    cell: Array
    pixels: Array
    anchor: Array
    scale_x_y: Array


@dataclass(frozen=True)
class Head(Spec):
    """A detection head.

    Attributes:
        anchors: width, height.
        classes: how many.
        scale_x_y: how far a centre may leave its cell, 1 where it may not.
        nms_kind: how DarkNet suppresses.
    """

    anchors: Anchors
    classes: int
    scale_x_y: float
    nms_kind: str

    VALUES: ClassVar[int] = 5
    """Of an anchor, apart from the classes: x, y, w, h, objectness."""

    def output(self, place: Place) -> Shape:
        channels = place.shapes[0][0]
        count, anchors = self.classes + self.VALUES, len(self.anchors)
        if channels != count * anchors:
            raise place.section.error(
                f"gets {channels} channels, but classes={self.classes} and {anchors} anchors need "
                f"({self.classes} + {self.VALUES}) * {anchors} = {count * anchors}; "
                f"correct filters= of the layer before, or classes=",
                "classes",
            )
        return place.shapes[0]

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        return inputs[0]

    def kind(self) -> Head:
        """Equal for heads that decode alike, but for constants."""
        return replace(self, anchors=(), scale_x_y=1.0, nms_kind="")

    def anchor_pixels(self, pixels: Array) -> Array:
        """Anchors [N, 2] in network-input pixels; a cell is `pixels` [2] large."""
        return np.array(self.anchors, np.float64)

    @abstractmethod
    def decode(self, ops: Ops, rows: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
        """Rows [B, A, VALUES + classes] -> boxes [B, A, 4] x1, y1, x2, y2 in network-input pixels, scores [B, A, classes]."""


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
    for _, group in groupby(maps, key=lambda item: item[0].head.kind()):
        members = list(group)
        rows = ops.concat([_rows(ops, place, x) for place, x in members], 1, "rows")
        box, score = members[0][0].head.decode(ops, rows, _constants([place for place, _ in members], net))
        boxes.append(box)
        scores.append(score)
    return ops.concat(boxes, 1, "boxes"), ops.concat(scores, 1, "scores")


def _rows(ops: Ops, place: HeadMap, x: Tensor) -> Tensor:
    """[B, anchors * values, h, w] -> [B, anchors * h * w, values]."""
    anchors, (height, width) = len(place.head.anchors), place.grid
    values = place.head.VALUES + place.head.classes
    apart = ops.reshape(x, (anchors, values, height * width), "apart")
    return ops.reshape(ops.transpose(apart, (0, 1, 3, 2), "last"), (anchors * height * width, values), "rows")


def _constants(places: Sequence[HeadMap], net: Net) -> Constants:
    columns = [_place_constants(place, net) for place in places]
    return Constants(*(np.concatenate(parts, axis=1).astype(np.float32) for parts in zip(*columns, strict=True)))


def _place_constants(place: HeadMap, net: Net) -> tuple[Array, Array, Array, Array]:
    height, width = place.grid
    size = np.array([net.width / width, net.height / height])
    ys, xs = np.divmod(np.arange(height * width), width)
    cell = np.tile(np.stack([xs, ys], axis=1), (len(place.head.anchors), 1))
    pixels = np.broadcast_to(size, cell.shape)
    anchor = np.repeat(place.head.anchor_pixels(size), height * width, axis=0)
    scale = np.full((len(cell), 1), place.head.scale_x_y)
    return cell[None], pixels[None], anchor[None], scale[None]


def centre(ops: Ops, xy: Tensor, constants: Constants) -> Tensor:
    """(cell + xy * s - (s - 1) / 2) * pixels, multiplied out: one factor and one offset an anchor."""
    scale = constants.scale_x_y
    factor = scale * constants.pixels
    offset = (constants.cell - (scale - 1) / 2) * constants.pixels
    return ops.add(ops.mul(xy, factor, "centre.scale"), offset, "centre")


def half_size(ops: Ops, wh: Tensor, constants: Constants) -> Tensor:
    """exp(wh) * anchor / 2."""
    return ops.mul(ops.unary("exp", wh, "exp"), constants.anchor / 2, "half_size")


def corners(ops: Ops, middle: Tensor, half: Tensor) -> Tensor:
    """Centre and half of the size as x1, y1, x2, y2."""
    return ops.concat([ops.sub(middle, half, "corner.low"), ops.add(middle, half, "corner.high")], 2, "corners")


def anchors_of(section: Section, count: int) -> Anchors:
    """The first `count` pairs of anchors=.

    Raises:
        InputError: there are fewer, or one is not positive.
    """
    values = section.numbers("anchors")
    if len(values) < 2 * count:
        raise section.error(
            f"needs {count} anchors (num={count}), {2 * count} numbers, but anchors= gives {len(values)}", "anchors"
        )
    pairs = tuple(zip(values[: 2 * count : 2], values[1 : 2 * count : 2], strict=True))
    if any(width <= 0 or height <= 0 for width, height in pairs):
        raise section.error("anchors= must be positive widths and heights", "anchors")
    return pairs


def masked_anchors(section: Section) -> Anchors:
    """Those anchors that mask= names, all where it is absent.

    Raises:
        InputError: the mask names one that does not exist.
    """
    anchors = anchors_of(section, section.integer("num", 1, 1, 1000))
    mask = section.integers("mask") or tuple(range(len(anchors)))
    for number in mask:
        if not 0 <= number < len(anchors):
            raise section.error(f"mask={number} names an anchor that does not exist; num={len(anchors)}", "mask")
    return tuple(anchors[number] for number in mask)


def classes_of(section: Section) -> int:
    """How many classes a head has."""
    return section.integer("classes", 20, 1)


def nms_kind_of(section: Section) -> str:
    """How DarkNet suppresses the head's boxes."""
    return section.text("nms_kind", "default")
