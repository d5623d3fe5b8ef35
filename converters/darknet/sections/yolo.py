"""`[yolo]`: the head of v3, v4 and v7-tiny (yolo_layer.c, forward_yolo_layer and get_yolo_box)."""

from __future__ import annotations

from dataclasses import dataclass

from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..decode import TRAINING_KEYS, Constants, Head, centre, classes_of, corners, half_size, masked_anchors, nms_kind_of
from ..layer import SectionType


@dataclass(frozen=True)
class Yolo(Head):
    """Anchors are in network-input pixels; with `new_coords` the layer before has applied the logistic function already."""

    new_coords: bool

    def decode(self, ops: Ops, rows: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
        """Size is exp(wh) * anchor, or with `new_coords` (2 wh)^2 * anchor; score is class * objectness."""
        xy, wh, objectness, classes = ops.split(rows, (2, 2, 1, self.classes), 2, "values")
        if self.new_coords:
            half = ops.mul(ops.mul(wh, wh, "square"), 2 * constants.anchor, "half_size")
        else:
            parts = {"xy": xy, "objectness": objectness, "classes": classes}
            xy, objectness, classes = (ops.sigmoid(part, name) for name, part in parts.items())
            half = half_size(ops, wh, constants)
        return corners(ops, centre(ops, xy, constants), half), ops.mul(classes, objectness, "scores")


def parse(section: Section, index: int) -> Yolo:
    return Yolo(
        anchors=masked_anchors(section),
        classes=classes_of(section),
        scale_x_y=section.number("scale_x_y", 1.0),
        nms_kind=nms_kind_of(section),
        new_coords=section.flag("new_coords"),
    )


TYPES = (
    SectionType(
        names=("yolo",),
        parse=parse,
        keys="mask anchors classes num scale_x_y new_coords",
        ignored=TRAINING_KEYS,
    ),
)
