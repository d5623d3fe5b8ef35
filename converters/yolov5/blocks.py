"""The module classes that only YOLOv5 and its forks have, as a block table (see `torch_modules.modules`).

Sources: ultralytics/yolov5 `models/common.py`, `models/experimental.py` and `utils/activations.py` of releases 1.0 to
7.0, and TexasInstruments/edgeai-yolov5 (branch yolo-pose) `models/common.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..checkpoint.reader import Record
from ..torch_modules.blocks import COMMON_BLOCKS, activate, focus, focus_block
from ..torch_modules.layers import TORCH_LAYERS
from ..torch_modules.modules import Block, Walker, batch_norm_of, conv_of, has, integer, optional_weight, pair, weight
from ..vocabulary.ops import Ops, Tensor

CONTRACT_ORDER = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column of the pixels in the channel blocks that a Contract makes: other than those of Focus' own slices."""


def _focus(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Space-to-depth by slices, or by a submodule that the file has: TexasInstruments' Contract, or a convolution."""
    if has(module, "contract"):
        return focus_block(walker, module, x, CONTRACT_ORDER)
    if has(module, "conv_slice"):
        return _conv_focus(walker, module, x)
    return focus(walker, module, x)


def _conv_focus(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.child(module, "conv", walker.child(module, "conv_slice", x))


def _contract(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """[C, H, W] -> [g * g * C, H / g, W / g], blocks of channels by row, then column."""
    ops, gain = walker.ops, integer(module, "gain", 2)
    channels, height, width = ops.shape(x)
    cells = ops.reshape(x, (channels, height // gain, gain, width // gain, gain), "cells")
    blocks = ops.transpose(cells, (0, 3, 5, 1, 2, 4), "blocks")
    return ops.reshape(blocks, (channels * gain * gain, height // gain, width // gain), "contract")


def _expand(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """[g * g * C, H, W] -> [C, H * g, W * g]: what a Contract does, undone."""
    ops, gain = walker.ops, integer(module, "gain", 2)
    blocks, height, width = ops.shape(x)
    channels = blocks // gain**2
    cells = ops.transpose(ops.reshape(x, (gain, gain, channels, height, width), "blocks"), (0, 3, 4, 1, 5, 2), "cells")
    return ops.reshape(cells, (channels, height * gain, width * gain), "expand")


def _spp(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Spatial pyramid pooling; TexasInstruments repeat a small pooling, the longest branch contains the others."""
    pools = module.child("m").module_children()
    branches = {key: list(branch.module_children().values()) for key, branch in pools.items()}
    steps = {_pooling(step) for branch in branches.values() for step in branch}
    if len(steps) != 1 or None in steps:
        return COMMON_BLOCKS["SPP"](walker, module, x)
    longest = max(branches, key=lambda key: len(branches[key]))
    pooled = [walker.child(module, "cv1", x)]
    for step in range(len(branches[longest])):
        pooled.append(walker.child(module, f"m.{longest}.{step}", pooled[-1]))
    joined = walker.ops.concat([pooled[0], *(pooled[len(branch)] for branch in branches.values())])
    return walker.child(module, "cv2", joined)


def _pooling(module: Record) -> tuple[tuple[int, int], ...] | None:
    """Kernel, stride and padding of a max pooling; None for anything else."""
    if module.class_name != "MaxPool2d" or module.get("ceil_mode") or pair(module, "dilation", 1) != (1, 1):
        return None
    return pair(module, "kernel_size"), pair(module, "stride"), pair(module, "padding", 0)


def _mix_conv2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Convolutions of several kernel sizes side by side (MixConv, Tan and Le 2019)."""
    parts = [walker.child(module, f"m.{key}", x) for key in module.child("m").module_children()]
    joined = walker.ops.batch_norm(walker.ops.concat(parts), batch_norm_of(module.child("bn")))
    return activate(walker, module, joined)


def _sum(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    """The first input plus the others, each times 2 sigmoid(w) where weighted (EfficientDet, Tan et al. 2019)."""
    ops, total = walker.ops, xs[0]
    learned = optional_weight(module, "w") if module.get("weight") else None
    factors = 2 / (1 + np.exp(-learned.load().astype(np.float64))) if learned else np.ones(len(xs) - 1)
    for x, factor in zip(xs[1:], factors, strict=True):
        total = ops.add(total, ops.mul(x, float(factor)) if learned else x)
    return total


def _frelu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """max(x, depthwise convolution of x) (Ma et al. 2020)."""
    condition = walker.ops.conv2d(x, conv_of(module.child("conv"), module.child("bn") if has(module, "bn") else None))
    return walker.ops.binary("max", x, condition)


def _acon_c(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """ACON-C (Ma et al. 2021) with a learned beta."""
    return _acon(walker.ops, module, x, weight(module, "beta").load())


def _meta_acon_c(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """ACON-C with a beta that two small layers compute from the mean of the map."""
    ops = walker.ops
    hidden = walker.child(module, "fc1", ops.global_avg_pool(x))
    return _acon(ops, module, x, ops.sigmoid(walker.child(module, "fc2", hidden), "beta"))


def _acon(ops: Ops, module: Record, x: Tensor, beta: Tensor) -> Tensor:
    """With d = (p1 - p2) * x: d * sigmoid(beta * d) + p2 * x."""
    first, second = weight(module, "p1").load(), weight(module, "p2").load()
    slope = ops.mul(x, first - second, "slope")
    return ops.add(ops.mul(slope, ops.sigmoid(ops.mul(slope, beta))), ops.mul(x, second))


YOLOV5_BLOCKS: Mapping[str, Block] = {
    **COMMON_BLOCKS,
    "Focus": _focus,
    "ConvFocus": _conv_focus,
    "Contract": _contract,
    "Expand": _expand,
    "SPP": _spp,
    "MixConv2d": _mix_conv2d,
    "Sum": _sum,
    "DWConvTranspose2d": TORCH_LAYERS["ConvTranspose2d"],
    "FReLU": _frelu,
    "AconC": _acon_c,
    "MetaAconC": _meta_acon_c,
}
"""Blocks by class name: those that YOLOv5 shares with others, and its own."""
