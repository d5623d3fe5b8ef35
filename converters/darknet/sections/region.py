"""`[region]`: YOLOv2's head (region_layer.c, forward_region_layer and get_region_box)."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import UnsupportedError
from ....graph.weights import Array
from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..decode import TRAINING_KEYS, Constants, Head, anchors_of, centre, classes_of, corners, half_size
from ..layer import SectionType


@dataclass(frozen=True)
class Region(Head):
    """Anchors are in grid cells."""

    softmax: bool

    def anchor_pixels(self, pixels: Array) -> Array:
        """Anchors [N, 2] in network-input pixels; a cell is `pixels` [2] large."""
        return super().anchor_pixels(pixels) * pixels

    def decode(self, ops: Ops, rows: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
        """Score is class (softmax over the classes, or as it is) * objectness."""
        xy, wh, objectness, classes = ops.split(rows, (2, 2, 1, self.classes), 2, "values")
        half = half_size(ops, wh, constants)
        if self.softmax:
            classes = ops.softmax(classes, 2, "classes")
        boxes = corners(ops, centre(ops, ops.sigmoid(xy, "xy"), constants), half)
        return boxes, ops.mul(classes, ops.sigmoid(objectness, "objectness"), "scores")


def parse(section: Section, index: int) -> Region:
    if section.integer("coords", 4) != 4:
        raise UnsupportedError(
            f"{section.where('coords')} coords={section.text('coords', '')} is not supported; only 4 is"
        )
    return Region(
        anchors=anchors_of(section, section.integer("num", 1, 1, 1000)),
        classes=classes_of(section),
        scale_x_y=1.0,
        nms_kind="default",
        softmax=section.flag("softmax"),
    )


TYPES = (
    SectionType(
        names=("region",),
        parse=parse,
        keys="anchors classes num softmax tree",
        ignored=TRAINING_KEYS,
        refused=("tree", "classfix"),
    ),
)
