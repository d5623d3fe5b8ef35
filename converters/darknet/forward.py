"""The forward pass of a DarkNet network: every layer computes itself, and the heads are decoded together at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..vocabulary.ops import Ops, Tensor
from .decode import Head, HeadMap, decode
from .layer import Arrays
from .net import Net
from .plan import Layer


@dataclass(frozen=True)
class DarkNet:
    """A planned network with its weights.

    Attributes:
        net: its input.
        layers: in order.
        weights: arrays by layer number and name.
    """

    net: Net
    layers: Sequence[Layer]
    weights: Mapping[int, Arrays]

    def __call__(self, ops: Ops, image: Tensor) -> dict[str, Tensor]:
        """Images [B, C, H, W] -> boxes [B, A, 4] in network-input pixels, scores [B, A, classes]."""
        outputs: list[Tensor] = []
        maps: list[tuple[HeadMap, Tensor]] = []
        for layer in self.layers:
            inputs = [outputs[number] if number >= 0 else image for number in layer.sources]
            if isinstance(layer.spec, Head):
                maps.append((HeadMap(layer.spec, layer.output[1:]), inputs[0]))
            with ops.scope(layer.name):
                outputs.append(layer.spec.forward(ops, inputs, self.weights.get(layer.index, {})))
        with ops.scope("decode"):
            boxes, scores = decode(ops, maps, self.net)
        return {"boxes": boxes, "scores": scores}
