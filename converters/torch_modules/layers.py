"""Torch's own layers in the vocabulary, as a block table (see `modules`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...graph.shapes import Pads
from ..checkpoint.reader import Record
from ..vocabulary.ops import Tensor
from .modules import Block, Walker, batch_norm_of, conv_of, conv_transpose_of, number, optional_weight, pair, weight


def identity(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """What does nothing outside of training."""
    return x


def _sequential(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """One after the other; a BatchNorm2d right after a Conv2d is folded into it."""
    for name, inner, norm in _steps(module):
        if norm is None:
            x = walker.child(module, name, x)
        else:
            with walker.ops.scope(".".join([*walker.path[walker.scoped :], name])):
                x = walker.ops.conv2d(x, conv_of(inner, norm))
    return x


def _steps(module: Record) -> list[tuple[str, Record, Record | None]]:
    """The members of a Sequential: name, record, and the BatchNorm2d that follows a Conv2d."""
    steps: list[tuple[str, Record, Record | None]] = []
    for name, inner in module.module_children().items():
        if inner.class_name == "BatchNorm2d" and steps and steps[-1][1].class_name == "Conv2d":
            steps[-1] = (*steps[-1][:2], inner)
        else:
            steps.append((name, inner, None))
    return steps


def _conv2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.conv2d(x, conv_of(module))


def _conv_transpose2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.conv_transpose2d(x, conv_transpose_of(module))


def _batch_norm2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.batch_norm(x, batch_norm_of(module))


def _linear(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.linear(x, weight(module, "weight"), optional_weight(module, "bias"))


def _max_pool2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    if pair(module, "dilation", 1) != (1, 1):
        raise walker.unsupported("dilated max pooling")
    kernel, stride, pads = _window(walker, module, x)
    return walker.ops.max_pool(x, kernel, stride, pads)


def _avg_pool2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    if module.get("ceil_mode"):
        raise walker.unsupported("average pooling with ceil_mode")
    kernel, stride, pads = _window(walker, module, x)
    return walker.ops.avg_pool(x, kernel, stride, pads, bool(module.get("count_include_pad", True)))


def _window(walker: Walker, module: Record, x: Tensor) -> tuple[tuple[int, int], tuple[int, int], Pads]:
    """Kernel, stride and pads of a pooling; `ceil_mode` becomes padding below and on the right."""
    kernel = pair(module, "kernel_size", least=1)
    stride = kernel if module.get("stride") is None else pair(module, "stride", least=1)
    top, left = below, right = pair(module, "padding", 0)
    if module.get("ceil_mode"):
        _, height, width = walker.ops.shape(x)
        below = _ceil_padding(height, kernel[0], stride[0], top)
        right = _ceil_padding(width, kernel[1], stride[1], left)
    return kernel, stride, (top, left, below, right)


def _ceil_padding(length: int, kernel: int, stride: int, padding: int) -> int:
    """Padding at the end that admits a last partial window, if it starts inside the input or its first padding."""
    missing = (kernel - length - 2 * padding) % stride
    last_start = length + 2 * padding + missing - kernel
    return padding + missing if last_start < length + padding else padding


def _adaptive_avg_pool2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    if pair(module, "output_size") != (1, 1):
        raise walker.unsupported("adaptive pooling to more than one pixel")
    return walker.ops.global_avg_pool(x)


_SCALES = range(1, 65)
"""Factors of upsampling; a scale of 2.0 is in here too."""


def _upsample(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Nearest neighbour, by a whole factor."""
    mode, factor = module.get("mode", "nearest"), module.get("scale_factor")
    factors = set(factor) if isinstance(factor, (list, tuple)) else {factor}
    scale = factors.pop()
    if mode != "nearest" or factors or not isinstance(scale, (int, float)) or scale not in _SCALES:
        raise walker.unsupported(f"upsampling with mode={mode!r}, scale_factor={factor!r}")
    return walker.ops.resize_nearest(x, int(scale))


def _zero_pad2d(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Torch gives left, right, top, bottom, or one number."""
    padding = module.attribute("padding")
    sides = padding if isinstance(padding, (list, tuple)) else [padding] * 4
    if len(sides) != 4 or not all(isinstance(side, int) and side >= 0 for side in sides):
        raise walker.unsupported(f"padding by {padding!r:.60}")
    left, right, top, bottom = sides
    return walker.ops.pad(x, (top, left, bottom, right))


def _flatten(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.flatten(x)


def _function(kind: str) -> Block:
    """A function of one value without parameters."""
    return lambda walker, module, x: walker.ops.unary(kind, x)


def _silu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.silu(x)


def _mish(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.mish(x)


def _leaky_relu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.unary("leaky_relu", x, alpha=number(module, "negative_slope", 0.01))


def _elu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.unary("elu", x, alpha=number(module, "alpha", 1.0))


def _relu6(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.clip(x, 0.0, 6.0)


def _hardtanh(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.ops.clip(x, number(module, "min_val", -1.0), number(module, "max_val", 1.0))


def _prelu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Negative values times a slope [channels] or [1]."""
    slope = weight(module, "weight").load().reshape(1, -1, 1, 1)
    negative = walker.ops.mul(walker.ops.binary("min", x, 0.0), slope)
    return walker.ops.add(walker.ops.unary("relu", x), negative)


def _gelu(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """X * Phi(x), exact with erf or the tanh approximation (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2)."""
    ops = walker.ops
    if module.get("approximate", "none") == "tanh":
        cubic = ops.mul(ops.mul(ops.mul(x, x), x), 0.044715)
        step = ops.unary("tanh", ops.mul(ops.add(x, cubic), (2 / np.pi) ** 0.5))
    else:
        step = ops.unary("erf", ops.mul(x, 0.5**0.5))
    return ops.mul(ops.mul(x, ops.add(step, 1.0)), 0.5)


TORCH_LAYERS: Mapping[str, Block] = {
    "Sequential": _sequential,
    "Identity": identity,
    "Dropout": identity,
    "Dropout2d": identity,
    "Conv2d": _conv2d,
    "ConvTranspose2d": _conv_transpose2d,
    "BatchNorm2d": _batch_norm2d,
    "Linear": _linear,
    "MaxPool2d": _max_pool2d,
    "AvgPool2d": _avg_pool2d,
    "AdaptiveAvgPool2d": _adaptive_avg_pool2d,
    "Upsample": _upsample,
    "ZeroPad2d": _zero_pad2d,
    "Flatten": _flatten,
    "SiLU": _silu,
    "Mish": _mish,
    "MemoryEfficientMish": _mish,
    "ReLU": _function("relu"),
    "ReLU6": _relu6,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "SELU": _function("selu"),
    "GELU": _gelu,
    "Hardswish": _function("hard_swish"),
    "Hardsigmoid": _function("hard_sigmoid"),
    "Hardtanh": _hardtanh,
    "Sigmoid": _function("sigmoid"),
    "Tanh": _function("tanh"),
    "Softplus": _function("softplus"),
}
"""Layers and activations by class name; the activations of YOLOv5's `utils.activations` have the same names."""
