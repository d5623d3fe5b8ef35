"""The vocabulary that families are written in: one abstract operation a method.

A family computes its raw heads by calling these on opaque tensors. `OnnxOps` turns the calls into ONNX nodes, `TorchOps` into
numbers. The first axis of every tensor is the batch; it is never named in a shape, so no graph can bake it in. Other axes are
numbered as usual (channels 1, height 2, width 3), all values are float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelError
from ...graph.shapes import Pads, Window
from ...graph.weights import Array, Weight

Tensor = Any
"""A tensor of the interpreter at hand; families only hand it on."""

Operand = Any
"""A tensor, a float, or a numpy array that broadcasts against the tensors (with a leading axis of 1 for the batch)."""

BLOCK = 1 << 20
"""Bytes of a large weight that are computed at once: fits into a core's cache, and malloc reuses it."""


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation `(x - mean) / sqrt(variance + epsilon) * scale + bias`, each of shape [channels]."""

    scale: Weight
    bias: Weight
    mean: Weight
    variance: Weight
    epsilon: float

    def affine(self) -> tuple[Array, Array]:
        """The factor and the offset [channels] that do the same, in float64."""
        scale, bias, mean, variance = (
            weight.load().astype(np.float64) for weight in (self.scale, self.bias, self.mean, self.variance)
        )
        factor = scale / np.sqrt(variance + self.epsilon)
        return factor, bias - mean * factor


@dataclass(frozen=True)
class Conv:
    """The weights and the geometry of a convolution.

    Attributes:
        weight: [out, in / groups, kh, kw]; for a transposed one [in, out / groups, kh, kw].
        bias: [out] or None.
        batch_norm: follows the convolution; it is folded into weight and bias.
        stride: vertical, horizontal.
        pads: top, left, bottom, right.
        dilation: vertical, horizontal.
        groups: of the channels.
    """

    weight: Weight
    bias: Weight | None = None
    batch_norm: BatchNorm | None = None
    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def window(self) -> Window:
        """How it moves."""
        return Window(self.stride, self.pads, self.dilation, self.groups)

    def folded(self, transposed: bool = False) -> tuple[Weight, Weight | None]:
        """Weight and bias with the batch normalisation multiplied in (computed in float64 a channel, stored as float32)."""
        weight, norm = self.weight.as_float32(), self.batch_norm
        if norm is None:
            return weight, self.bias.as_float32() if self.bias else None
        channels = norm.scale.shape[0]
        by_channel = (1, channels, 1, 1) if transposed else (channels, 1, 1, 1)
        if transposed and self.groups > 1:
            raise ModelError("a grouped transposed convolution followed by batch normalisation cannot be folded")

        def load_bias() -> Array:
            factor, offset = norm.affine()
            old = self.bias.load().astype(np.float64) if self.bias else 0.0
            return (old * factor + offset).astype(np.float32)

        def blocks() -> Iterator[Array]:
            factor, array = norm.affine()[0].reshape(by_channel), weight.load()
            rows = max(1, BLOCK // max(1, array[0].nbytes))
            for start in range(0, len(array), rows):
                piece = array[start : start + rows]
                scale = factor if transposed else factor[start : start + rows]
                # In float64 and rounded once, as DarkNet and torch do it; numpy casts in its small buffer.
                yield np.multiply(piece, scale, out=np.empty(piece.shape, np.float32), casting="same_kind")

        folded = Weight(weight.shape, np.dtype(np.float32), lambda: np.concatenate(list(blocks())), blocks)
        return folded, Weight((channels,), np.dtype(np.float32), load_bias)


class Ops(ABC):
    """The operations. Every `name` is the last part of a node's name; `scope` gives what stands before it."""

    def __init__(self) -> None:
        self._scope: list[str] = []
        self._used: dict[str, int] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names made inside the block start with `/name`."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def full_name(self, name: str) -> str:
        """A name that no other operation of this pass has: `/scope/name`, then `/scope/name_1`, ..."""
        path = "/".join(["", *self._scope, name])
        count = self._used.get(path, 0)
        self._used[path] = count + 1
        return f"{path}_{count}" if count else path

    @abstractmethod
    def shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape of `x` without its batch axis: (channels, height, width) of a feature map."""

    @abstractmethod
    def conv2d(self, x: Tensor, conv: Conv, name: str = "conv") -> Tensor:
        """Convolution [B, C, H, W] -> [B, out, H', W']."""

    @abstractmethod
    def conv_transpose2d(self, x: Tensor, conv: Conv, name: str = "conv_transpose") -> Tensor:
        """Transposed convolution [B, C, H, W] -> [B, out, H', W']."""

    @abstractmethod
    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        """Fully connected layer [B, in] -> [B, out] with `weight` [out, in]."""

    @abstractmethod
    def max_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        name: str = "max_pool",
    ) -> Tensor:
        """Maximum over windows; padding never wins."""

    @abstractmethod
    def avg_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        count_pads: bool = False,
        name: str = "avg_pool",
    ) -> Tensor:
        """Mean over windows; padded pixels count as zeros only with `count_pads`."""

    @abstractmethod
    def global_avg_pool(self, x: Tensor, name: str = "global_avg_pool") -> Tensor:
        """Mean over height and width, [B, C, H, W] -> [B, C, 1, 1]."""

    @abstractmethod
    def resize_nearest(self, x: Tensor, scale: int, name: str = "resize") -> Tensor:
        """Every pixel `scale` times in both directions."""

    @abstractmethod
    def pad(self, x: Tensor, pads: Pads, value: float = 0.0, name: str = "pad") -> Tensor:
        """Border of a constant value around height and width."""

    @abstractmethod
    def concat(self, xs: Sequence[Tensor], axis: int = 1, name: str = "concat") -> Tensor:
        """Join along an axis."""

    @abstractmethod
    def split(self, x: Tensor, sizes: Sequence[int], axis: int = 1, name: str = "split") -> list[Tensor]:
        """Cut along an axis into parts of these sizes."""

    @abstractmethod
    def slice(self, x: Tensor, axis: int, start: int, stop: int, step: int = 1, name: str = "slice") -> Tensor:
        """`x[start:stop:step]` along an axis."""

    @abstractmethod
    def reshape(self, x: Tensor, shape: Sequence[int], name: str = "reshape") -> Tensor:
        """New shape after the batch axis; one entry may be -1."""

    @abstractmethod
    def transpose(self, x: Tensor, order: Sequence[int], name: str = "transpose") -> Tensor:
        """Permute the axes; `order` includes the batch, which must stay first."""

    @abstractmethod
    def matmul(self, a: Tensor, b: Operand, name: str = "matmul") -> Tensor:
        """Matrix product over the last two axes."""

    @abstractmethod
    def softmax(self, x: Tensor, axis: int, name: str = "softmax") -> Tensor:
        """Softmax along an axis."""

    @abstractmethod
    def reduce(self, kind: str, x: Tensor, axes: Sequence[int], name: str | None = None) -> Tensor:
        """`mean`, `sum` or `max` over axes, which stay with length 1."""

    @abstractmethod
    def unary(self, kind: str, x: Tensor, name: str | None = None, **attributes: float) -> Tensor:
        """A function of each value, one of `UNARY`; leaky_relu and elu take `alpha`, clip takes `low` and `high`."""

    @abstractmethod
    def binary(self, kind: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        """`add`, `sub`, `mul`, `div`, `max`, `min` or `pow` of each pair of values; one side must be a tensor."""

    # Everything below is written in the operations above, so an interpreter need not know it.

    def add(self, a: Operand, b: Operand, name: str = "add") -> Tensor:
        """Sum."""
        return self.binary("add", a, b, name)

    def sub(self, a: Operand, b: Operand, name: str = "sub") -> Tensor:
        """Difference."""
        return self.binary("sub", a, b, name)

    def mul(self, a: Operand, b: Operand, name: str = "mul") -> Tensor:
        """Product."""
        return self.binary("mul", a, b, name)

    def div(self, a: Operand, b: Operand, name: str = "div") -> Tensor:
        """Quotient."""
        return self.binary("div", a, b, name)

    def sigmoid(self, x: Tensor, name: str = "sigmoid") -> Tensor:
        """Logistic function."""
        return self.unary("sigmoid", x, name)

    def silu(self, x: Tensor, name: str = "silu") -> Tensor:
        """X * sigmoid(x), DarkNet's swish."""
        return self.mul(x, self.sigmoid(x, f"{name}.sigmoid"), name)

    def mish(self, x: Tensor, name: str = "mish") -> Tensor:
        """X * tanh(softplus(x)) (Misra 2019)."""
        return self.mul(x, self.unary("tanh", self.unary("softplus", x, f"{name}.softplus"), f"{name}.tanh"), name)

    def clip(self, x: Tensor, low: float, high: float, name: str = "clip") -> Tensor:
        """Limit to low..high."""
        return self.unary("clip", x, name, low=low, high=high)

    def batch_norm(self, x: Tensor, norm: BatchNorm, name: str = "batch_norm") -> Tensor:
        """Batch normalisation that follows no convolution, as one multiplication and one addition."""
        factor, offset = (array.astype(np.float32).reshape(1, -1, 1, 1) for array in norm.affine())
        return self.add(self.mul(x, factor, f"{name}.scale"), offset, name)

    def flatten(self, x: Tensor, name: str = "flatten") -> Tensor:
        """[B, ...] -> [B, all]."""
        return self.reshape(x, (-1,), name)


UNARY = (
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "softplus",
    "exp",
    "log",
    "sqrt",
    "abs",
    "neg",
    "floor",
    "sin",
    "cos",
    "elu",
    "selu",
    "hard_swish",
    "hard_sigmoid",
    "erf",
    "clip",
)
"""The functions of one value that every interpreter knows."""
