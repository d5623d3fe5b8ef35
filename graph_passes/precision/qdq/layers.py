"""The layers that INT8 is for, and what stands around each: its activation, and whether another layer follows it.

x . Conv . SiLU . Conv . reshape     the first is a body layer with its activation, the last is a final layer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs

from ..body import is_trained

QUANTISED = ("Conv", "Gemm")
"""Operators that are computed in INT8. TensorRT-RTX runs a ConvTranspose in FP32 whatever stands before it."""


@dataclass(frozen=True)
class Activation:
    """The function behind a layer.

    Attributes:
        kind: "relu", "leaky_relu", "silu", "mish", or "" for none of these.
        alpha: slope of a leaky ReLU below 0.
    """

    kind: str = ""
    alpha: float = 0.01


def quantisable(node: gs.Node) -> bool:
    """Whether a node is a trained Conv or Gemm whose weights are constant."""
    return (
        node.op in QUANTISED and len(node.inputs) > 1 and isinstance(node.inputs[1], gs.Constant) and is_trained(node)
    )


def final_layers(graph: gs.Graph) -> list[gs.Node]:
    """The trained layers from which no other trained layer can be reached: the heads' last convolutions."""
    followed: set[int] = set()
    trained = [node for node in graph.nodes if is_trained(node)]
    waiting = [producer for node in trained for tensor in node.inputs for producer in tensor.inputs]
    while waiting:
        node = waiting.pop()
        if id(node) not in followed:
            followed.add(id(node))
            waiting.extend(producer for tensor in node.inputs for producer in tensor.inputs)
    return [node for node in trained if id(node) not in followed]


def layer_before(node: gs.Node) -> gs.Node | None:
    """The convolution whose output a layer reads, directly or through its activation."""
    tensor = node.inputs[0]
    for _ in range(3):
        if not tensor.inputs:
            return None
        producer = tensor.inputs[0]
        if is_trained(producer):
            return producer if producer.op == "Conv" else None
        tensor = producer.inputs[0]
    return None


def behind_depthwise(graph: gs.Graph) -> list[gs.Node]:
    """The layers between a depthwise convolution and a final layer, of heads such as YOLO11's for the classes.

    A depthwise convolution gives every channel a range of its own. One scale for all of them takes the small ones' detail, and
    what these layers write decides the scores.
    """
    candidates = [layer_before(node) for node in final_layers(graph)]
    layers = {id(node): node for node in candidates if node is not None and quantisable(node)}
    return [node for node in layers.values() if (before := layer_before(node)) is not None and _depthwise(before)]


def _depthwise(node: gs.Node) -> bool:
    """One filter a channel."""
    channels = int(node.inputs[1].shape[0])
    return int(node.attrs.get("group", 1)) == channels > 1


def activation_of(node: gs.Node) -> Activation:
    """The activation that a layer's output goes through, where nothing else reads that output."""
    tensor = node.outputs[0]
    users: Sequence[gs.Node] = tensor.outputs
    if len(users) == 1:
        (user,) = users
        if user.op == "LeakyRelu":
            return Activation("leaky_relu", float(user.attrs.get("alpha", 0.01)))
        return Activation({"Relu": "relu", "Mish": "mish", "Swish": "silu"}.get(user.op, ""))
    gates = [user for user in users if user.op in ("Sigmoid", "Softplus")]
    products = [user for user in users if user.op == "Mul"]
    if len(users) == 2 and len(gates) == 1 and len(products) == 1 and (kind := _gated(gates[0], products[0])):
        return Activation(kind)
    return Activation()


def _gated(gate: gs.Node, product: gs.Node) -> str:
    """Name of `product`'s function: x . Sigmoid . Mul(x, .) is SiLU, x . Softplus . Tanh . Mul(x, .) is Mish."""
    kind = "silu"
    if gate.op == "Softplus":
        following = gate.outputs[0].outputs
        if len(following) != 1 or following[0].op != "Tanh":
            return ""
        kind, gate = "mish", following[0]
    return kind if any(tensor is gate.outputs[0] for tensor in product.inputs) else ""
