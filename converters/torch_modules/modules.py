"""The modules of a PyTorch checkpoint, run in the vocabulary: the walk over their records, and reading their weights.

A *block table* says for each class which function computes it: `layers.TORCH_LAYERS` for torch's own layers,
`blocks.COMMON_BLOCKS` for the blocks which YOLOv5 and Ultralytics share; a family adds its own. To add an architecture,
add a function to a table: a block gets the walker, the module's record and its input, and returns its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ...errors import ModelError, UnsupportedError
from ...graph.shapes import Pads
from ...graph.weights import Array, Weight
from ..checkpoint.reader import Record
from ..checkpoint.tree import describe
from ..vocabulary.ops import BatchNorm, Conv, Ops, Tensor

CONTAINERS = ("Sequential", "ModuleList")
"""Modules that only hold others: a member's name is joined to theirs with a dot, they open no scope of their own."""

EXPORT_INSTEAD = "export ONNX with the framework and run `trtzoo convert model.onnx`"


@dataclass(frozen=True)
class Walker:
    """Runs the modules of a checkpoint.

    Attributes:
        ops: the interpreter of the vocabulary.
        blocks: what computes a class, by its full path ("torchvision.models.resnet.Bottleneck") or its name ("C3").
        path: names that lead to the module at hand: ("model.22", "cv2", "0").
        scoped: how many of them the scopes of `ops` cover.
    """

    ops: Ops
    blocks: Mapping[str, Block]
    path: tuple[str, ...] = ()
    scoped: int = 0

    @property
    def where(self) -> str:
        """The module at hand, for an error: "layer model.22.cv2.0"."""
        return f"layer {'.'.join(self.path)}"

    def run(self, module: Record, x: Tensor) -> Tensor:
        """The output of `module` for the input `x` (a tensor, or a list for a layer with several sources).

        Raises:
            UnsupportedError: the table has no function for the module's class.
        """
        block = self.blocks.get(module.class_path) or self.blocks.get(module.class_name)
        if block is None:
            raise UnsupportedError(f"{self.where}: {unknown_class(module)}")
        return block(self, module, x)

    def child(self, module: Record, name: str, x: Tensor) -> Tensor:
        """Run the submodule `name` of `module`; a dotted name ("m.0") reaches into containers."""
        return replace(self, path=(*self.path, *name.split("."))).enter(submodule(module, name), x)

    def enter(self, module: Record, x: Tensor) -> Tensor:
        """Run `module`, which lies at `path`, in a scope of its own."""
        if module.class_name in CONTAINERS:
            return self.run(module, x)
        with self.ops.scope(".".join(self.path[self.scoped :])):
            return replace(self, scoped=len(self.path)).run(module, x)

    def chain(self, module: Record, name: str, x: Tensor) -> Iterator[Tensor]:
        """The outputs of the members of the container `name`, each fed with the one before."""
        for key in submodule(module, name).module_children():
            x = self.child(module, f"{name}.{key}", x)
            yield x

    def unsupported(self, what: str) -> UnsupportedError:
        """The error that the module at hand does something which trtzoo does not convert."""
        return UnsupportedError(f"{self.where}: {what} is not supported; {EXPORT_INSTEAD}")


Block = Callable[[Walker, Record, Tensor], Tensor]
"""Computes a module: walker, record, input -> output."""


def unknown_class(module: Record) -> str:
    """What to say about a class that no table knows."""
    return (
        f"trtzoo does not know the module class {module.class_path}; add one function for {module.class_name} to the "
        f"family's block table (converters/ultralytics/blocks.py, converters/yolov5/blocks.py), or pass --family torch "
        f"with the framework installed, or {EXPORT_INSTEAD}"
    )


def run_layers(walker: Walker, layers: Sequence[Record], x: Tensor) -> list[Tensor]:
    """Run all but the last of `layers`; return the inputs of the last one, the head.

    Every layer names its sources in `f`: the layers it reads, -1 for the one before. An output is kept only as long as
    a later layer reads it.
    """
    sources = [layer_sources(layer, index) for index, layer in enumerate(layers)]
    last_reader = {source: index for index, read in enumerate(sources) for source in read}
    outputs = {-1: x}
    for index, layer in enumerate(layers[:-1]):
        inputs = [outputs[source] for source in sources[index]]
        several = isinstance(layer.get("f"), (list, tuple))
        outputs[index] = replace(walker, path=(f"model.{index}",)).enter(layer, inputs if several else inputs[0])
        outputs = {key: value for key, value in outputs.items() if last_reader.get(key, -1) > index}
    return [outputs[source] for source in sources[-1]]


