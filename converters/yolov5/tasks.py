"""YOLOv5's last layers as blocks that end in the raw heads of their task: Detect (keypoints too), Segment, Classify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..checkpoint.reader import Record
from ..torch_modules.blocks import classify, proto
from ..torch_modules.modules import Block, Walker, has
from ..vocabulary.ops import Ops, Tensor
from .blocks import YOLOV5_BLOCKS
from .decode import AnchorHead, anchor_head, decode_boxes, decode_keypoints, level_maps, row_constants, rows

Heads = dict[str, Tensor]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of R, G, B, which YOLOv5's classifiers are trained with."""


def _detect(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Heads:
    """Boxes and scores, and keypoints or mask coefficients where the head has them."""
    return decoded(walker.ops, anchor_head(module), level_maps(walker, module, xs))


def decoded(ops: Ops, head: AnchorHead, maps: Sequence[Tensor]) -> Heads:
    """The raw heads from the maps [B, anchors * values, h, w] of all levels."""
    at = row_constants(head, [(height, width) for _, height, width in map(ops.shape, maps)])
    detection, *rest = ops.split(rows(ops, maps, head), head.parts, axis=2, name="parts")
    boxes, scores = decode_boxes(ops, ops.sigmoid(detection), head, at)
    heads = {"boxes": boxes, "scores": scores}
    if head.kpt_shape:
        heads["keypoints"] = decode_keypoints(ops, rest[0], head.kpt_shape, at)
    if head.masks:
        heads["mask_coeffs"] = rest[0]
    return heads


def _segment(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Heads:
    """A Detect with mask coefficients, and the prototypes [B, M, h, w] made from the first level's input."""
    return _detect(walker, module, xs) | {"protos": walker.child(module, "proto", xs[0])}


def _classify(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Heads:
    """Probabilities: the layer ends in logits, and the framework applies the softmax outside."""
    logits = _early_classifier(walker, module, xs) if has(module, "aap") else classify(walker, module, xs)
    return {"probs": walker.ops.softmax(logits, 1)}


def _early_classifier(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    """The layer before release 6.2: a convolution of the joined means of its inputs."""
    pooled = walker.ops.concat([walker.ops.global_avg_pool(x) for x in xs], name="pooled")
    return walker.ops.flatten(walker.child(module, "conv", pooled))


def normalised(walker: Walker, images: Tensor) -> Tensor:
    """RGB 0..1 as a classifier was trained on it: (x - mean) / std."""
    factor = 1 / np.asarray(STD).reshape(1, 3, 1, 1)
    offset = -np.asarray(MEAN).reshape(1, 3, 1, 1) * factor
    return walker.ops.add(walker.ops.mul(images, factor, "normalise"), offset, "centre")


TABLE: Mapping[str, Block] = {
    **YOLOV5_BLOCKS,
    "Detect": _detect,
    "Segment": _segment,
    "Proto": proto,
    "Classify": _classify,
}
"""Every class of a YOLOv5 model, by name; the last layer gives a dict of raw heads."""
