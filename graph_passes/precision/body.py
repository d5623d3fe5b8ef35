"""Which nodes of a detector are the network proper, and which decode its heads.

    image . Conv . SiLU . ... . Conv . | . Reshape . Concat . Sigmoid . ... . NMS . outputs
    [            body                ]   [                    tail                       ]

The border is found by structure: the body is every layer with trained weights and all that such a layer depends on.
What remains decodes, suppresses and sorts; half precision and integers are for the body only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx_graphsurgeon as gs

CONVOLUTIONS = ("Conv", "ConvTranspose")
MATRICES = ("MatMul", "Gemm")
LEAST_WEIGHTS = 64
"""A smaller constant matrix changes coordinates (corners from centres), not features."""

ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Selu", "HardSwish", "Mish", "Gelu", "Swish")
_GATES = ("Sigmoid", "HardSigmoid", "Tanh")
_MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")
_JOINS = ("Concat", *_MOVES)


def find_body(graph: gs.Graph) -> list[gs.Node]:
    """The nodes of the body, in the graph's order.

    Behind the last trained layers, the activation that belongs to one is part of the body (it is computed with it), and
    so is what only moves and joins values, where that leaves fewer tensors at the border.
    """
    chosen: set[int] = set()
    _add_ancestors((node for node in graph.nodes if is_trained(node)), chosen)
    for node in graph.nodes:
        if id(node) not in chosen and (gate := _activation(node, chosen)) is not None:
            chosen.update({id(node)} | {id(part) for part in gate})
    for node in graph.nodes:
        if id(node) not in chosen and _moves(node, chosen):
            chosen.add(id(node))
    return [node for node in graph.nodes if id(node) in chosen]


def is_trained(node: gs.Node) -> bool:
    """Whether a node is a layer with trained weights.

    The mean of a softmax over fixed positions (distribution focal loss, Li et al. 2020) looks like one, but decodes.
    """
    if node.op not in CONVOLUTIONS + MATRICES or len(node.inputs) < 2:
        return False
    stored = [_stored(tensor) for tensor in node.inputs[:2]]
    weights = [tensor for tensor in stored if isinstance(tensor, gs.Constant) and len(tensor.shape) >= 2]
    if not weights or (node.op in MATRICES and math.prod(weights[0].shape) < LEAST_WEIGHTS):
        return False
    data = next((tensor for tensor in node.inputs[:2] if not isinstance(tensor, gs.Constant)), None)
    return data is None or not _comes_from_softmax(data)


def _stored(tensor: gs.Tensor) -> gs.Tensor:
    """The int8 constant behind a DequantizeLinear, or the tensor itself."""
    quantised = bool(tensor.inputs) and tensor.inputs[0].op == "DequantizeLinear"
    return tensor.inputs[0].inputs[0] if quantised else tensor


def _comes_from_softmax(tensor: gs.Tensor) -> bool:
    while tensor.inputs:
        node = tensor.inputs[0]
        if node.op == "Softmax":
            return True
        if node.op not in (*_MOVES, "Slice", "Split"):
            return False
        tensor = node.inputs[0]
    return False


def _add_ancestors(nodes: Iterable[gs.Node], chosen: set[int]) -> None:
    """Add the nodes and everything that they depend on."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if id(node) not in chosen:
            chosen.add(id(node))
            waiting.extend(producer for tensor in node.inputs for producer in tensor.inputs)


def _activation(node: gs.Node, chosen: set[int]) -> list[gs.Node] | None:
    """If `node` is the activation of a trained layer in the body: the nodes that gate it, else None.

    x . Relu                      the layer's output x goes through one node
    x . Sigmoid . Mul(x, .)       SiLU
    x . Softplus . Tanh . Mul(x, .)   Mish
    """
    if node.op in ACTIVATIONS:
        return [] if _is_layer(node.inputs[0], chosen) else None
    if node.op != "Mul" or len(node.inputs) != 2:
        return None
    for x, gated in (node.inputs, node.inputs[::-1]):
        gate = _gate(x, gated)
        if gate and _is_layer(x, chosen):
            return gate
    return None


def _gate(x: gs.Tensor, gated: gs.Tensor) -> list[gs.Node]:
    """The nodes from `x` to `gated` if that is a function of `x` which nothing else uses."""
    path: list[gs.Node] = []
    while gated is not x and gated.inputs and len(gated.outputs) == 1 and len(path) < 2:
        path.append(gated.inputs[0])
        gated = path[-1].inputs[0]
    fits = bool(path) and path[0].op in _GATES and all(node.op == "Softplus" for node in path[1:])
    return path if gated is x and fits else []


def _is_layer(tensor: gs.Tensor, chosen: set[int]) -> bool:
    return bool(tensor.inputs) and id(tensor.inputs[0]) in chosen and is_trained(tensor.inputs[0])


def _moves(node: gs.Node, chosen: set[int]) -> bool:
    """Whether a node only moves values of the body, each of which nothing else outside the body needs."""
    moved = node.inputs if node.op == "Concat" else node.inputs[:1]
    return node.op in _JOINS and all(
        tensor.inputs
        and id(tensor.inputs[0]) in chosen
        and all(user is node or id(user) in chosen for user in tensor.outputs)
        for tensor in moved
    )
