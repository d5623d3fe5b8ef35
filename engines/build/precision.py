"""Precision as the graph has it, on a TensorRT whose networks are not strongly typed (8.5, 8.6).

There a flag allows a type anywhere, and the builder takes whatever is fastest. So that decode and NMS stay in single under
`convert --half`, every layer is held to the types that its tensors have in the ONNX file. What computes between Q and DQ
nodes is left to the builder, which makes INT8 of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..library.compat import Api
from ..plans.layers import Layer, parse_report

Kinds = dict[str, str]
"""By tensor: "float32" or "float16"."""

MOST = 5
"""How many layers a note lists."""


@dataclass(frozen=True)
class Held:
    """What the layers of a network were held to.

    Attributes:
        single: names of the layers that are to compute in single, in a graph that holds half too; empty if none is held.
    """

    single: frozenset[str] = frozenset()


def follow_graph(api: Api, network: Any, config: Any, onnx: str) -> Held:
    """Allow the types that the graph holds, and hold every layer of floats to its own.

    Args:
        api: the library.
        network: INetworkDefinition, parsed from the file.
        config: IBuilderConfig.
        onnx: the file.
    """
    trt, layers = api.trt, [network.get_layer(index) for index in range(network.num_layers)]
    if any(ilayer.type in (trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE) for ilayer in layers):
        config.set_flag(trt.BuilderFlag.INT8)
    kinds = float_kinds(onnx)
    if "float16" not in kinds.values():
        return Held()
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    quantised = _quantised(trt, layers)
    types = {ilayer.name: _hold(trt, ilayer, kinds) for ilayer in layers if ilayer.name not in quantised}
    return Held(frozenset(name for name, kind in types.items() if kind == "float32"))


def prefer_graph(api: Api, config: Any) -> None:
    """Let the builder leave the graph's types where it has no kernel that keeps to them."""
    config.clear_flag(api.trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    config.set_flag(api.trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)


def loosened(api: Api, nodes: Sequence[str], held: Held, report: str) -> str:
    """The note about a build that only preferred the graph's types: for which layers, and what became half by the inspector."""
    found = [layer.name for layer in parse_report(report) if "fp16" in layer.writes and _of_single(layer, held.single)]
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    half = (
        f"by its inspector these write half now: {', '.join(found[:MOST])}{more}"
        if found
        else (
            "its inspector names no layer that writes half instead"
            if report
            else "which layers are in half now is not known"
        )
    )
    return (
        f"{api.name} has no kernel that keeps to the graph's types for {', '.join(nodes[:MOST])}, so the engine was built with them "
        f"as a preference only; {half}; hold the engine against ONNX Runtime before you rely on it"
    )


def _of_single(layer: Layer, single: frozenset[str]) -> bool:
    """Whether a layer of the engine was made of layers in single only; of "{ForeignNode[FIRST...LAST]}" the last is looked at."""
    span = _SPAN.search(layer.name)
    names = (span[1],) if span else layer.nodes
    return bool(names) and all(name in single for name in names)


_SPAN = re.compile(r"\.\.\.([^\]]*)\]\}")


def float_kinds(onnx: str) -> Kinds:
    """The type of every tensor of a file that is in single or half, by name."""
    from onnx import TensorProto, load
    from onnx.shape_inference import infer_shapes

    names = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
    graph = infer_shapes(load(onnx, load_external_data=False)).graph
    typed = [
        (value.name, value.type.tensor_type.elem_type) for value in (*graph.input, *graph.value_info, *graph.output)
    ]
    weights = [(tensor.name, tensor.data_type) for tensor in graph.initializer]
    return {name: names[kind] for name, kind in (*typed, *weights) if kind in names}


def _quantised(trt: Any, layers: list[Any]) -> set[str]:
    """Names of the layers that read what a DequantizeLinear gives, or give what a QuantizeLinear reads."""
    around = (trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE)
    dequantised = {out.name for ilayer in layers if ilayer.type == trt.LayerType.DEQUANTIZE for out in _outputs(ilayer)}
    wanted = {itensor.name for ilayer in layers if ilayer.type == trt.LayerType.QUANTIZE for itensor in _inputs(ilayer)}
    return {
        ilayer.name
        for ilayer in layers
        if ilayer.type in around
        or any(itensor.name in dequantised for itensor in _inputs(ilayer))
        or any(itensor.name in wanted for itensor in _outputs(ilayer))
    }


def _hold(trt: Any, ilayer: Any, kinds: Kinds) -> str:
    """Hold one layer to its types, plugins included: EfficientNMS takes half where it may. Returns the type, "" if it has none.

    A tensor that the parser put in between has the type of what it is made from. A layer that joins tensors in half is left
    free: its neighbours hold their types, and 8.6.0 finds no kernels around one that is held (`docs/measured/`).
    """
    floats = {"float32": trt.float32, "float16": trt.float16}
    outputs = [(index, out) for index, out in enumerate(_outputs(ilayer)) if out.dtype in floats.values()]
    read = next((kinds[itensor.name] for itensor in _inputs(ilayer) if itensor.name in kinds), None)
    for _, out in outputs:
        if out.name not in kinds and read:
            kinds[out.name] = read
    given = [(index, kinds[out.name]) for index, out in outputs if out.name in kinds]
    if not given or len(given) < len(outputs) or ilayer.type == trt.LayerType.CONSTANT:
        return ""
    if ilayer.type == trt.LayerType.CONCATENATION and given[0][1] == "float16":
        return "float16"
    if not _converts(trt, ilayer):
        ilayer.precision = floats[read or given[0][1]]
    for index, kind in given:
        ilayer.set_output_type(index, floats[kind])
    return given[0][1]


def _converts(trt: Any, ilayer: Any) -> bool:
    """Whether the layer is there to change a type: a Cast (from 8.6 on), or the identity that stood for one."""
    return ilayer.type in (getattr(trt.LayerType, "CAST", None), trt.LayerType.IDENTITY)


def _inputs(ilayer: Any) -> Iterator[Any]:
    tensors = (ilayer.get_input(index) for index in range(ilayer.num_inputs))
    return (tensor for tensor in tensors if tensor is not None)


def _outputs(ilayer: Any) -> Iterator[Any]:
    tensors = (ilayer.get_output(index) for index in range(ilayer.num_outputs))
    return (tensor for tensor in tensors if tensor is not None)
