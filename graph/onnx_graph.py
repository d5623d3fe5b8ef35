"""An ONNX graph as a skeleton plus lazy weights, and the writer that streams it into a file.

A graph is an onnx-graphsurgeon graph whose large constants hold a `LazyWeight`: name, shape and type, but no values.
`write_onnx` serialises that skeleton and then appends each weight to the protobuf as it is computed, one tensor at a time,
so that neither the whole model nor a second copy of it is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
from google.protobuf.message import DecodeError
from onnx_graphsurgeon.ir.tensor import LazyValues

from ..errors import InputError, UnsupportedError
from ..files import atomic_write, require_file
from .weights import Array, Weight

BATCH = "batch"
"""Name of the symbolic batch axis."""

Shape = Sequence[int | str]

IR_VERSION = 8
PROTOBUF_LIMIT = 2**31 - 1

# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data (all length-delimited).
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9


class LazyWeight(LazyValues):  # type: ignore[misc]
    """The values of a graphsurgeon constant that are computed while the file is written."""

    def __init__(self, weight: Weight) -> None:
        kind = onnx.helper.np_dtype_to_tensor_dtype(weight.dtype)
        super().__init__(onnx.TensorProto(dims=weight.shape, data_type=kind))
        self.shape = tuple(weight.shape)
        self.dtype = weight.dtype
        self.weight = weight

    def load(self) -> Array:
        """The values, when a pass asks for them."""
        return self.weight.load()


def constant(name: str, values: Weight | Array) -> gs.Constant:
    """A graph constant of an array, or of a weight that stays lazy."""
    return gs.Constant(name, LazyWeight(values) if isinstance(values, Weight) else np.asarray(values, order="C"))


def weight_of(tensor: gs.Constant) -> Weight:
    """The lazy weight behind a constant, whatever way it is stored."""
    values = tensor._values
    if isinstance(values, LazyWeight):
        return values.weight
    return Weight(tuple(tensor.shape), np.dtype(tensor.dtype), lambda: cast(Array, tensor.values))


class GraphEditor:
    """Adds nodes to a graph under unique names, and keeps shape and type of every tensor it makes.

    Used by the converters (through `OnnxOps`) and by the graph passes, so that both name things alike.
    """

    def __init__(self, graph: gs.Graph) -> None:
        self.graph = graph
        self._taken = {node.name for node in graph.nodes} | set(graph.tensors())

    def unique(self, name: str) -> str:
        """`name`, or `name_1`, `name_2`, ... if it is taken."""
        candidate, count = name, 0
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate

    def constant(self, name: str, values: Weight | Array) -> gs.Constant:
        """A constant under a unique name."""
        return constant(self.unique(name), values)

    def node(
        self,
        op: str,
        inputs: Sequence[gs.Tensor | Array],
        name: str,
        *,
        shapes: Sequence[Shape | None],
        dtypes: Sequence[npt.DTypeLike],
        domain: str | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> list[gs.Variable]:
        """Append a node with one output for each entry of `shapes`; numpy inputs become constants named after the node."""
        name = self.unique(name)
        tensors = [
            item if isinstance(item, gs.Tensor) else self.constant(f"{name}.{position}", item)
            for position, item in enumerate(inputs)
        ]
        outputs = [
            gs.Variable(self.unique(f"{name}:{index}" if index else f"{name}:out"), dtype=np.dtype(dtype), shape=shape)
            for index, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
        ]
        self.graph.nodes.append(
            gs.Node(op=op, name=name, domain=domain, attrs=dict(attrs or {}), inputs=tensors, outputs=outputs)
        )
        return outputs


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
    return gs.import_onnx(model), properties


Properties = Mapping[str, str] | Callable[[], Mapping[str, str]]


def write_onnx(graph: gs.Graph, properties: Properties, path: Path) -> None:
    """Write `graph` to `path`: the skeleton, every weight as it is computed, the metadata; then a rename.

    Args:
        graph: the graph.
        properties: its metadata; a function is called in a thread of its own while the weights are written.
        path: the file.

    Raises:
        UnsupportedError: the model exceeds protobuf's 2 GiB.
        InputError: the file cannot be written.
    """
    lazy = _lazy_constants(graph)
    model = skeleton(graph, {})
    headers = _take_initializers(model, lazy)
    head, body = _split(model)
    prefixes = [_tensor_prefix(header, weight.nbytes) for header, weight in zip(headers, lazy.values(), strict=True)]
    size = len(body) + sum(map(len, prefixes)) + sum(weight.nbytes for weight in lazy.values())
    if size > PROTOBUF_LIMIT:
        raise UnsupportedError(
            f"{path}: the model takes {size / 2**30:.1f} GiB, above the 2 GiB of an ONNX file; use a smaller model"
        )
    with atomic_write(path) as stream, ThreadPoolExecutor(max_workers=1) as pool:
        late = pool.submit(properties) if callable(properties) else None
        stream.write(head + _tag(_MODEL_GRAPH) + _varint(size) + body)
        for block in _initializers(prefixes, list(lazy.values())):
            stream.write(block)
        tail = onnx.ModelProto()
        onnx.helper.set_model_props(tail, dict(late.result() if late else cast(Mapping[str, str], properties)))
        stream.write(tail.SerializeToString())


def _initializers(prefixes: Sequence[bytes], weights: Sequence[Weight]) -> Iterator[bytes | memoryview]:
    """The bytes of all weights, each behind its prefix, in pieces.

    Raises:
        ValueError: a weight is not what it promised to be, which would leave the file unreadable.
    """
    for prefix, weight in zip(prefixes, weights, strict=True):
        yield prefix
        written = 0
        for piece in weight.stream():
            if piece.dtype != weight.dtype:
                raise ValueError(f"a weight promised {weight.dtype} but loaded as {piece.dtype}")
            written += piece.nbytes
            if piece.size:
                yield np.ascontiguousarray(piece).data.cast("B")
        if written != weight.nbytes:
            raise ValueError(f"a weight promised {weight.dtype}{list(weight.shape)} but loaded as {written} bytes")


def skeleton(graph: gs.Graph, properties: Mapping[str, str]) -> onnx.ModelProto:
    """The model as a protobuf in which lazy weights have name, shape and type but no values."""
    graph.toposort()
    model = gs.export_onnx(graph, do_type_check=False)
    model.ir_version = max(IR_VERSION, _least_ir_version(model))
    onnx.helper.set_model_props(model, dict(properties))
    return cast(onnx.ModelProto, model)


def load_all(graph: gs.Graph, properties: Mapping[str, str]) -> onnx.ModelProto:
    """The whole model in memory, weights included; for small models and tests."""
    model = skeleton(graph, properties)
    lazy = _lazy_constants(graph)
    for tensor in model.graph.initializer:
        if tensor.name in lazy:
            tensor.raw_data = lazy[tensor.name].load().tobytes()
    return model


def _lazy_constants(graph: gs.Graph) -> dict[str, Weight]:
    """Name -> weight of every lazy constant; those in subgraphs are made eager, since only the main graph streams."""
    for subgraph in graph.subgraphs(recursive=True):
        for tensor in _constants(subgraph):
            if isinstance(tensor._values, LazyWeight):
                tensor.values = tensor._values.load()
    return {item.name: item._values.weight for item in _constants(graph) if isinstance(item._values, LazyWeight)}


def _constants(graph: gs.Graph) -> Iterator[gs.Constant]:
    return (tensor for tensor in graph.tensors().values() if isinstance(tensor, gs.Constant))


def _least_ir_version(model: onnx.ModelProto) -> int:
    """The lowest IR version that the model's default-domain opset is allowed in."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    table = {row[2]: row[1] for row in onnx.helper.VERSION_TABLE}
    return int(table.get(opset, IR_VERSION))


def _take_initializers(model: onnx.ModelProto, lazy: Mapping[str, Weight]) -> list[onnx.TensorProto]:
    """Remove the lazy initializers from the model; return their headers in the order of `lazy`."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in lazy]
    taken = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in lazy}
    headers = []
    for name in lazy:
        header = onnx.TensorProto()
        header.CopyFrom(taken[name])
        headers.append(header)
    kept = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return headers


def _split(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """The serialised model without its graph, and the serialised graph."""
    body = model.graph.SerializeToString()
    model.ClearField("graph")
    return bytes(model.SerializeToString()), bytes(body)


def _tensor_prefix(header: onnx.TensorProto, nbytes: int) -> bytes:
    """The bytes of a GraphProto.initializer entry up to where its raw data begins."""
    fields = bytes(header.SerializeToString()) + _tag(_TENSOR_RAW_DATA) + _varint(nbytes)
    return _tag(_GRAPH_INITIALIZER) + _varint(len(fields) + nbytes) + fields


def _tag(field: int) -> bytes:
    """Protobuf key of a length-delimited field."""
    return _varint(field << 3 | 2)


def _varint(value: int) -> bytes:
    """Protobuf's base-128 integer."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