def layer_sources(layer: Record, index: int) -> list[int]:
    """The layers that a layer reads, counted from 0; the image is -1.

    Raises:
        ModelError: a source is no layer that comes before.
    """
    given = layer.get("f", -1)
    sources = list(given) if isinstance(given, (list, tuple)) else [given]
    if not sources or not all(type(source) is int and -index - 1 <= source < index for source in sources):
        raise ModelError(f"layer model.{index} ({layer.class_path}) reads layers {given}; each must be one before it")
    return [source if source >= 0 else index + source for source in sources]


def submodule(module: Record, name: str) -> Record:
    """The submodule `name` of `module`; a dotted name reaches deeper.

    Raises:
        ModelError: there is none.
    """
    for part in name.split("."):
        module = module.child(part)
    return module


def has(module: Record, name: str) -> bool:
    """Whether `module` has a submodule `name` that is not None."""
    return isinstance(module.get(name), Record)


def number(module: Record, name: str, default: float) -> float:
    """A number among the attributes of `module`, which earlier versions of its class may lack.

    Raises:
        ModelError: it is something else.
    """
    value = module.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelError(f"'{name}' of {module.class_path} is {describe(value)}, not a number; {EXPORT_INSTEAD}")
    return value


def integer(module: Record, name: str, default: int, least: int = 0) -> int:
    """A whole number among the attributes of `module`, which earlier versions of its class may lack.

    Raises:
        ModelError: it is something else, or less than `least`.
    """
    value = number(module, name, default)
    if not float(value).is_integer() or value < least:
        raise ModelError(
            f"'{name}' of {module.class_path} is {value}, not a whole number from {least} up; {EXPORT_INSTEAD}"
        )
    return int(value)


def pair(module: Record, name: str, default: int | None = None, least: int = 0) -> tuple[int, int]:
    """Torch's number or pair (vertical, horizontal) as a pair; without a default the attribute must be there.

    Raises:
        ModelError: it is neither, or less than `least`.
    """
    value = module.attribute(name) if default is None else module.get(name, default)
    values = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    if len(values) != 2 or not all(type(item) is int and item >= least for item in values):
        raise ModelError(
            f"'{name}' of {module.class_path} is {describe(value)}, not a number or a pair from {least} up; {EXPORT_INSTEAD}"
        )
    return values


def weight(module: Record, name: str) -> Weight:
    """A parameter or buffer of `module`, lazily, as float32."""
    data = module.tensor(name)
    return Weight(data.shape, data.dtype, data.load).as_float32()


def optional_weight(module: Record, name: str) -> Weight | None:
    """The same where it may be absent or None (the bias of a convolution)."""
    return None if module.get(name) is None else weight(module, name)


def batch_norm_of(module: Record) -> BatchNorm:
    """The weights of a BatchNorm2d."""
    scale, bias, mean, variance = (weight(module, name) for name in ("weight", "bias", "running_mean", "running_var"))
    return BatchNorm(scale, bias, mean, variance, number(module, "eps", 1e-5))


def conv_of(module: Record, batch_norm: Record | None = None) -> Conv:
    """The weights and geometry of a Conv2d, and of the BatchNorm2d after it.

    Raises:
        UnsupportedError: it pads with something else than zeros.
        ModelError: its weights do not fit each other.
    """
    mode = module.get("padding_mode", "zeros")
    if mode != "zeros":
        raise UnsupportedError(f"a {module.class_path} pads with {describe(mode)}, not with zeros; {EXPORT_INSTEAD}")
    values, dilation = kernel_of(module), pair(module, "dilation", 1, least=1)
    conv = Conv(
        values,
        optional_weight(module, "bias"),
        batch_norm_of(batch_norm) if batch_norm else None,
        pair(module, "stride", 1, least=1),
        _conv_pads(module, values.shape[2:], dilation),
        dilation,
        integer(module, "groups", 1, least=1),
    )
    return _checked(module, conv, values.shape[0])


