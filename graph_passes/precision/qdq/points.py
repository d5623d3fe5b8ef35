"""Where quantise/dequantise pairs belong, found by structure and never by names.

    a . Q . DQ . Conv . SiLU . b . Q . DQ . Conv        one pair on what a layer reads, nothing between it and its activation
    a . Q . DQ . Add(., conv)                            the skip of a residual sum, through the pair that `a` has anyway
    Concat(a, b) . Q . DQ                                a, b and the result share one scale, as do the inputs and outputs
                                                         of MaxPool, Resize, Split and Slice

Weights are quantised per output channel. Final layers, transposed convolutions, biases, and everything behind the last
layer stay as they are. These are the placement rules of NVIDIA's guidance for explicit quantisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import onnx_graphsurgeon as gs

from ....errors import InputError
from ..body import find_body
from ..tensor_types import infer_types
from .layers import behind_depthwise, final_layers, quantisable

TYING = ("Concat", "MaxPool", "Resize", "Split", "Slice")
"""Operators that only move values: what goes in and what comes out share one scale."""


@dataclass(frozen=True)
class QdqSettings:
    """What stays out of INT8.

    Attributes:
        exclude: patterns (`*`, `?`) of node names that stay as they are.
        keep_first: the layers that read the picture stay as they are.
        final_layers: quantise the heads' last layers too, and those between a depthwise layer and one of them; costs accuracy
            and gains little time.
    """

    exclude: tuple[str, ...] = ()
    keep_first: bool = False
    final_layers: bool = False


@dataclass(frozen=True)
class Skip:
    """An input of a residual sum that is read through its quantise/dequantise pair: node, position, tensor."""

    node: str
    position: int
    tensor: str


@dataclass(frozen=True)
class Points:
    """Where the pairs go. Everything by name, so that it holds for copies of the graph and after other passes.

    Attributes:
        layers: node name of each layer that becomes INT8 -> the tensor that it reads.
        kept: node name of each layer that does not -> why.
        skips: inputs of residual sums.
        groups: tensors that share a scale; each quantised tensor is in exactly one.
        sources: for each group, those of its tensors that are computed rather than moved from another one.
    """

    layers: Mapping[str, str]
    kept: Mapping[str, str]
    skips: tuple[Skip, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()

    @property
    def quantised(self) -> tuple[str, ...]:
        """The tensors that get a pair, each once, in the order of the layers that read them."""
        return tuple(dict.fromkeys((*self.layers.values(), *(skip.tensor for skip in self.skips))))

    def group_of(self, tensor: str) -> int:
        """The number of a quantised tensor's group."""
        return next(number for number, group in enumerate(self.groups) if tensor in group)


def find_points(graph: gs.Graph, settings: QdqSettings = QdqSettings()) -> Points:
    """Where quantise/dequantise pairs belong in a graph; unnamed nodes and types are filled in, in place.

    Args:
        graph: of any exporter, before or after NMS was put in.
        settings: what stays out.

    Raises:
        InputError: an `exclude` pattern matches no layer, nothing is left to quantise, or the graph is in INT8 or FP16
            already.
    """
    if any(node.op == "QuantizeLinear" for node in graph.nodes):
        raise InputError("INT8: the graph holds QuantizeLinear nodes already; quantise the float model instead")
    infer_types(graph)
    _name_nodes(graph)
    body = find_body(graph)
    kept = _kept(graph, settings)
    layers = {node.name: node for node in graph.nodes if quantisable(node) and node.name not in kept}
    if not layers:
        raise InputError(
            "INT8: no layer is left to quantise; the graph has no Conv or Gemm with constant weights, or all are excluded"
        )
    if any(node.inputs[0].dtype == np.float16 for node in layers.values()):
        raise InputError(
            "INT8: the graph is in FP16 already; quantise the float model, and ask for FP16 in the same call"
        )
    position = {id(node): index for index, node in enumerate(graph.nodes)}
    skips = tuple(_skips(body, layers, position))
    read = {name: node.inputs[0].name for name, node in layers.items()}
    groups, sources = _groups(body, [*read.values(), *(skip.tensor for skip in skips)])
    return Points(read, kept, skips, groups, sources)


