"""The blocks that YOLOv5 and Ultralytics have in common, as a block table (see `modules`).

The structures: CSPNet (Wang et al. 2019), spatial pyramid pooling (He et al. 2014), GhostNet (Han et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...errors import ModelError, UnsupportedError
from ...graph.weights import Array, Weight
from ..checkpoint.reader import Record
from ..vocabulary.ops import BatchNorm, Conv, Ops, Tensor
from .layers import TORCH_LAYERS
from .modules import (
    EXPORT_INSTEAD,
    Block,
    Walker,
    batch_norm_of,
    conv_of,
    conv_transpose_of,
    has,
    integer,
    merged_conv,
    weight,
)


def block_conv(module: Record) -> Conv:
    """The convolution of a Conv block with its batch normalisation (a fused model has none), or of a bare Conv2d."""
    if not has(module, "conv"):
        return conv_of(module)
    conv, norm = module.child("conv"), _norm(module)
    if not has(module, "cv2"):
        return conv_of(conv, norm)
    both = merged_conv([conv_of(conv), conv_of(module.child("cv2"))])
    return replace(both, batch_norm=batch_norm_of(norm)) if norm else both


def _norm(module: Record) -> Record | None:
    """The batch normalisation of a block, unless it is missing or an Identity."""
    norm = module.child("bn") if has(module, "bn") else None
    return norm if norm and norm.class_name in ("BatchNorm2d", "SyncBatchNorm") else None


def activate(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """The block's activation, if it has one."""
    return walker.child(module, "act", x) if has(module, "act") else x


def conv_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Convolution, batch normalisation, activation."""
    return activate(walker, module, walker.ops.conv2d(x, block_conv(module)))


def _conv_transpose_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    conv = conv_transpose_of(module.child("conv_transpose"), _norm(module))
    return activate(walker, module, walker.ops.conv_transpose2d(x, conv))


def add_shortcut(walker: Walker, module: Record, x: Tensor, y: Tensor) -> Tensor:
    """`x + y` where the block has its `add` set, else `y`."""
    return walker.ops.add(x, y) if module.get("add", False) else y


def bottleneck(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Two convolutions around a shortcut."""
    return add_shortcut(walker, module, x, walker.child(module, "cv2", walker.child(module, "cv1", x)))


