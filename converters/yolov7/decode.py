"""YOLOv7's heads: YOLOv5's anchors, with learned offsets before and factors behind the last convolutions (YOLOR, Wang et al. 2021).

IDetect     m(x + a) * f on each level
IAuxDetect  the same on the first half of the inputs; the other half served the training
IKeypoint   the same for boxes, beside keypoints of convolutions without them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import ModelError, UnsupportedError
from ...graph.weights import Array, Weight
from ..checkpoint.reader import Record
from ..torch_modules.modules import EXPORT_INSTEAD, Walker, conv_of, has, submodule, weight
from ..vocabulary.ops import Conv, Tensor
from ..yolov5.decode import AnchorHead, anchor_head
from ..yolov5.tasks import Heads, decoded

AUXILIARY = "IAuxDetect"


def implicit_head(module: Record) -> AnchorHead:
    """Read a Detect, IDetect, IAuxDetect or IKeypoint layer.

    Raises:
        ModelError: its attributes contradict each other.
        UnsupportedError: keypoints of more than one class, which the original does not decode.
    """
    head = anchor_head(module, 2 if module.class_name == AUXILIARY else 1)
    if head.kpt_shape and head.classes != 1:
        raise UnsupportedError(
            f"a {module.class_path} of {head.classes} classes is not supported: its own code takes the keypoints of one; "
            f"{EXPORT_INSTEAD}"
        )
    return head


def implicit_detect(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Heads:
    """Boxes and scores of the levels, and keypoints where the head has them."""
    head = implicit_head(module)
    levels = xs[: len(head.strides)]
    maps = [_level(walker, module, index, x) for index, x in enumerate(levels)]
    if has(module, "m_kpt"):
        points = [walker.child(module, f"m_kpt.{index}", x) for index, x in enumerate(levels)]
        maps = [walker.ops.concat(pair, name="outputs") for pair in zip(maps, points, strict=True)]
    return decoded(walker.ops, head, maps)


def _level(walker: Walker, module: Record, index: int, x: Tensor) -> Tensor:
    return walker.ops.conv2d(x, _with_implicit(module, index), f"m.{index}")


def _with_implicit(module: Record, index: int) -> Conv:
    """W (x + a) + b, times f: one convolution of f W and f (b + W a).

    A head whose own `fuse` was called holds them in its weights already; it then carries a forward function of its own.
    """
    conv = conv_of(submodule(module, f"m.{index}"))
    if not has(module, "ia") or module.get("forward") is not None:
        return conv
    offset, factor = (weight(submodule(module, f"{name}.{index}"), "implicit") for name in ("ia", "im"))
    out, inner = conv.weight.shape[:2]
    if offset.shape != (1, inner, 1, 1) or factor.shape != (1, out, 1, 1):
        raise ModelError(
            f"the implicit layers of {module.class_path} have shapes {list(offset.shape)} and {list(factor.shape)}, "
            f"expected [1, {inner}, 1, 1] and [1, {out}, 1, 1]; the checkpoint is damaged"
        )

    def bias() -> Array:
        values = conv.weight.load()[:, :, 0, 0].astype(np.float64)
        own = conv.bias.load() if conv.bias else np.zeros(out)
        moved: Array = (own + values @ offset.load().reshape(-1)) * factor.load().reshape(-1)
        return moved.astype(np.float32)

    scaled = conv.weight.map(lambda values: values * factor.load().reshape(-1, 1, 1, 1))
    return replace(conv, weight=scaled, bias=Weight((out,), np.dtype(np.float32), bias))
