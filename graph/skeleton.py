"""An ONNX graph as a skeleton plus lazy weights.

A graph is an onnx-graphsurgeon graph whose large constants are `WeightConstant`s: name, shape and type, but no values. Passes may
look at shapes, map a weight or ask for its values; `writer.write_onnx` streams what is left into the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
from google.protobuf.message import DecodeError
from onnx_graphsurgeon.ir.tensor import LazyValues

from ..errors import InputError
from ..files import require_file
from .weights import Array, Weight

BATCH = "batch"
"""Name of the symbolic batch axis."""

IR_VERSION = 8


class _Unread(LazyValues):  # type: ignore[misc]
    """What graphsurgeon keeps of a weight: its header, from which it writes a skeleton, and how to get its values."""

    def __init__(self, weight: Weight) -> None:
        kind = onnx.helper.np_dtype_to_tensor_dtype(weight.dtype)
        super().__init__(onnx.TensorProto(dims=weight.shape, data_type=kind))
        self.shape = tuple(weight.shape)
        self.dtype = weight.dtype
        self.load = weight.load


class WeightConstant(gs.Constant):  # type: ignore[misc]
    """A constant that is computed while the file is written; one whose values were asked for or replaced is an ordinary one.

    Attributes:
        weight: computes the values, None once it has.
    """

    def __init__(self, name: str, weight: Weight) -> None:
        super().__init__(name, _Unread(weight))
        self.weight: Weight | None = weight

    def copy(self) -> gs.Constant:
        """The same constant under the same name, as lazy as this one."""
        return super().copy() if self.weight is None else WeightConstant(self.name, self.weight)

    @property
    def values(self) -> Array:
        """The values, computed at the first call and kept from then on."""
        self.weight = None
        return cast(Array, super().values)

    @values.setter
    def values(self, values: Array) -> None:
        self.weight = None
        gs.Constant.values.fset(self, values)


class Input(gs.Variable):  # type: ignore[misc]
    """A graph input that may have a default: in the file, an initializer of the same name that a caller overrides."""

    def __init__(
        self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str], default: Array | None = None
    ) -> None:
        super().__init__(name, dtype=np.dtype(dtype), shape=shape)
        self.default = default


def constant(name: str, values: Weight | Array) -> gs.Constant:
    """A graph constant of an array, or of a weight that stays lazy."""
    return (
        WeightConstant(name, values) if isinstance(values, Weight) else gs.Constant(name, np.asarray(values, order="C"))
    )


def weight_of(tensor: gs.Constant) -> Weight:
    """The lazy weight behind a constant, whatever way it is stored."""
    if isinstance(tensor, WeightConstant) and tensor.weight is not None:
        return tensor.weight
    return Weight(tuple(tensor.shape), np.dtype(tensor.dtype), lambda: cast(Array, tensor.values))


def read_onnx(path: Path) -> tuple[gs.Graph, dict[str, str]]:
    """Read an ONNX file as a graph, and its metadata properties.

    Raises:
        InputError: not an ONNX file, truncated, or its external weights are missing.
    """
    require_file(path, "an ONNX model")
    try:
        model = onnx.load(str(path))
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise InputError(
            f"{path} cannot be read as ONNX: {str(error).splitlines()[0]}; the file may be truncated, another format, or "
            f"lack its external data file beside it"
        ) from error
    if not model.graph.node:
        raise InputError(f"{path} holds no ONNX graph; the file may be truncated or of another format")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return imported(model), properties


def imported(model: onnx.ModelProto) -> gs.Graph:
    """The model as a graph; of trtzoo's own, inputs that have a default stay inputs, which graphsurgeon would make constants."""
    inputs = {item.name for item in model.graph.input}
    own = any(entry.key == "trtzoo" for entry in model.metadata_props)
    defaults = {item.name: item for item in model.graph.initializer if own and item.name in inputs}
    kept = [item for item in model.graph.initializer if item.name not in defaults]
    if defaults:
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
    graph = gs.import_onnx(model)
    graph.inputs = [_with_default(item, defaults.get(item.name)) for item in graph.inputs]
    return graph


def _with_default(old: gs.Variable, default: onnx.TensorProto | None) -> gs.Variable:
    if default is None:
        return old
    fresh = Input(old.name, old.dtype, old.shape, onnx.numpy_helper.to_array(default))
    for node in list(old.outputs):
        node.inputs = [fresh if tensor is old else tensor for tensor in node.inputs]
    return fresh


def skeleton(graph: gs.Graph, properties: Mapping[str, str]) -> onnx.ModelProto:
    """The model as a protobuf in which lazy weights have name, shape and type but no values."""
    graph.toposort()
    model = gs.export_onnx(graph, do_type_check=False)
    defaults = [(item.name, item.default) for item in graph.inputs if isinstance(item, Input)]
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in defaults if values is not None
    )
    model.ir_version = max(IR_VERSION, _least_ir_version(model))
    onnx.helper.set_model_props(model, dict(properties))
    return cast(onnx.ModelProto, model)


def load_all(graph: gs.Graph, properties: Mapping[str, str]) -> onnx.ModelProto:
    """The whole model in memory, weights included; for small models and tests."""
    lazy = lazy_weights(graph)
    model = skeleton(graph, properties)
    for tensor in model.graph.initializer:
        if tensor.name in lazy:
            tensor.raw_data = lazy[tensor.name].load().tobytes()
    return model


def lazy_weights(graph: gs.Graph) -> dict[str, Weight]:
    """Name -> weight of every lazy constant; those in subgraphs are made eager, since only the main graph streams."""
    for subgraph in graph.subgraphs(recursive=True):
        for tensor in _lazy_constants(subgraph):
            tensor.values  # noqa: B018
    return {tensor.name: tensor.weight for tensor in _lazy_constants(graph) if tensor.weight is not None}


def _lazy_constants(graph: gs.Graph) -> Iterator[WeightConstant]:
    return (tensor for tensor in graph.tensors().values() if isinstance(tensor, WeightConstant) and tensor.weight)


def _least_ir_version(model: onnx.ModelProto) -> int:
    """The lowest IR version that the model's default-domain opset is allowed in."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    table = {row[2]: row[1] for row in onnx.helper.VERSION_TABLE}
    return int(table.get(opset, IR_VERSION))
