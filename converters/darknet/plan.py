"""What each layer of a cfg reads, makes and needs from the weights file, worked out before anything is read or built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ModelError
from ...graph.shapes import Pads, conv_size
from .cfg import Section
from .layers import (
    AvgPool,
    Convolutional,
    Head,
    Identity,
    Net,
    Pool,
    Reorg,
    Route,
    Scale,
    Shortcut,
    Spec,
    Upsample,
    parse_layer,
    parse_net,
)

Shape = tuple[int, int, int]
"""Channels, height, width."""

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
        inputs: their shapes.
        output: shape of what it makes.
        weights: shape of each array that it has in the weights file, by name, in the file's order.
    """

    index: int
    section: Section
    spec: Spec
    sources: tuple[int, ...]
    inputs: tuple[Shape, ...]
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
        net = Net(net.channels, *img_size, net.letter_box)
    layers: list[Layer] = []
    for index, section in enumerate(sections[1:]):
        spec = parse_layer(section, index)
        sources = _sources(spec, index)
        shapes = tuple(
            layers[number].output if number >= 0 else (net.channels, net.height, net.width) for number in sources
        )
        try:
            output = _output(spec, shapes, section)
        except ModelError as error:
            raise section.error(str(error)) from error
        layers.append(Layer(index, section, spec, sources, shapes, output, _weights(spec, shapes)))
        _check_count(layers)
    if not any(isinstance(layer.spec, Head) for layer in layers):
        raise ModelError(
            f"{sections[0].file} has no [yolo] or [region] layer, so it detects nothing; trtzoo converts detectors"
        )
    return net, layers


def pool_pads(pool: Pool, height: int, width: int) -> Pads:
    """DarkNet's padding of a pooling window: floor(padding / 2) before, whatever the last window needs after.

    Source: AlexeyAB/darknet, src/maxpool_layer.c, forward_maxpool_layer.
    """
    before = pool.padding // 2
    ends = [
        max(0, (_pool_size(pool, axis, n) - 1) * pool.stride[axis] + pool.size - n - before)
        for axis, n in enumerate((height, width))
    ]
    return before, before, ends[0], ends[1]


def _check_count(layers: Sequence[Layer]) -> None:
    if sum(layer.weight_count for layer in layers) > MAX_WEIGHTS:
        section = layers[-1].section
        raise section.error(
            "takes the network above 2 GiB of weights, more than an ONNX file holds; check filters= and size=",
            "filters",
        )


def _sources(spec: Spec, index: int) -> tuple[int, ...]:
    previous = index - 1 if index else PREVIOUS
    if isinstance(spec, Route):
        return spec.layers
    if isinstance(spec, Shortcut):
        return (previous, *spec.layers)
    if isinstance(spec, Scale):
        return (previous, spec.layer)
    return (previous,)


def _output(spec: Spec, shapes: Sequence[Shape], section: Section) -> Shape:
    channels, height, width = shapes[0]
    if isinstance(spec, Convolutional):
        return _conv_output(spec, shapes[0], section)
    if isinstance(spec, Pool):
        return channels, _pool_size(spec, 0, height), _pool_size(spec, 1, width)
    if isinstance(spec, AvgPool):
        return channels, 1, 1
    if isinstance(spec, Upsample):
        return channels, height * spec.stride, width * spec.stride
    if isinstance(spec, Route):
        return _route_output(spec, shapes, section)
    if isinstance(spec, Reorg):
        return _reorg_output(spec, shapes[0], section)
    if isinstance(spec, Scale):
        return _scale_output(spec, shapes, section)
    if isinstance(spec, Shortcut):
        _same_size(spec.layers, shapes, section, "from")
    elif not isinstance(spec, Identity):
        _check_head(spec, channels, section)
    return shapes[0]


def _conv_output(conv: Convolutional, shape: Shape, section: Section) -> Shape:
    channels, *size = shape
    if channels % conv.groups or conv.filters % conv.groups:
        raise section.error(
            f"groups={conv.groups} divides neither {channels} input channels and filters={conv.filters}", "groups"
        )
    pad = conv.padding * conv.dilation
    true = [conv_size(n, conv.size, step, pad, pad, conv.dilation) for n, step in zip(size, conv.stride, strict=True)]
    if conv.dilation > 1:
        darknet = [
            conv_size(n, conv.size, step, conv.padding, conv.padding) for n, step in zip(size, conv.stride, strict=True)
        ]
        if true != darknet:
            raise section.error(
                f"dilation={conv.dilation} with this padding reads past the input in DarkNet; use pad=1", "dilation"
            )
    return conv.filters, true[0], true[1]


