"""FP16 in the graph: the network proper computes in half precision, the decode, NMS and the outputs stay in single.

    images . Cast(16) . Conv . SiLU . ... . Conv . Cast(32) . decode . NMS . outputs

The border is found by structure (`body`). A node goes to half only if the ONNX standard allows it for that operator and
if its constants fit: weights are never clipped. TensorRT and ONNX Runtime then run the types as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.meta import ModelMeta
from ...errors import UnsupportedError
from ...files import StrPath
from ...graph.editor import GraphEditor
from ...graph.integers import integer_operators
from ...graph.skeleton import constant, weight_of
from ..model import Model, Pass
from ..settings import Half
from ..thresholds import CONF_INPUT, IOU_INPUT
from .body import find_body
from .tensor_types import formal_type, infer_types, node_schema

LIMIT = float(np.finfo(np.float16).max)
"""65504, the greatest number of half precision."""

_EXACT_IN_HALF = (np.uint8, np.int8, np.bool_, np.float16)
_TYPED_BY_ATTRIBUTE = ("ConstantOfShape", "EyeLike", "RandomNormal", "RandomUniform", "Multinomial", "RandomNormalLike",
                       "RandomUniformLike", "Bernoulli")  # fmt: skip
FEW_NOTES = 3
"""More nodes than this that stay in single for one reason share a note."""

FindOverflow = Callable[[Model, StrPath], Mapping[str, str]]
"""A model and a picture, folder or pattern -> nodes whose values leave half precision on them, and why."""


@dataclass(frozen=True)
class HalfReport:
    """What the pass did.

    Attributes:
        converted: nodes that compute in half.
        kept: name and reason of each node of the body that stays in single.
        tail: nodes behind the body, which stay in single.
        casts: nodes that were added.
    """

    converted: int
    kept: tuple[tuple[str, str], ...]
    tail: int
    casts: int

    def require_change(self) -> None:
        """Raise UnsupportedError where the pass found nothing to convert."""
        if self.converted:
            return
        name, reason = next(iter(self.kept), ("", ""))
        why = f"{name}: {reason}" if name else "the network computes in half precision already, or in no floats"
        raise UnsupportedError(f"--half changes nothing ({why}); leave it out")

    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        done = f"FP16: {self.converted} nodes in half, {self.tail} of decode and NMS in single, {self.casts} casts"
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.kept:
            by_reason.setdefault(reason, []).append(name)
        return (done, *(note for reason, names in by_reason.items() for note in _kept_notes(reason, names)))


def _kept_notes(reason: str, names: Sequence[str]) -> list[str]:
    if len(names) > FEW_NOTES:
        return [f"FP16: {len(names)} nodes stay in single, {names[0]} the first: {reason}"]
    return [f"FP16: {name} stays in single: {reason}" for name in names]


def measured(wanted: Half | None, find_overflow: FindOverflow) -> Pass | None:
    """The pass that runs pictures and remembers which nodes cannot work in half precision."""
    pictures = wanted and wanted.pictures
    if not pictures:
        return None
    return lambda model: replace(model, keep_fp32=find_overflow(model, pictures))


def halved(wanted: Half | None) -> Pass | None:
    """The pass to half precision."""
    if wanted is None:
        return None

    def step(model: Model) -> Model:
        meta, report = to_half(model.graph, model.meta, model.keep_fp32, wanted.half_io)
        report.require_change()
        return model.with_meta(meta, *report.notes())

    return step


def to_half(
    graph: gs.Graph, meta: ModelMeta, keep_fp32: Mapping[str, str] | None = None, half_io: bool = False
) -> tuple[ModelMeta, HalfReport]:
    """Let the body of a graph compute in half precision, in place.

    Args:
        graph: of any exporter, before or after NMS was put in.
        meta: of the graph.
        keep_fp32: nodes that stay in single, and why (`engines.overflow.find_overflow`).
        half_io: the input becomes float16 too.

    Returns:
        The metadata with its precision, and what was done.

    Raises:
        UnsupportedError: a graph of integers, or `half_io` for an input that is not float32.
    """
    if found := integer_operators(graph):
        raise UnsupportedError(
            f"--half: the graph computes in integers ({', '.join(found)}); leave it out, or give the float model"
        )
    infer_types(graph)
    body = find_body(graph)
    kept: dict[str, str] = {}
    chosen: dict[int, gs.Node] = {}
    for node in body:
        reason = (keep_fp32 or {}).get(node.name) or _obstacle(node, graph.opset)
        if reason is None:
            chosen[id(node)] = node
        elif reason:
            kept[node.name or node.op] = reason
    rewriter = _Rewriter(graph, chosen)
    if half_io:
        meta = _half_input(graph, meta)
    rewriter.convert()
    report = HalfReport(len(chosen), tuple(kept.items()), len(graph.nodes) - rewriter.casts - len(body), rewriter.casts)
    return replace(meta, precision="int8" if meta.precision == "int8" else "fp16"), report


def _half_input(graph: gs.Graph, meta: ModelMeta) -> ModelMeta:
    inputs = [tensor for tensor in graph.inputs if tensor.name not in (CONF_INPUT, IOU_INPUT)]
    pictures = [tensor for tensor in inputs if tensor.shape is None or len(tensor.shape) > 1]
    for tensor in pictures:
        if tensor.dtype != np.float32:
            raise UnsupportedError(f"--half-io: the input {tensor.name} is {tensor.dtype}, not float32; leave it out")
        tensor.dtype = np.dtype(np.float16)
    return replace(meta, input_dtype="float16")


def _obstacle(node: gs.Node, opset: int) -> str | None:
    """Why a node of the body stays as it is: None if nothing speaks against half, "" if it holds no floats anyway."""
    if not any(tensor.dtype == np.float32 for tensor in (*node.inputs, *node.outputs)):
        return ""
    if any(isinstance(value, gs.Graph) for value in node.attrs.values()):
        return f"a {node.op} with a graph of its own is left as it is"
    schema = node_schema(node, opset)
    if schema is None:
        return f"{node.op} is no operator of the ONNX standard, so its types are not known"
    if any(tensor.dtype is None for tensor in node.inputs if not tensor.is_empty()):
        return "the type of one of its inputs is not known"
    if node.op == "Cast":
        return None if _can_cast_to_half(node) else ""
    if node.op in _TYPED_BY_ATTRIBUTE or "output_dtype" in node.attrs:
        return ""
    if not _takes_half(node, schema):
        quantised = node.op in ("QuantizeLinear", "DequantizeLinear")
        what = "quantise and dequantise nodes have" if quantised else f"{node.op} has"
        return f"{what} no half form in opset {opset}" + (" (19 has one)" if quantised else "")
    return _unfit_constant(node, schema)


def _can_cast_to_half(node: gs.Node) -> bool:
    """A Cast to float of a type that half holds exactly may as well go to half."""
    return node.outputs[0].dtype == np.float32 and node.inputs[0].dtype in _EXACT_IN_HALF


def _takes_half(node: gs.Node, schema: Any) -> bool:
    """Whether at least one float input may be half, and every float output."""
    inputs = [i for i, tensor in enumerate(node.inputs) if tensor.dtype == np.float32]
    outputs = [i for i, tensor in enumerate(node.outputs) if tensor.dtype == np.float32]
    return any(_is_half_place(schema, "inputs", i) for i in inputs) and all(
        _is_half_place(schema, "outputs", i) for i in outputs
    )


def _is_half_place(schema: Any, side: str, index: int) -> bool:
    """Whether the standard allows float16 at this input or output, as it does float32."""
    variable = formal_type(getattr(schema, side), index)
    return any(
        variable == entry.type_param_str and "tensor(float16)" in entry.allowed_type_strs
        for entry in schema.type_constraints
    )


def _unfit_constant(node: gs.Node, schema: Any) -> str | None:
    for index, tensor in _half_inputs(node, schema):
        if isinstance(tensor, gs.Constant) and (reason := _unfit(weight_of(tensor).load(), node.op)):
            return f"its constant {tensor.name or index} {reason}"
    return None


def _unfit(values: Any, op: str) -> str | None:
    """Why values do not fit into half: too great, or a divisor or epsilon that would become 0."""
    greatest = float(np.max(np.abs(values), initial=0.0))
    if not greatest <= LIMIT:
        return f"reaches {greatest:.6g}, beyond {LIMIT:.0f}"
    if values.size == 1 and greatest > 0 and np.float16(greatest) == 0:
        return f"is {greatest:.3g}, which half rounds to 0"
    return None


def _half_inputs(node: gs.Node, schema: Any) -> Iterator[tuple[int, gs.Tensor]]:
    """The inputs that are float now and become half with the node."""
    for index, tensor in enumerate(node.inputs):
        if tensor.dtype in (np.float32, np.float16) and _is_half_place(schema, "inputs", index):
            yield index, tensor


class _Rewriter:
    """Turns nodes to half and adds the casts between them and the rest, one for each tensor and direction."""

    def __init__(self, graph: gs.Graph, chosen: Mapping[int, gs.Node]) -> None:
        self.graph = graph
        self.casts = 0
        self._chosen = chosen
        self._editor = GraphEditor(graph)
        self._other: dict[tuple[int, bool], gs.Tensor] = {}

    def convert(self) -> None:
        """Do it."""
        schemas = {key: node_schema(node, self.graph.opset) for key, node in self._chosen.items()}
        demands = {key: {i for i, _ in _half_inputs(node, schemas[key])} for key, node in self._chosen.items()}
        for node in self._chosen.values():
            self._convert_outputs(node)
        for node in list(self.graph.nodes):
            self._connect(node, demands.get(id(node), set()))
            self._connect_subgraphs(node)
        self._restore_outputs()

    def _convert_outputs(self, node: gs.Node) -> None:
        if node.op == "Cast":
            node.attrs["to"] = np.float16
        for tensor in node.outputs:
            if tensor.dtype == np.float32:
                tensor.dtype = np.dtype(np.float16)

    def _connect(self, node: gs.Node, halves: set[int]) -> None:
        """Give every float input of a node the type that it wants."""
        if node.op == "Cast":
            return
        for index, tensor in enumerate(node.inputs):
            if index in halves and tensor.dtype == np.float32:
                node.inputs[index] = self._as(tensor, half=True)
            elif index not in halves and self._is_converted(tensor):
                node.inputs[index] = self._as(tensor, half=False)

    def _is_converted(self, tensor: gs.Tensor) -> bool:
        """Whether this pass made a tensor half; others may have been half before."""
        if tensor.dtype != np.float16:
            return False
        is_input = any(tensor is entry for entry in self.graph.inputs)
        return is_input or any(id(producer) in self._chosen for producer in tensor.inputs)

    def _as(self, tensor: gs.Tensor, half: bool) -> gs.Tensor:
        """The same values in the other type: a constant of its own, or behind a Cast."""
        key = (id(tensor), half)
        if key not in self._other:
            is_constant = isinstance(tensor, gs.Constant)
            self._other[key] = self._half_constant(tensor) if is_constant else self._cast(tensor, half)
        return self._other[key]

    def _half_constant(self, tensor: gs.Constant) -> gs.Constant:
        weight = weight_of(tensor).map(lambda values: values, np.float16)
        return constant(self._editor.unique(f"{tensor.name}.half"), weight if weight.shape else weight.load())

    def _cast(self, tensor: gs.Tensor, half: bool) -> gs.Tensor:
        kind = np.float16 if half else np.float32
        name = f"{tensor.name}/to_{'half' if half else 'single'}"
        self.casts += 1
        shape = None if tensor.shape is None else list(tensor.shape)
        return self._editor.node("Cast", [tensor], name, shapes=[shape], dtypes=[kind], attrs={"to": kind})[0]

    def _connect_subgraphs(self, node: gs.Node) -> None:
        """A graph inside a node (the body of a Loop) uses tensors of this one, and expects them as they were."""
        for value in node.attrs.values():
            if isinstance(value, gs.Graph):
                for inner in value.nodes:
                    self._connect(inner, set())
                    self._connect_subgraphs(inner)
                for index, tensor in enumerate(value.outputs):
                    if self._is_converted(tensor):
                        value.outputs[index] = self._as(tensor, half=False)

    def _restore_outputs(self) -> None:
        """Outputs keep their name and type: the half tensor behind one gets another name and a Cast."""
        for index, tensor in enumerate(self.graph.outputs):
            if self._is_converted(tensor):
                output = self._as(tensor, half=False)
                tensor.name, output.name = self._editor.unique(f"{tensor.name}/half"), tensor.name
                self.graph.outputs[index] = output