def _bottleneck_csp(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """CSP with a batch normalisation over both branches, of which each convolution takes its half."""
    norm = batch_norm_of(module.child("bn"))
    deep, shallow = conv_of(module.child("cv3")), conv_of(module.child("cv2"))
    cut = deep.weight.shape[0]
    y = walker.child(module, "m", walker.child(module, "cv1", x))
    branches = [
        walker.ops.conv2d(y, replace(deep, batch_norm=_norm_part(norm, 0, cut)), "cv3"),
        walker.ops.conv2d(x, replace(shallow, batch_norm=_norm_part(norm, cut, norm.scale.shape[0])), "cv2"),
    ]
    return walker.child(module, "cv4", activate(walker, module, walker.ops.concat(branches)))


def _norm_part(norm: BatchNorm, start: int, stop: int) -> BatchNorm:
    """The batch normalisation of some of the channels."""
    scale, bias, mean, variance = (
        sliced(part, start, stop) for part in (norm.scale, norm.bias, norm.mean, norm.variance)
    )
    return BatchNorm(scale, bias, mean, variance, norm.epsilon)


def sliced(values: Weight, start: int, stop: int) -> Weight:
    """Rows `start` to `stop` of a weight."""
    return Weight((stop - start, *values.shape[1:]), values.dtype, lambda: values.load()[start:stop])


def c3(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """CSP with three convolutions; its relatives differ in what `m` is."""
    deep = walker.child(module, "m", walker.child(module, "cv1", x))
    return walker.child(module, "cv3", walker.ops.concat([deep, walker.child(module, "cv2", x)]))


def _c3f(walker: Walker, module: Record, x: Tensor) -> Tensor:
    y = [walker.child(module, "cv2", x), walker.child(module, "cv1", x)]
    return walker.child(module, "cv3", walker.ops.concat([*y, *walker.chain(module, "m", y[1])]))


def _c1(walker: Walker, module: Record, x: Tensor) -> Tensor:
    y = walker.child(module, "cv1", x)
    return walker.ops.add(walker.child(module, "m", y), y)


def _c2(walker: Walker, module: Record, x: Tensor) -> Tensor:
    left, right = halves(walker.ops, walker.child(module, "cv1", x))
    return walker.child(module, "cv2", walker.ops.concat([walker.child(module, "m", left), right]))


def c2f(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Both halves of the first convolution and every output of the chain on the second, joined."""
    left, right = halves(walker.ops, walker.child(module, "cv1", x))
    return walker.child(module, "cv2", walker.ops.concat([left, right, *walker.chain(module, "m", right)]))


def halves(ops: Ops, x: Tensor) -> list[Tensor]:
    """The two halves of the channels."""
    channels = ops.shape(x)[0]
    return ops.split(x, [(channels + 1) // 2, channels // 2])


def _spp(walker: Walker, module: Record, x: Tensor) -> Tensor:
    x = walker.child(module, "cv1", x)
    pooled = [walker.child(module, f"m.{key}", x) for key in module.child("m").module_children()]
    return walker.child(module, "cv2", walker.ops.concat([x, *pooled]))


def _sppf(walker: Walker, module: Record, x: Tensor) -> Tensor:
    pooled = [walker.child(module, "cv1", x)]
    for _ in range(integer(module, "n", 3)):
        pooled.append(walker.child(module, "m", pooled[-1]))
    return add_shortcut(walker, module, x, walker.child(module, "cv2", walker.ops.concat(pooled)))


def focus(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Every second pixel into channels in the order (row 0, column 0), (1, 0), (0, 1), (1, 1), then a Conv block."""
    return focus_block(walker, module, x, ((0, 0), (1, 0), (0, 1), (1, 1)))


def focus_block(walker: Walker, module: Record, x: Tensor, order: Sequence[tuple[int, int]]) -> Tensor:
    """A Focus whose channel blocks hold the pixels of these (row, column) parities."""
    inner = module.child("conv")
    with walker.ops.scope("conv"):
        return activate(walker, inner, walker.ops.conv2d(x, strided_conv(block_conv(inner), order)))


def strided_conv(conv: Conv, order: Sequence[tuple[int, int]]) -> Conv:
    """The convolution of twice the stride that does the same as `conv` after a space-to-depth by two.

    Raises:
        UnsupportedError: the convolution is grouped.
    """
    if conv.groups != 1:
        raise UnsupportedError(f"a grouped convolution after space-to-depth is not supported; {EXPORT_INSTEAD}")
    out, blocks, height, width = conv.weight.shape
    channels = blocks // 4
    shape = (out, channels, 2 * height, 2 * width)

    def interleave() -> Array:
        values = conv.weight.load()
        result = np.empty(shape, values.dtype)
        for index, (row, column) in enumerate(order):
            result[:, :, row::2, column::2] = values[:, index * channels : (index + 1) * channels]
        return result

    if conv.dilation != (1, 1):
        raise UnsupportedError(f"a dilated convolution after space-to-depth is not supported; {EXPORT_INSTEAD}")
    top, left, bottom, right = (2 * side for side in conv.pads)
    stride, pads = (2 * conv.stride[0], 2 * conv.stride[1]), (top, left, bottom, right)
    return replace(conv, weight=Weight(shape, conv.weight.dtype, interleave), stride=stride, pads=pads)


def _ghost_conv(walker: Walker, module: Record, x: Tensor) -> Tensor:
    y = walker.child(module, "cv1", x)
    return walker.ops.concat([y, walker.child(module, "cv2", y)])


def _ghost_bottleneck(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.add(walker.child(module, "conv", x), walker.child(module, "shortcut", x))


def _concat(walker: Walker, module: Record, x: Sequence[Tensor]) -> Tensor:
    axis = integer(module, "d", 1)
    if not isinstance(x, (list, tuple)) or not 1 <= axis <= len(walker.ops.shape(x[0])):
        raise ModelError(f"{walker.where} joins {module.get('f')!r:.40} along axis {axis}; the checkpoint is damaged")
    return walker.ops.concat(x, axis)


def attend(ops: Ops, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention on [B, ..., heads, channels, pixels]: for each query the values weighted by softmax(query . key).

    The scale is expected in the query (Vaswani et al. 2017).
    """
    axes = len(ops.shape(query)) + 1
    swapped = (*range(axes - 2), axes - 1, axes - 2)
    scores = ops.softmax(ops.matmul(ops.transpose(query, swapped, "query_t"), key, "scores"), axes - 1)
    return ops.matmul(value, ops.transpose(scores, swapped, "scores_t"), "mix")


def _transformer_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Pixels as tokens: a learned position, then transformer layers."""
    if has(module, "conv"):
        x = walker.child(module, "conv", x)
    x = walker.ops.add(x, walker.ops.conv2d(x, linear_conv(module.child("linear")), "linear"))
    return walker.child(module, "tr", x)


def _transformer_layer(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Multi-head attention and two linear layers, each around a shortcut, without normalisation."""
    ops, heads = walker.ops, integer(module.child("ma"), "num_heads", 1)
    channels, height, width = ops.shape(x)
    query_key_value = ops.split(ops.conv2d(x, _projections(module), "qkv"), [channels] * 3)
    mixed = attend(ops, *(ops.reshape(part, (heads, -1, height * width)) for part in query_key_value))
    out = linear_conv(module.child("ma").child("out_proj"))
    x = ops.add(ops.conv2d(ops.reshape(mixed, (channels, height, width)), out, "out_proj"), x)
    hidden = ops.conv2d(x, linear_conv(module.child("fc1")), "fc1")
    return ops.add(ops.conv2d(hidden, linear_conv(module.child("fc2")), "fc2"), x)


def _projections(module: Record) -> Conv:
    """The linear layers q, k, v, each times its part of the attention's input projection, as one 1x1 convolution."""
    attention = module.child("ma")
    first = [weight(module.child(name), "weight") for name in ("q", "k", "v")]
    second, bias = weight(attention, "in_proj_weight"), weight(attention, "in_proj_bias")
    channels = first[0].shape[0]
    scale = np.ones((3, channels), np.float32)
    scale[0] = (channels // integer(attention, "num_heads", 1)) ** -0.5

    def load() -> Array:
        parts = second.load().reshape(3, channels, channels) @ np.stack([part.load() for part in first])
        joined: Array = (parts * scale[:, :, None]).reshape(3 * channels, channels, 1, 1)
        return joined

    weights = Weight((3 * channels, channels, 1, 1), np.dtype(np.float32), load)
    return Conv(weights, bias.map(lambda values: values * scale.reshape(-1)))


def linear_conv(module: Record) -> Conv:
    """A linear layer over the channels of every pixel."""
    values = weight(module, "weight")
    bias = None if module.get("bias") is None else weight(module, "bias")
    return Conv(Weight((*values.shape, 1, 1), values.dtype, lambda: values.load()[:, :, None, None]), bias)


def classify(walker: Walker, module: Record, x: Tensor | Sequence[Tensor]) -> Tensor:
    """The classification head: logits [B, C] of one feature map, or of several joined along the channels."""
    x = walker.ops.concat(x) if isinstance(x, (list, tuple)) else x
    pooled = walker.child(module, "pool", walker.child(module, "conv", x))
    return walker.child(module, "linear", walker.ops.flatten(pooled))


def proto(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Mask prototypes [B, M, h, w] at twice the size of the feature map (YOLACT, Bolya et al. 2019)."""
    for name in ("cv1", "upsample", "cv2", "cv3"):
        x = walker.child(module, name, x)
    return x


COMMON_BLOCKS: Mapping[str, Block] = dict(TORCH_LAYERS) | {
    "Conv": conv_block,
    "Conv2": conv_block,
    "DWConv": conv_block,
    "ConvTranspose": _conv_transpose_block,
    "Bottleneck": bottleneck,
    "CrossConv": bottleneck,
    "BottleneckCSP": _bottleneck_csp,
    "C1": _c1,
    "C2": _c2,
    "C2f": c2f,
    "C3": c3,
    "C3x": c3,
    "C3TR": c3,
    "C3SPP": c3,
    "C3Ghost": c3,
    "C3f": _c3f,
    "TransformerBlock": _transformer_block,
    "TransformerLayer": _transformer_layer,
    "SPP": _spp,
    "SPPF": _sppf,
    "Focus": focus,
    "GhostConv": _ghost_conv,
    "GhostBottleneck": _ghost_bottleneck,
    "Concat": _concat,
}
"""Blocks by class name, torch's own layers included."""