def _pool_size(pool: Pool, axis: int, length: int) -> int:
    if pool.padding // 2 >= pool.size:
        raise ModelError(
            f"padding={pool.padding} puts whole windows outside the picture; choose one below {2 * pool.size}"
        )
    return conv_size(length, pool.size, pool.stride[axis], pool.padding, 0)


def _route_output(route: Route, shapes: Sequence[Shape], section: Section) -> Shape:
    _same_size(route.layers, shapes, section, "layers")
    for number, (channels, _, _) in zip(route.layers, shapes, strict=True):
        if channels % route.groups:
            raise section.error(
                f"groups={route.groups} does not divide the {channels} channels of layer {number}", "groups"
            )
    return sum(shape[0] // route.groups for shape in shapes), shapes[0][1], shapes[0][2]


def _same_size(numbers: Sequence[int], shapes: Sequence[Shape], section: Section, key: str) -> None:
    if len({shape[1:] for shape in shapes}) > 1:
        sizes = ", ".join(f"{height}x{width}" for _, height, width in shapes)
        raise section.error(
            f"joins feature maps of different sizes ({sizes}); where the layers are right, the input's --img-size does not "
            f"fit this network: use multiples of 32",
            key,
        )


def _reorg_output(reorg: Reorg, shape: Shape, section: Section) -> Shape:
    channels, height, width = shape
    square = reorg.stride**2
    if channels % square and (reorg.reverse or not reorg.true_order):
        raise section.error(f"stride={reorg.stride} needs a multiple of {square} channels, not {channels}", "stride")
    if reorg.reverse:
        return channels // square, height * reorg.stride, width * reorg.stride
    if height % reorg.stride or width % reorg.stride:
        raise section.error(
            f"stride={reorg.stride} does not divide a {height}x{width} map; choose another --img-size", "stride"
        )
    return channels * square, height // reorg.stride, width // reorg.stride


def _scale_output(scale: Scale, shapes: Sequence[Shape], section: Section) -> Shape:
    previous, source = shapes
    wanted = {"sam": source, "scale_channels": (source[0], 1, 1), "scale_wh": (1, *source[1:])}[scale.kind]
    if previous != wanted:
        raise section.error(
            f"needs a previous layer of shape {wanted}, but it is {previous}; check from={scale.layer}", "from"
        )
    return source


def _check_head(head: Head, channels: int, section: Section) -> None:
    wanted = (head.classes + head.values) * len(head.anchors)
    if channels != wanted:
        raise section.error(
            f"gets {channels} channels, but classes={head.classes} and {len(head.anchors)} anchors need "
            f"({head.classes} + {head.values}) * {len(head.anchors)} = {wanted}; "
            f"correct filters= of the layer before, or classes=",
            "classes",
        )


def _weights(spec: Spec, shapes: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
    """In the order of the file (AlexeyAB/darknet, src/parser.c, load_convolutional_weights and load_shortcut_weights)."""
    channels = shapes[0][0]
    if isinstance(spec, Convolutional):
        names = ("bias", "scale", "mean", "variance") if spec.batch_normalize else ("bias",)
        kernel = (spec.filters, channels // spec.groups, spec.size, spec.size)
        return dict.fromkeys(names, (spec.filters,)) | {"weight": kernel}
    if isinstance(spec, Shortcut) and spec.weights != "none":
        return {"weight": (len(shapes), channels if spec.weights == "per_channel" else 1)}
    return {}


def describe(layer: Layer) -> str:
    """A line for `inspect`: number, section, sources, shapes and weights."""
    text = " + ".join(f"{number if number >= 0 else 'input'}" for number in layer.sources)
    shape = "x".join(map(str, layer.output))
    count = f"  {layer.weight_count:,} weights" if layer.weight_count else ""
    return f"{layer.index:4d} {layer.section.name:<15} <- {text:<12} {shape:>14}{count}"
