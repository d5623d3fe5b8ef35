"""What each layer of a cfg reads, makes and needs from the weights file, worked out before anything is read or built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import ModelError
from .cfg import Section
from .decode import Head
from .layer import Place, Shape, Spec
from .net import Net, parse_net
from .sections import parse_layer

PREVIOUS = -1
"""Source number of the network's input."""

MAX_WEIGHTS = 1 << 29
"""2 GiB of float32, all that an ONNX file can hold."""


@dataclass(frozen=True)
class Layer:
    """One layer of the network.

    Attributes:
        index: its number, as DarkNet counts (0 follows [net]).
        section: where it stands in the cfg.
        spec: what it does.
        sources: the layers that it reads; -1 is the network's input.
        output: shape of what it makes.
        weights: shape of each array that it has in the weights file, by name, in the file's order.
    """

    index: int
    section: Section
    spec: Spec
    sources: tuple[int, ...]
    output: Shape
    weights: dict[str, tuple[int, ...]]

    @property
    def name(self) -> str:
        """Scope of its nodes: `012_convolutional`."""
        return f"{self.index:03d}_{self.section.name}"

    @property
    def weight_count(self) -> int:
        """How many numbers it has in the weights file."""
        return sum(math.prod(shape) for shape in self.weights.values())


def plan(sections: Sequence[Section], img_size: tuple[int, int] | None) -> tuple[Net, list[Layer]]:
    """Work out every layer.

    Args:
        sections: of the cfg.
        img_size: height, width that replace those of [net].

    Raises:
        InputError, ModelError, UnsupportedError: with file and line of the section at fault.
    """
    net = parse_net(sections[0])
    if img_size:
        net = replace(net, height=img_size[0], width=img_size[1])
    names = {section.name for section in sections}
    layers: list[Layer] = []
    for index, section in enumerate(sections[1:]):
        layers.append(_layer(index, section, parse_layer(section, index, names), net, layers))
        _check_count(layers)
    if not any(isinstance(layer.spec, Head) for layer in layers):
        raise ModelError(
            f"{sections[0].file} has no [yolo] or [region] layer, so it detects nothing; trtzoo converts detectors"
        )
    return net, layers


def _layer(index: int, section: Section, spec: Spec, net: Net, before: Sequence[Layer]) -> Layer:
    sources = spec.sources(index - 1 if index else PREVIOUS)
    image = (net.channels, net.height, net.width)
    shapes = tuple(before[number].output if number >= 0 else image for number in sources)
    try:
        output = spec.output(Place(section, net, shapes))
    except ModelError as error:
        raise section.error(str(error)) from error
    return Layer(index, section, spec, sources, output, spec.arrays(shapes))


def _check_count(layers: Sequence[Layer]) -> None:
    if sum(layer.weight_count for layer in layers) > MAX_WEIGHTS:
        section = layers[-1].section
        raise section.error(
            "takes the network above 2 GiB of weights, more than an ONNX file holds; check filters= and size=",
            "filters",
        )


def describe(layer: Layer) -> str:
    """A line for `inspect`: number, section, sources, shapes and weights."""
    text = " + ".join(f"{number if number >= 0 else 'input'}" for number in layer.sources)
    shape = "x".join(map(str, layer.output))
    count = f"  {layer.weight_count:,} weights" if layer.weight_count else ""
    return f"{layer.index:4d} {layer.section.name:<15} <- {text:<12} {shape:>14}{count}"
