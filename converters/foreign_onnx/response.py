"""What the end of a graph computes: the part after its last convolutions is run alone, on maps that are chosen.

    picture -> ... -> Conv -> [ maps -> sigmoid, grid, stride, ... -> output ]
                              filled with 0, 1, 40, -40, or the number of the cell

At 0 a sigmoid gives 1/2 and a box lies at its cell, at 40 and -40 a score is 1 and 0: so columns of scores, boxes and what
is not decoded are told apart by arithmetic, whatever the exporter called its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ...graph.session import run_once
from ...graph.skeleton import load_all
from ...graph.weights import Array
from ..vocabulary.ops import Tensor

FAR = 40.0
"""Where a sigmoid has come to its end in every precision."""

_MOST_NODES = 4000
_HEADS = ("Conv", "Gemm")
_SMALL = 4096


@dataclass(frozen=True)
class Response:
    """An output [n, m] of one picture for each filling of the maps."""

    zero: Array
    one: Array
    high: Array
    low: Array
    cell: Array

    @property
    def transposed(self) -> Response:
        """The same with its two axes swapped."""
        return Response(self.zero.T, self.one.T, self.high.T, self.low.T, self.cell.T)


def respond(graph: gs.Graph, output: Tensor) -> Response | None:
    """The response of an output [B, n, m], or None where no convolutions lead to it, or the end does not run alone."""
    names = _last_convolutions(output)
    if not names:
        return None
    shapes = _shapes(graph, names)
    if any(len(shapes.get(name, ())) != 4 for name in names):
        return None
    end = _end(graph, output.name, shapes)
    numbers = {name: np.arange(shape[2] * shape[3]).reshape(1, 1, *shape[2:]) for name, shape in shapes.items()}
    fillings: list[Mapping[str, Array | float]] = [dict.fromkeys(names, value) for value in (0.0, 1.0, FAR, -FAR)]
    try:
        return Response(*(_run(end, filling, output.name) for filling in [*fillings, numbers]))
    except Exception:  # ONNX Runtime's own errors have no public base; what does not run alone is no evidence
        return None


def _run(end: gs.Graph, filling: Mapping[str, Array | float], name: str) -> Array:
    inputs = {tensor.name: np.empty(tensor.shape, tensor.dtype) for tensor in end.inputs}
    for key, values in inputs.items():
        values[...] = filling.get(key, 0.0)
    with np.errstate(over="ignore"):
        result: Array = run_once(load_all(end, {}).SerializeToString(), inputs)[name][0].astype(np.float32)
    return result


def _last_convolutions(output: Tensor) -> list[str]:
    """The tensors that the nearest convolutions before `output` give; none where a way leads past all of them."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting = [output]
    while waiting:
        tensor = waiting.pop()
        if isinstance(tensor, gs.Constant) or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if not tensor.inputs or len(seen) > _MOST_NODES:
            return []
        node = tensor.inputs[0]
        if node.op in _HEADS and not _is_mean(node):
            found[tensor.name] = None
        elif node.op not in ("Shape", "ConstantOfShape"):
            waiting.extend(node.inputs)
    return list(found)


def _is_mean(node: gs.Node) -> bool:
    """Whether a convolution takes the mean of a distribution: its weights are 0, 1, 2, ... (Generalized Focal Loss)."""
    values = node.inputs[1]
    if not isinstance(values, gs.Constant) or len(values.shape) != 4 or values.shape[0] != 1 or values.shape[1] < 2:
        return False
    flat = np.asarray(values.values, np.float64).reshape(-1)
    return bool(np.allclose(flat, np.arange(len(flat)), atol=1e-2))


def _shapes(graph: gs.Graph, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors, the batch taken as the graph has it or as 1; inferred without the large weights."""
    light = graph.copy()
    weights = [tensor for tensor in light.tensors().values() if isinstance(tensor, gs.Constant) and _is_large(tensor)]
    for tensor in weights:
        stand_in = gs.Variable(tensor.name, tensor.dtype, list(tensor.shape))
        for node in list(tensor.outputs):
            node.inputs = [stand_in if item is tensor else item for item in node.inputs]
        light.inputs.append(stand_in)
    light.inputs[0].shape = [_fixed(light.inputs[0].shape[0]), *light.inputs[0].shape[1:]]
    for tensor in light.tensors().values():
        if isinstance(tensor, gs.Variable) and tensor not in light.inputs:
            tensor.shape = None
    model = onnx.shape_inference.infer_shapes(gs.export_onnx(light, do_type_check=False), data_prop=True)
    known = {value.name: value.type.tensor_type.shape.dim for value in (*model.graph.value_info, *model.graph.output)}
    return {
        name: tuple(axis.dim_value for axis in known[name])
        for name in names
        if name in known and all(axis.dim_value > 0 for axis in known[name])
    }


def _is_large(tensor: gs.Constant) -> bool:
    return bool(np.prod(tensor.shape) > _SMALL)


def _fixed(length: int | str) -> int:
    return length if isinstance(length, int) else 1


def _end(graph: gs.Graph, output: str, maps: Mapping[str, tuple[int, ...]]) -> gs.Graph:
    """The graph from `maps` to `output`; the picture stays an input where sizes are read from it."""
    end = graph.copy()
    tensors = end.tensors()
    for tensor in tensors.values():
        if isinstance(tensor, gs.Variable) and tensor not in end.inputs:
            tensor.shape = None
    for name, shape in maps.items():
        made_by = tensors[name].inputs[0]
        tensors[name].shape, tensors[name].dtype = list(shape), made_by.inputs[1].dtype
        tensors[name].inputs.clear()
    picture = end.inputs[0]
    picture.shape = [_fixed(picture.shape[0]), *picture.shape[1:]]
    end.inputs = [picture, *(tensors[name] for name in maps)]
    end.outputs = [tensors[output]]
    return end.cleanup()
