"""The vocabulary as arithmetic in INT8, with scales that can be learned, and with what the loss looks at.

Where `Points` has a quantise/dequantise pair in the ONNX graph, `StudentOps` rounds in the same way. Rounding hands its gradient
on (straight-through), so autograd gives scales the gradient of learned step size quantisation (Esser et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from ....converters.vocabulary.ops import Conv, Operand, Tensor
from ....converters.vocabulary.torch_ops import TorchOps
from ....errors import UnsupportedError
from ....graph.weights import Array, Weight
from ....graph_passes.precision.qdq.insert import LEVELS, Quantisation, channel_scales
from ....graph_passes.precision.qdq.points import Points
from .loss import Values


class TapOps(TorchOps):
    """Computes a network and keeps what some layers read or write.

    Args:
        inputs: layers whose input is kept.
        outputs: layers whose output is kept.
        device: where to compute.
    """

    def __init__(self, inputs: Sequence[str], outputs: Sequence[str], device: str) -> None:
        super().__init__(device)
        self._inputs, self._outputs = frozenset(inputs), frozenset(outputs)
        self._read: dict[str, Tensor] = {}
        self._written: dict[str, Tensor] = {}

    @property
    def values(self) -> Values:
        """What was kept of the last pass."""
        return Values(self._read, self._written)

    def start(self, images: Tensor) -> Tensor:
        """Start a pass on images that are on the device already."""
        self._used.clear()
        self._read, self._written = {}, {}
        return images

    def next_name(self, name: str) -> str:
        """The full name that the next operation called `name` gets."""
        path = "/".join(["", *self._scope, name])
        count = self._used.get(path, 0)
        return f"{path}_{count}" if count else path

    def conv2d(self, x: Tensor, conv: Conv, name: str = "conv") -> Tensor:
        layer = self.next_name(name)
        return self._tapped(layer, x, super().conv2d(self.entering(layer, x), conv, name))

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        layer = self.next_name(name)
        return self._tapped(layer, x, super().linear(self.entering(layer, x), weight, bias, name))

    def binary(self, kind: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        node = self.full_name(name or kind)
        return super().binary(kind, *self.summands(node, a, b), name)

    def entering(self, layer: str, x: Tensor) -> Tensor:
        """What a layer computes with instead of `x`."""
        return x

    def summands(self, node: str, a: Operand, b: Operand) -> tuple[Operand, Operand]:
        """What an operation of two values computes with instead of `a` and `b`."""
        return a, b

    def _tapped(self, layer: str, x: Tensor, y: Tensor) -> Tensor:
        if layer in self._inputs:
            self._read[layer] = x
        if layer in self._outputs:
            self._written[layer] = y
        return y


class StudentOps(TapOps):
    """Computes a network in INT8 with learned scales, weights and biases.

    Args:
        points: where it is quantised.
        numbers: what learning starts from.
        inputs: layers whose input is kept, before it is quantised.
        outputs: layers whose output is kept.
        device: where to compute.
    """

    def __init__(
        self, points: Points, numbers: Quantisation, inputs: Sequence[str], outputs: Sequence[str], device: str
    ) -> None:
        super().__init__(inputs, outputs, device)
        self._points = points
        self._numbers = numbers
        self._skips = {skip.node: skip for skip in points.skips}
        self._group = {name: points.group_of(name) for name in points.quantised}
        starts = [next(numbers.thresholds[name] for name in group if name in self._group) for group in points.groups]
        self.scales = self._learned(np.log(np.array(starts) / LEVELS))
        self.weight_scales: dict[str, Tensor] = {}
        self._met: set[str] = set()

    def adopt(self) -> None:
        """After a first pass: make the weights and biases of the INT8 layers learnable.

        Raises:
            UnsupportedError: the network computed other layers than the graph has.
        """
        wanted = {*self._points.layers, *self._skips}
        if missing := wanted - self._met:
            raise UnsupportedError(
                f"--recover distill: the network computes no {sorted(missing)[0]}, which the graph has"
            )
        for layer in self._points.layers:
            for part in ("weight", "bias"):
                if (kept := self._kept.get(f"{layer}.{part}")) is not None:
                    self._kept[f"{layer}.{part}"] = kept.detach().clone().requires_grad_()

    def learned(self) -> Mapping[str, Tensor]:
        """Everything that is learned, by name: logarithms of scales, weights, biases."""
        own = {name: value for name, value in self._kept.items() if value.requires_grad}
        scales = {f"{layer}.scale": value for layer, value in self.weight_scales.items()}
        return {"scales": self.scales} | scales | own

    def take(self, biases: Mapping[str, Array]) -> None:
        """Go on with these biases."""
        with torch.no_grad():
            for layer, values in biases.items():
                self._kept[f"{layer}.bias"].copy_(torch.from_numpy(np.asarray(values, np.float32)))

    def moved(self, times: int, share: float) -> Iterator[None]:
        """Move all scales at random by this share (one standard deviation), so many times, and back at the end."""
        own, generator = self.scales.detach().clone(), torch.Generator().manual_seed(0)
        for _ in range(times):
            with torch.no_grad():
                self.scales.copy_(own + share * torch.randn(own.shape, generator=generator).to(own.device))
            yield
        with torch.no_grad():
            self.scales.copy_(own)

    def numbers(self) -> Quantisation:
        """What was learned."""
        scales = np.exp(_numpy(self.scales)) * LEVELS
        parts = {part: dict(self._parts(part)) for part in ("weight", "bias")}
        return Quantisation(
            {name: float(scales[number]) for name, number in self._group.items()},
            parts["bias"],
            parts["weight"],
            {layer: np.exp(_numpy(value)).astype(np.float32) for layer, value in self.weight_scales.items()},
        )

    def entering(self, layer: str, x: Tensor) -> Tensor:
        if layer not in self._points.layers:
            return x
        self._met.add(layer)
        return self._quantised(x, self._points.layers[layer])

    def summands(self, node: str, a: Operand, b: Operand) -> tuple[Operand, Operand]:
        if node not in self._skips:
            return a, b
        self._met.add(node)
        skip = self._skips[node]
        return (self._quantised(a, skip.tensor), b) if skip.position == 0 else (a, self._quantised(b, skip.tensor))

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        raise UnsupportedError("--recover distill is for convolutional detectors; leave it out for a classifier")

    def _folded(self, conv: Conv, name: str, transposed: bool) -> tuple[Tensor, Tensor | None]:
        weight, bias = super()._folded(conv, name, transposed)
        if name not in self._points.layers:
            return weight, bias
        if bias is None:
            bias = self._keep(f"{name}.bias", Weight.of(np.zeros(weight.shape[0], np.float32)))
        return self._rounded_weight(name, weight), bias

    def _keep(self, name: str, weight: Weight) -> Tensor:
        layer, _, part = name.rpartition(".")
        start = {"bias": self._numbers.biases, "weight": self._numbers.weights}[part].get(layer)
        return super()._keep(name, weight if start is None else Weight.of(start))

    def _quantised(self, x: Tensor, tensor: str) -> Tensor:
        return fake_quantised(x, self.scales[self._group[tensor]].exp(), -LEVELS - 1)

    def _rounded_weight(self, layer: str, weight: Tensor) -> Tensor:
        if layer not in self.weight_scales:
            start = self._numbers.weight_scales.get(layer)
            scales = channel_scales(_numpy(weight), 0) if start is None else start
            self.weight_scales[layer] = self._learned(np.log(scales))
        return fake_quantised(weight, self.weight_scales[layer].exp().view(-1, 1, 1, 1), -LEVELS)

    def _learned(self, values: Array) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device, requires_grad=True)

    def _parts(self, part: str) -> Iterator[tuple[str, Array]]:
        for layer in self._points.layers:
            if (value := self._kept.get(f"{layer}.{part}")) is not None:
                yield layer, _numpy(value)


def fake_quantised(x: Tensor, scale: Tensor, low: int) -> Tensor:
    """Round `x` to `scale` times integers of `low`..127; the gradient ignores the rounding."""
    steps = (x / scale).clamp(low, LEVELS)
    return (steps + (steps.round() - steps).detach()) * scale


def _numpy(tensor: Tensor) -> Array:
    values: Array = tensor.detach().cpu().numpy()
    return values
