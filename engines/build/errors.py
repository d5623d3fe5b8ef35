"""Why a network does not parse or build, in the user's words: the node, its operator, the reason, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, TrtZooError, UnsupportedError
from ..library.log import clean

MOST = 5
"""How many errors a message lists."""


@dataclass(frozen=True)
class ParserError:
    """One error of TensorRT's ONNX parser.

    Attributes:
        index: of the node in the file, -1 where the error is not about a node.
        node: its name, may be empty.
        op: its operator, may be empty.
        reason: what the parser said.
    """

    index: int
    node: str
    op: str
    reason: str

    def __str__(self) -> str:
        if self.index < 0:
            return self.reason
        return f"node {self.node or f'number {self.index}'}{f' ({self.op})' if self.op else ''}: {self.reason}"


def read_parser_errors(parser: Any, onnx: str) -> tuple[ParserError, ...]:
    """Every error that a parser holds; the parsers of TensorRT 8 tell a node's number only, its name is in the file."""
    found = [parser.get_error(index) for index in range(parser.num_errors)]
    if all(hasattr(fault, "node_name") for fault in found):
        return tuple(
            ParserError(fault.node(), fault.node_name(), fault.node_operator(), clean(fault.desc())) for fault in found
        )
    nodes = _nodes(onnx)
    return tuple(ParserError(fault.node(), *nodes.get(fault.node(), ("", "")), clean(fault.desc())) for fault in found)


def _nodes(onnx: str) -> dict[int, tuple[str, str]]:
    """Name and operator of the nodes of a file by number; none of a file that is no ONNX."""
    from google.protobuf.message import DecodeError
    from onnx import load

    try:
        graph = load(onnx, load_external_data=False).graph
    except DecodeError:
        return {}
    return {number: (node.name, node.op_type) for number, node in enumerate(graph.node)}


def explain_parse(where: str, name: str, found: Sequence[ParserError], said: Iterable[str]) -> TrtZooError:
    """The error for a file that did not parse.

    Args:
        where: the file.
        name: of the library, with its version.
        found: errors of the parser.
        said: errors in the log.
    """
    said = list(said)
    lost = next((match[1] for text in said if (match := re.search(r"Failed to open file: (\S+)", text))), None)
    if lost:
        return InputError(f"{where} keeps its weights in {lost}, which is not there; put that file beside it")
    if any("Failed to parse the ONNX model" in error.reason for error in found):
        return InputError(f"{where} cannot be read as ONNX; it may be truncated or of another format")
    listed = "; ".join(str(error) for error in found[:MOST]) or "; ".join(said[:MOST]) or "no reason given"
    more = f" (and {len(found) - MOST} more)" if len(found) > MOST else ""
    return UnsupportedError(f"{name} cannot parse {where}: {listed}{more}{_advice(listed, name)}")


def explain_build(where: str, name: str, said: Iterable[str]) -> TrtZooError:
    """The error for a network that parsed but did not become an engine.

    Args:
        where: the ONNX file.
        name: of the library, with its version.
        said: errors in the log.
    """
    texts = [text for text in said if text]
    if any("Network must have at least one output" in text for text in texts):
        return InputError(f"{where} holds no ONNX graph; the file may be truncated or of another format")
    listed = "; ".join(texts[:MOST]) or "the library gave no reason"
    return UnsupportedError(f"{name} cannot build {where}: {listed}{_advice(listed, name)}")


_NO_KERNEL = re.compile(r"Could not find any implementation for node (.+?)\.?\)*$")


def nodes_without_kernels(said: Iterable[str]) -> tuple[str, ...]:
    """The layers for which the builder found no kernel, as it names them; none if it failed of something else."""
    return tuple(dict.fromkeys(match[1] for text in said if (match := _NO_KERNEL.search(text))))


def _advice(text: str, name: str) -> str:
    """What to do about the errors that users meet most."""
    for pattern, advice in _ADVICE:
        if re.search(pattern, text):
            return f"; {advice.format(name=name)}"
    return ""


_ADVICE = (
    (
        r"for Turing \(SM75\): FP32 GEMM is not supported",
        "{name} multiplies no FP32 matrices on Turing; leave --compute-capability 7.5 out (engines are for Ampere and later then), or "
        "convert raw heads, without --end2end, and suppress outside of the engine",
    ),
    (
        r"EfficientNMS\w*_TRT\).*Plugin not found",
        "{name} has no such plugin; convert the weights again with --end2end --nms plain",
    ),
    (
        r"DynamicQuantizeLinear|ConvInteger|MatMulInteger|QLinear(Conv|MatMul)",
        "the file was quantised for ONNX Runtime, whose integer operators {name} does not read; give the float model, and "
        "quantise it with `trtzoo convert --int8`",
    ),
    (
        r"input has type Int32 but must have type|[Zz]ero.?[Pp]oint",
        "the file was quantised as ONNX Runtime does it by default (biases in int32, zero points other than 0); give the float model, "
        "and quantise it with `trtzoo convert --int8`, or use ActivationSymmetric, WeightSymmetric and QuantizeBias=False there",
    ),
    (
        r"Plugin not found|No importer registered|plugin creator",
        "{name} knows neither an operator nor a plugin of that name; replace it by standard operators, or use another "
        "--target",
    ),
    (
        r"must have same input types|same type|same data type",
        "types are never converted silently; add a Cast, or convert the model again so that trtzoo sets its types",
    ),
    (
        r"has no runners that implement it",
        "{name} has no kernel for that node; for NonMaxSuppression convert the weights again with --nms plain",
    ),
    (
        r"maximum value allowed \(3840\)",
        "a TopK is longer than TensorRT allows; convert the weights again with --nms plain and --nms-candidates of at most 3840",
    ),
    (
        r"[Oo]ut ?[Oo]f ?[Mm]emory|insufficient memory|requested size was",
        "memory ran out; lower --max-batch or --workspace, or close what else uses the GPU",
    ),
    (
        r"Unable to load library: libnvinfer_lean",
        "a version-compatible engine takes that library along: install the lean runtime of {name} beside it (tensorrt-lean of "
        "the same version, or libnvinfer-lean), or leave --version-compatible out",
    ),
    (
        r"Could not find any implementation for node",
        "the builder found no kernel for it within its limits; try more --workspace, another --opt-level, or another --nms",
    ),
    (r"opset|Opset", "convert the model with --opset 17"),
)
