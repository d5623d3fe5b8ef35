"""The network of the fake TensorRT: an ONNX file as layers that a builder with flags may change the types of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from fake_ways import KINDS as TYPES
from onnx import TensorProto

DTYPES = {
    TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.INT8: "int8", TensorProto.INT32: "int32",
    TensorProto.INT64: "int64", TensorProto.UINT8: "uint8", TensorProto.BOOL: "bool",
}  # fmt: skip
FLOATS = ("float32", "float16")
KINDS = {
    "Conv": "CONVOLUTION", "Cast": "CAST", "QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE", "Constant": "CONSTANT",
    "Shape": "SHAPE", "Concat": "CONCATENATION",
}  # fmt: skip


@dataclass
class Tensor:
    """A tensor of a network."""

    name: str
    kind: str
    shape: tuple[int, ...]
    is_shape_tensor: bool = False

    @property
    def dtype(self) -> Any:
        return TYPES[self.kind]

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.kind, "shape": self.shape}


@dataclass
class Layer:
    """A layer, with the constraints that were set on it."""

    name: str
    type: str
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]
    weights: str = ""
    precision: Any = None
    output_types: dict[int, Any] = field(default_factory=dict)

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, index: int) -> Tensor | None:
        return self.inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self.outputs[index]

    def set_output_type(self, index: int, dtype: Any) -> None:
        self.output_types[index] = dtype

    def built(self, strong: bool, flags: set[str]) -> dict[str, Any] | None:
        """What the builder makes of it: the graph's types if they hold it, else half wherever that is allowed."""
        if self.type == "CONSTANT":
            return None
        free = (
            "FP16" in flags
            and not strong
            and not ("OBEY_PRECISION_CONSTRAINTS" in flags and (self.precision or self.output_types))
        )

        def made(tensor: Tensor) -> str:
            return "float16" if free and tensor.kind in FLOATS else tensor.kind

        reads = [made(tensor) for tensor in self.inputs if tensor is not None]
        weights = {"float32": "Float", "float16": "Half"}.get("float16" if free and self.weights else self.weights, "")
        return {
            "name": self.name,
            "kind": self.type.title(),
            "reads": reads,
            "writes": list(map(made, self.outputs)),
            "weights": weights,
        }


@dataclass
class Network:
    """What the parser fills."""

    strongly_typed: bool
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    onnx: bytes = b""

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    def get_input(self, index: int) -> Tensor:
        return self.inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self.outputs[index]

    def get_layer(self, index: int) -> Layer:
        return self.layers[index]


def parse_network(network: Network, path: str, release: tuple[int, int]) -> None:
    """Fill a network from a file; before 8.6 a Cast is an identity."""
    model = onnx.load(path)
    network.onnx = model.SerializeToString()
    graph = onnx.shape_inference.infer_shapes(model).graph
    weights = {tensor.name: DTYPES[tensor.data_type] for tensor in graph.initializer}
    tensors = {value.name: _tensor(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    for node in graph.node:
        kind = "PLUGIN_V2" if node.op_type.endswith("_TRT") else KINDS.get(node.op_type, "ELEMENTWISE")
        if kind == "CAST" and release < (8, 6):
            kind = "IDENTITY"
        reads = [tensors.get(name) for name in node.input if name and name not in weights]
        writes = [tensors.get(name) or Tensor(name, "float32", ()) for name in node.output]
        trained = (
            next((weights[name] for name in node.input[1:] if weights.get(name) in FLOATS), "")
            if kind == "CONVOLUTION"
            else ""
        )
        network.layers.append(Layer(node.name, kind, reads, writes, trained))
        if kind == "PLUGIN_V2":
            network.plugins.append(node.op_type)
    network.inputs = [tensors[value.name] for value in graph.input]
    network.outputs = [tensors[value.name] for value in graph.output]


def _tensor(value: Any) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(axis.dim_value if axis.HasField("dim_value") else -1 for axis in kind.shape.dim)
    return Tensor(value.name, DTYPES.get(kind.elem_type, "float32"), shape)
