"""The module classes that YOLOv7 and YOLOR have beside YOLOv5's, as a block table (see `converters.torch_modules`).

Structures: WongKinYiu/yolov7 `models/common.py`; cross stage partial networks (Wang et al. 2019), re-parameterised
convolutions (RepVGG, Ding et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..checkpoint.reader import Record
from ..torch_modules.blocks import activate, add_shortcut, bottleneck, halves
from ..torch_modules.modules import Block, Walker, conv_of, has, identity_conv, merged_conv
from ..vocabulary.ops import Conv, Tensor
from ..yolov5.blocks import YOLOV5_BLOCKS

NORMS = ("BatchNorm2d", "SyncBatchNorm")


def pooling(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """MP and SP: a max pooling."""
    return walker.child(module, "m", x)


def reorg(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """[C, H, W] -> [4 C, H / 2, W / 2]: the pixels of (row, column) parity (0, 0), (1, 0), (0, 1), (1, 1)."""
    channels, height, width = walker.ops.shape(x)
    cells = walker.ops.reshape(x, (channels, height // 2, 2, width // 2, 2), "cells")
    blocks = walker.ops.transpose(cells, (0, 5, 3, 1, 2, 4), "blocks")
    return walker.ops.reshape(blocks, (4 * channels, height // 2, width // 2), "reorg")


def shortcut(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    """The sum of the first two inputs; further ones are not read."""
    return walker.ops.add(xs[0], xs[1])


def _chuncat(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    """First halves of all inputs, then second halves."""
    parts = [halves(walker.ops, x) for x in xs]
    return walker.ops.concat([part[index] for index in (0, 1) for part in parts])


def _foldcut(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """The sum of the two halves."""
    return walker.ops.add(*halves(walker.ops, x))


def _stem(walker: Walker, module: Record, x: Tensor) -> Tensor:
    x = walker.child(module, "cv1", x)
    deep = walker.child(module, "cv3", walker.child(module, "cv2", x))
    return walker.child(module, "cv4", walker.ops.concat([deep, walker.child(module, "pool", x)]))


def _down_c(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """A strided convolution beside a pooled one."""
    strided = walker.child(module, "cv2", walker.child(module, "cv1", x))
    return walker.ops.concat([strided, walker.child(module, "cv3", walker.child(module, "mp", x))])


def residual(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Three convolutions around a shortcut (He et al. 2015)."""
    y = x
    for name in ("cv1", "cv2", "cv3"):
        y = walker.child(module, name, y)
    return add_shortcut(walker, module, x, y)


def sppcspc(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Spatial pyramid pooling in one of two branches."""
    deep = x
    for name in ("cv1", "cv3", "cv4"):
        deep = walker.child(module, name, deep)
    pooled = [walker.child(module, f"m.{key}", deep) for key in module.child("m").module_children()]
    deep = walker.child(module, "cv6", walker.child(module, "cv5", walker.ops.concat([deep, *pooled])))
    return walker.child(module, "cv7", walker.ops.concat([deep, walker.child(module, "cv2", x)]))


def _csp_a(walker: Walker, module: Record, x: Tensor) -> Tensor:
    deep = walker.child(module, "m", walker.child(module, "cv1", x))
    return walker.child(module, "cv3", walker.ops.concat([deep, walker.child(module, "cv2", x)]))


def _csp_b(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Both branches start from the first convolution."""
    x = walker.child(module, "cv1", x)
    deep = walker.child(module, "m", x)
    return walker.child(module, "cv3", walker.ops.concat([deep, walker.child(module, "cv2", x)]))


def _csp_c(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """The deep branch ends in a convolution of its own."""
    deep = walker.child(module, "cv3", walker.child(module, "m", walker.child(module, "cv1", x)))
    return walker.child(module, "cv4", walker.ops.concat([deep, walker.child(module, "cv2", x)]))


def _rep_conv(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """A 3x3, a 1x1 and an identity branch, merged; one convolution where the file was re-parameterised already."""
    return activate(walker, module, walker.ops.conv2d(x, _rep_conv_weights(module)))


def _rep_conv_weights(module: Record) -> Conv:
    if has(module, "rbr_reparam"):
        return conv_of(module.child("rbr_reparam"))
    branches = [_branch(module.child(name)) for name in ("rbr_dense", "rbr_1x1")]
    if has(module, "rbr_identity"):
        branches.append(identity_conv(module.child("rbr_identity"), branches[0].groups))
    return merged_conv(branches)


def _branch(module: Record) -> Conv:
    """A Sequential of a convolution and its batch normalisation, or a bare convolution."""
    parts = list(module.module_children().values())
    return (
        conv_of(parts[0], parts[1] if len(parts) > 1 and parts[1].class_name in NORMS else None)
        if parts
        else conv_of(module)
    )


_KINDS: Mapping[str, Block] = {"A": _csp_a, "B": _csp_b, "C": _csp_c}


def _families(*names: str) -> dict[str, Block]:
    """The three forms of CSP stages that differ in what their `m` is made of."""
    return {f"{name}CSP{kind}": block for name in names for kind, block in _KINDS.items()}


_alias: Callable[[str], Block] = YOLOV5_BLOCKS.__getitem__

YOLOV7_BLOCKS: Mapping[str, Block] = {
    **YOLOV5_BLOCKS,
    **_families("Bottleneck", "Res", "ResX", "Ghost", "RepBottleneck", "RepRes", "RepResX"),
    "MP": pooling,
    "SP": pooling,
    "ReOrg": reorg,
    "Shortcut": shortcut,
    "Chuncat": _chuncat,
    "Foldcut": _foldcut,
    "Stem": _stem,
    "GhostStem": _stem,
    "DownC": _down_c,
    "Res": residual,
    "ResX": residual,
    "RepRes": residual,
    "RepResX": residual,
    "RepBottleneck": bottleneck,
    "Ghost": _alias("GhostBottleneck"),
    "SPPCSPC": sppcspc,
    "GhostSPPCSPC": sppcspc,
    "RepConv": _rep_conv,
}
"""Blocks by class name: those of YOLOv5, and its own."""