def _name_nodes(graph: gs.Graph) -> None:
    """Give nodes without a name that of their first output, which every tensor has."""
    taken = {node.name for node in graph.nodes}
    for node in graph.nodes:
        if not node.name and node.outputs:
            node.name = node.outputs[0].name if node.outputs[0].name not in taken else f"{node.outputs[0].name}/node"
            taken.add(node.name)


def _kept(graph: gs.Graph, settings: QdqSettings) -> dict[str, str]:
    """Names of the layers that stay as they are, and why."""
    layers = [node for node in graph.nodes if quantisable(node)]
    kept: dict[str, str] = {}
    for pattern in settings.exclude:
        matched = [node.name for node in layers if fnmatchcase(node.name, pattern)]
        if not matched:
            raise InputError(f"--int8-exclude {pattern}: no Conv or Gemm is called so; `inspect --layers` lists them")
        kept |= dict.fromkeys(matched, f"excluded by {pattern}")
    if settings.keep_first:
        inputs = {id(tensor) for tensor in graph.inputs}
        kept |= {node.name: "reads the picture" for node in layers if id(node.inputs[0]) in inputs}
    if not settings.final_layers:
        kept |= {node.name: "behind a depthwise layer, before a final one" for node in behind_depthwise(graph)}
        kept |= {node.name: "final layer" for node in final_layers(graph) if quantisable(node)}
    return kept


def _skips(body: Sequence[gs.Node], layers: Mapping[str, gs.Node], position: Mapping[int, int]) -> Iterator[Skip]:
    """The earlier input of each sum whose later input comes from an INT8 layer, so that the sum is fused with that layer."""
    for node in body:
        if node.op != "Add" or len(node.inputs) != 2 or not all(tensor.inputs for tensor in node.inputs):
            continue
        first, second = node.inputs
        if first is second or not _same_shape(first, second):
            continue
        early, late = sorted(range(2), key=lambda index: position[id(node.inputs[index].inputs[0])])
        if _layer_before(node.inputs[late], layers) and node.inputs[early].dtype in (np.float32, None):
            yield Skip(node.name, early, node.inputs[early].name)


def _same_shape(first: gs.Tensor, second: gs.Tensor) -> bool:
    return first.shape is None or second.shape is None or list(first.shape) == list(second.shape)


def _layer_before(tensor: gs.Tensor, layers: Mapping[str, gs.Node]) -> bool:
    """Whether a tensor is an INT8 layer's output, or what its activation makes of that."""
    node = tensor.inputs[0]
    candidates = [node, *(producer for source in node.inputs for producer in source.inputs)]
    if node.op in TYING or node.op == "Add":
        return False
    return any(candidate.name in layers for candidate in candidates)


def _groups(
    body: Sequence[gs.Node], quantised: Iterable[str]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Tensors that share a scale, and of each group those that are computed; only groups with a quantised tensor."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    moved: set[str] = set()
    for node in body:
        if node.op in TYING:
            data = [*(node.inputs if node.op == "Concat" else node.inputs[:1]), *node.outputs]
            names = [tensor.name for tensor in data if not isinstance(tensor, gs.Constant)]
            moved.update(tensor.name for tensor in node.outputs)
            for name in names[1:]:
                parent[root(name)] = root(names[0])
    wanted = list(dict.fromkeys(root(name) for name in quantised))
    members: dict[str, list[str]] = {key: [] for key in wanted}
    for name in dict.fromkeys([*parent]):
        if root(name) in members:
            members[root(name)].append(name)
    groups = tuple(tuple(members[key]) for key in wanted)
    return groups, tuple(tuple(name for name in group if name not in moved) for group in groups)
