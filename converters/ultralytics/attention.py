"""Ultralytics' attention blocks: self-attention of YOLOv10, 11 and 26, area attention of YOLO12; pixels are the tokens.

The batch stays the first axis of every tensor: heads and areas are axes of their own, never multiplied into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..checkpoint.reader import Record
from ..torch_modules.blocks import add_shortcut, attend, block_conv, c2f, halves
from ..torch_modules.modules import Block, Walker, has, integer, weight
from ..vocabulary.ops import Conv, Tensor


def _attention(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Multi-head self-attention plus a depthwise convolution of the values as position (YOLOv10, Wang et al. 2024)."""
    ops, (channels, height, width) = walker.ops, walker.ops.shape(x)
    heads = integer(module, "num_heads", 8)
    depth = channels // heads
    key_depth = integer(module, "key_dim", depth // 2)
    projected = ops.conv2d(x, _query_scaled(block_conv(module.child("qkv")), heads, key_depth), "qkv")
    by_head = ops.reshape(projected, (heads, 2 * key_depth + depth, height * width), "heads")
    query, key, value = ops.split(by_head, [key_depth, key_depth, depth], axis=2)
    mixed = ops.reshape(attend(ops, query, key, value), (channels, height, width), "pixels")
    position = walker.child(module, "pe", ops.reshape(value, (channels, height, width), "values"))
    return walker.child(module, "proj", ops.add(mixed, position))


def _query_scaled(conv: Conv, heads: int, key_depth: int, scale_depth: int | None = None) -> Conv:
    """The projection with 1 / sqrt(key depth) in the query: of each of `heads` parts of its channels the first `key_depth`.

    `scale_depth` is a head's depth where one part holds the queries of several.
    """
    weights, bias = conv.folded()
    factor = np.ones((heads, weights.shape[0] // heads), np.float32)
    factor[:, :key_depth] = (scale_depth or key_depth) ** -0.5
    by_channel = factor.reshape(-1)
    scaled = weights.map(lambda values: values * by_channel[:, None, None, None])
    return replace(
        conv, weight=scaled, bias=bias.map(lambda values: values * by_channel) if bias else None, batch_norm=None
    )


def _area_attention(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Attention within `area` horizontal bands of the picture, one by one (YOLO12, Tian et al. 2025)."""
    ops, (_, height, width) = walker.ops, walker.ops.shape(x)
    bands = integer(module, "area", 1)
    if height * width % bands:
        raise walker.unsupported(f"a {height}x{width} feature map in {bands} areas; take another --img-size, or")
    project = _joint_projection if has(module, "qkv") else _projections_apart
    query, key, value, value_map = project(walker, module, x, integer(module, "num_heads", 1), bands)
    mixed = ops.transpose(attend(ops, query, key, value), (0, 1, 3, 2, 4), "bands_last")
    pixels = ops.reshape(mixed, ops.shape(value_map))
    return walker.child(module, "proj", ops.add(pixels, walker.child(module, "pe", value_map)))


_Projected = tuple[Tensor, Tensor, Tensor, Tensor]
"""Query, key, value [B, heads, bands, depth, pixels of a band], and the values as a map [B, heads * depth, H, W]."""


def _joint_projection(walker: Walker, module: Record, x: Tensor, heads: int, bands: int) -> _Projected:
    """One convolution whose channels are, head by head, query, key and value (Ultralytics' own module)."""
    ops, (_, height, width) = walker.ops, walker.ops.shape(x)
    projection = block_conv(module.child("qkv"))
    depth = projection.weight.shape[0] // (3 * heads)
    projected = ops.conv2d(x, _query_scaled(projection, heads, depth), "qkv")
    by_band = ops.reshape(projected, (heads, 3 * depth, bands, height * width // bands), "bands")
    query, key, value = ops.split(ops.transpose(by_band, (0, 1, 3, 2, 4), "bands_first"), [depth] * 3, axis=3)
    values = ops.slice(by_band, 2, 2 * depth, 3 * depth, name="values")
    return query, key, value, ops.reshape(values, (heads * depth, height, width))


def _projections_apart(walker: Walker, module: Record, x: Tensor, heads: int, bands: int) -> _Projected:
    """A convolution for all queries, then all keys, and one for the values (the authors' module, sunsmarterjie/yolov12)."""
    ops, (_, height, width) = walker.ops, walker.ops.shape(x)
    projection = block_conv(module.child("qk"))
    channels = projection.weight.shape[0] // 2
    scaled = _query_scaled(projection, 1, channels, channels // heads)
    query, key = ops.split(ops.conv2d(x, scaled, "qk"), [channels] * 2, axis=1)
    value_map = walker.child(module, "v", x)
    by_band = (heads, channels // heads, bands, height * width // bands)
    query, key, value = (
        ops.transpose(ops.reshape(part, by_band, f"{name}.bands"), (0, 1, 3, 2, 4), f"{name}.bands_first")
        for name, part in (("query", query), ("key", key), ("value", value_map))
    )
    return query, key, value, value_map


def _psa_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Attention and a feed-forward net, each around a shortcut."""
    for name in ("attn", "ffn"):
        x = add_shortcut(walker, module, x, walker.child(module, name, x))
    return x


def _psa(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """One half of the channels through attention and a feed-forward net."""
    kept, x = halves(walker.ops, walker.child(module, "cv1", x))
    for name in ("attn", "ffn"):
        x = walker.ops.add(x, walker.child(module, name, x))
    return walker.child(module, "cv2", walker.ops.concat([kept, x]))


def _c2psa(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """One half of the channels through a chain of PSA blocks."""
    kept, x = halves(walker.ops, walker.child(module, "cv1", x))
    return walker.child(module, "cv2", walker.ops.concat([kept, walker.child(module, "m", x)]))


def _a_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    for name in ("attn", "mlp"):
        x = walker.ops.add(x, walker.child(module, name, x))
    return x


def _a2c2f(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """The outputs of a chain of area attention or C3k blocks joined; a learned factor weighs them against the input."""
    first = walker.child(module, "cv1", x)
    y = walker.child(module, "cv2", walker.ops.concat([first, *walker.chain(module, "m", first)]))
    if module.get("gamma") is None:
        return y
    gamma = weight(module, "gamma").load().reshape(1, -1, 1, 1)
    return walker.ops.add(x, walker.ops.mul(y, gamma, "gamma"))


ATTENTION_BLOCKS: Mapping[str, Block] = {
    "Attention": _attention,
    "AAttn": _area_attention,
    "PSABlock": _psa_block,
    "PSA": _psa,
    "C2PSA": _c2psa,
    "C2fPSA": c2f,
    "ABlock": _a_block,
    "A2C2f": _a2c2f,
}
"""Blocks by class name."""
