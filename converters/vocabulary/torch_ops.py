"""The vocabulary as arithmetic: every operation is computed at once with torch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from ...contract.choices import Arithmetic
from ...graph.shapes import Pads
from ...graph.weights import Array, Weight
from .ops import Conv, Operand, Ops, Tensor

_UNARY: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": lambda x: F.softplus(x, threshold=30),
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "abs": torch.abs, "neg": torch.neg, "sin": torch.sin,
    "cos": torch.cos,
    "floor": torch.floor, "selu": F.selu, "hard_swish": F.hardswish, "hard_sigmoid": F.hardsigmoid, "erf": torch.erf,
    "leaky_relu": lambda x, alpha: F.leaky_relu(x, alpha), "elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "clip": lambda x, low, high: torch.clamp(x, low, high),
}  # fmt: skip
_BINARY: dict[str, Callable[..., Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "max": torch.maximum, "min": torch.minimum,
    "pow": torch.pow,
}  # fmt: skip
_TYPES: dict[Arithmetic, torch.dtype] = {"fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}
_REDUCE: dict[str, Callable[..., Tensor]] = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax}


@contextmanager
def plain_float32() -> Iterator[None]:
    """Inference without TF32, which rounds a GPU's float32 convolutions to ten bits of mantissa."""
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        yield


class TorchOps(Ops):
    """Computes a network; weights are folded and moved to the device at the first pass and kept by name for the next.

    Args:
        device: where to compute, "cpu" or "cuda:0".
        arithmetic: of every operation; "fp16" is what the YOLO frameworks call half, decoding included.
        tap: is told the name and the output of every convolution and linear layer.
    """

    def __init__(
        self, device: str = "cpu", arithmetic: Arithmetic = "fp32", tap: Callable[[str, Tensor], object] | None = None
    ) -> None:
        super().__init__()
        self.device = torch.device(device)
        self.dtype = _TYPES[arithmetic]
        self._kept: dict[str, Tensor] = {}
        self._tap = tap

    def begin(self, images: Array) -> Tensor:
        """Start a pass on images float32 [B, C, H, W]; returns the network's input."""
        self._used.clear()
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device, self.dtype)

    def shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[1:])

    def conv2d(self, x: Tensor, conv: Conv, name: str = "conv") -> Tensor:
        name = self.full_name(name)
        weight, bias = self._folded(conv, name, transposed=False)
        padding: tuple[int, int] = (0, 0)
        if conv.pads[:2] == conv.pads[2:]:
            padding = conv.pads[:2]
        else:
            x = F.pad(x, _torch_pads(conv.pads))
        return self._told(name, F.conv2d(x, weight, bias, conv.stride, padding, conv.dilation, conv.groups))

    def conv_transpose2d(self, x: Tensor, conv: Conv, name: str = "conv_transpose") -> Tensor:
        name = self.full_name(name)
        weight, bias = self._folded(conv, name, transposed=True)
        top, left, bottom, right = conv.pads
        grown = F.conv_transpose2d(x, weight, bias, conv.stride, 0, 0, conv.groups, conv.dilation)
        return self._told(name, grown[:, :, top : grown.shape[2] - bottom, left : grown.shape[3] - right])

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        name = self.full_name(name)
        offset = self._keep(f"{name}.bias", bias) if bias else None
        return self._told(name, F.linear(x, self._keep(f"{name}.weight", weight), offset))

    def max_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        name: str = "max_pool",
    ) -> Tensor:
        return F.max_pool2d(F.pad(x, _torch_pads(pads), value=float("-inf")) if any(pads) else x, kernel, stride)

    def avg_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        count_pads: bool = False,
        name: str = "avg_pool",
    ) -> Tensor:
        padded = F.avg_pool2d(F.pad(x, _torch_pads(pads)), kernel, stride)
        if count_pads or not any(pads):
            return padded
        return padded / F.avg_pool2d(F.pad(torch.ones_like(x), _torch_pads(pads)), kernel, stride)

    def global_avg_pool(self, x: Tensor, name: str = "global_avg_pool") -> Tensor:
        return x.mean(dim=(2, 3), keepdim=True)

    def resize_nearest(self, x: Tensor, scale: int, name: str = "resize") -> Tensor:
        return F.interpolate(x, scale_factor=scale, mode="nearest")

    def pad(self, x: Tensor, pads: Pads, value: float = 0.0, name: str = "pad") -> Tensor:
        return F.pad(x, _torch_pads(pads), value=value)

    def concat(self, xs: Sequence[Tensor], axis: int = 1, name: str = "concat") -> Tensor:
        return torch.cat(list(xs), dim=axis)

    def split(self, x: Tensor, sizes: Sequence[int], axis: int = 1, name: str = "split") -> list[Tensor]:
        return list(torch.split(x, list(sizes), dim=axis))

    def slice(self, x: Tensor, axis: int, start: int, stop: int, step: int = 1, name: str = "slice") -> Tensor:
        return x[(slice(None),) * axis + (slice(start, stop, step),)]

    def reshape(self, x: Tensor, shape: Sequence[int], name: str = "reshape") -> Tensor:
        return x.reshape(x.shape[0], *shape)

    def transpose(self, x: Tensor, order: Sequence[int], name: str = "transpose") -> Tensor:
        return x.permute(*order)

    def matmul(self, a: Tensor, b: Operand, name: str = "matmul") -> Tensor:
        return torch.matmul(a, self._operand(b))

    def softmax(self, x: Tensor, axis: int, name: str = "softmax") -> Tensor:
        return torch.softmax(x, dim=axis)

    def reduce(self, kind: str, x: Tensor, axes: Sequence[int], name: str | None = None) -> Tensor:
        return _REDUCE[kind](x, dim=tuple(axes), keepdim=True)

    def unary(self, kind: str, x: Tensor, name: str | None = None, **attributes: float) -> Tensor:
        return _UNARY[kind](x, **attributes)

    def binary(self, kind: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        return _BINARY[kind](self._operand(a), self._operand(b))

    def _operand(self, value: Operand) -> Tensor:
        if isinstance(value, torch.Tensor):
            return value
        return torch.as_tensor(np.array(value, np.float32), dtype=self.dtype, device=self.device)

    def _folded(self, conv: Conv, name: str, transposed: bool) -> tuple[Tensor, Tensor | None]:
        if f"{name}.weight" in self._kept:
            return self._kept[f"{name}.weight"], self._kept.get(f"{name}.bias")
        weight, bias = conv.folded(transposed)
        return self._keep(f"{name}.weight", weight), self._keep(f"{name}.bias", bias) if bias else None

    def _told(self, name: str, output: Tensor) -> Tensor:
        if self._tap:
            self._tap(name, output)
        return output

    def _keep(self, name: str, weight: Weight) -> Tensor:
        if name not in self._kept:
            self._kept[name] = torch.from_numpy(np.array(weight.load(), np.float32)).to(self.device, self.dtype)
        return self._kept[name]


def _torch_pads(pads: Pads) -> tuple[int, int, int, int]:
    """Torch counts from the last axis: left, right, top, bottom."""
    top, left, bottom, right = pads
    return left, right, top, bottom