def kernel_of(module: Record) -> Weight:
    """The weights of a convolution, four axes.

    Raises:
        ModelError: another number of axes, or an empty one.
    """
    values = weight(module, "weight")
    if len(values.shape) != 4 or 0 in values.shape:
        raise ModelError(f"a {module.class_path} has weights {list(values.shape)}, not [out, in, height, width]")
    return values


def _checked(module: Record, conv: Conv, out: int) -> Conv:
    """The convolution, if every number a channel is there for each of the `out` channels."""
    norm = conv.batch_norm
    by_channel = [conv.bias, *((norm.scale, norm.bias, norm.mean, norm.variance) if norm else ())]
    shapes = {part.shape for part in by_channel if part}
    if shapes - {(out,)}:
        raise ModelError(
            f"a {module.class_path} with weights {list(conv.weight.shape)} has {out} outputs, but its bias or its batch "
            f"normalisation has shape {', '.join(map(str, shapes - {(out,)}))}; the checkpoint is damaged"
        )
    return conv


def _conv_pads(module: Record, kernel: Sequence[int], dilation: tuple[int, int]) -> Pads:
    """Torch's `padding`: a number, a pair (vertical, horizontal), "same" or "valid"."""
    padding = module.get("padding", 0)
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        vertical, horizontal = (d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        return (vertical // 2, horizontal // 2, vertical - vertical // 2, horizontal - horizontal // 2)
    return (*pair(module, "padding", 0), *pair(module, "padding", 0))


def conv_transpose_of(module: Record, batch_norm: Record | None = None) -> Conv:
    """The weights and geometry of a ConvTranspose2d, and of the BatchNorm2d after it.

    Output padding extends the result below and on the right, which is the same as less padding there.

    Raises:
        UnsupportedError: it has more output padding than padding.
    """
    (top, left), (below, right) = pair(module, "padding", 0), pair(module, "output_padding", 0)
    if below > top or right > left:
        raise UnsupportedError(f"a {module.class_path} has more output padding than padding; {EXPORT_INSTEAD}")
    conv = Conv(
        kernel_of(module),
        optional_weight(module, "bias"),
        batch_norm_of(batch_norm) if batch_norm else None,
        pair(module, "stride", 1, least=1),
        (top, left, top - below, left - right),
        pair(module, "dilation", 1, least=1),
        integer(module, "groups", 1, least=1),
    )
    return _checked(module, conv, conv.weight.shape[1] * conv.groups)


def merged_conv(convs: Sequence[Conv]) -> Conv:
    """One convolution that computes the sum of several with the same stride, groups and output size.

    Each is folded with its batch normalisation, and its kernel is centred in the largest one (structural
    re-parameterisation: RepVGG, Ding et al. 2021). Sums are made in float64 and rounded once.
    """
    largest = max(convs, key=lambda conv: conv.weight.shape[2] * conv.weight.shape[3])
    shape, single = largest.weight.shape, np.dtype(np.float32)

    def load_weight() -> Array:
        total = np.zeros(shape)
        for conv in convs:
            height, width = conv.weight.shape[2:]
            top, left = (shape[2] - height) // 2, (shape[3] - width) // 2
            factor = _affine(conv)[0].reshape(-1, 1, 1, 1)
            total[:, :, top : top + height, left : left + width] += conv.weight.load() * factor
        return total.astype(single)

    def load_bias() -> Array:
        return cast(Array, np.sum([_affine(conv)[1] for conv in convs], axis=0).astype(single))

    weights, bias = Weight(shape, single, load_weight), Weight(shape[:1], single, load_bias)
    return replace(largest, weight=weights, bias=bias, batch_norm=None)


def _affine(conv: Conv) -> tuple[Array, Array]:
    """What is to be multiplied with a convolution's weights and what is its bias, [out] in float64."""
    channels = conv.weight.shape[0]
    bias = conv.bias.load().astype(np.float64) if conv.bias else np.zeros(channels)
    if conv.batch_norm is None:
        return np.ones(channels), bias
    factor, offset = conv.batch_norm.affine()
    return factor, bias * factor + offset


def identity_conv(batch_norm: Record, groups: int) -> Conv:
    """A batch normalisation as a 1x1 convolution, to be merged with others."""
    norm = batch_norm_of(batch_norm)
    within = norm.scale.shape[0] // groups
    eye = np.tile(np.eye(within, dtype=np.float32), (groups, 1))[:, :, None, None]
    return Conv(Weight.of(eye), batch_norm=norm, groups=groups)
