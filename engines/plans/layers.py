"""The EngineInspector's report as layers: the name of each, the types it reads and writes, and what was fused into it.

The report comes as JSON (TensorRT on a GPU) or as lines of text (TensorRT-RTX prints them at the end of a build).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_SHORT = {
    "float": "fp32", "float32": "fp32", "fp32": "fp32", "half": "fp16", "float16": "fp16", "fp16": "fp16",
    "bf16": "bf16", "bfloat16": "bf16", "int8": "int8", "fp8": "fp8", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "bool": "bool",
}  # fmt: skip
UNKNOWN = "unknown"
"""Stands for the types of a layer of which the library does not tell them."""

_FLOATS = ("fp32", "fp16", "bf16", "int8", "fp8")
_ONNX_LAYER = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_NO_NUMBER = re.compile(r"([:\[,]\s*)-?(?:nan|inf(?:inity)?)\b", re.IGNORECASE)
_LINE = re.compile(r"Name: (?P<name>.*?), LayerType: (?P<kind>[^,]*), (?P<rest>.*)")
_TENSOR = re.compile(r"\{ Name: (?P<name>.*?), Dimensions: .*?Datatype: (?P<type>\w+)")
_IO = re.compile(
    r" ?Name: (?P<name>.*?), IOMode: (?P<mode>\w+), DataType: (?P<type>\w+), Dimensions: \[(?P<shape>[^\]]*)\]"
)


@dataclass(frozen=True)
class Layer:
    """One layer of an engine.

    Attributes:
        name: in the engine.
        kind: the library's word for it.
        reads: types of its inputs, narrowest last, such as ("fp32", "fp16").
        writes: types of its outputs.
        nodes: ONNX nodes that became it; more than one were fused.
    """

    name: str
    kind: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    @property
    def precision(self) -> str:
        """The narrowest type of it, or two as in "fp16 > fp32" where it reads one and writes another.

        "unknown" where the library does not tell, "" where it computes no numbers with a fraction.
        """
        if UNKNOWN in self.reads:
            return UNKNOWN
        reads, writes = (next((kind for kind in kinds if kind in _FLOATS), "") for kinds in (self.reads, self.writes))
        return f"{reads} > {writes}" if reads and writes and reads != writes else writes or reads


def by_precision(layers: Sequence[Layer]) -> dict[str, int]:
    """How many layers work in each precision, most frequent first; those that compute nothing are left out."""
    counts = Counter(layer.precision for layer in layers if layer.precision)
    return dict(counts.most_common())


def parse_report(report: str) -> tuple[Layer, ...]:
    """The layers of a report in either form; none if it is of another form."""
    if report.lstrip().startswith("{"):
        return tuple(_json_layers(report))
    return tuple(_text_layers(report))


def parse_tensors(report: str) -> tuple[tuple[str, str, str, tuple[int, ...]], ...]:
    """Name, "input" or "output", numpy type and shape of each input and output in a report in text form."""
    found = []
    for line in report.partition("I/O Tensors:")[2].splitlines():
        if match := _IO.match(line):
            shape = tuple(int(length) for length in match["shape"].split(",") if length)
            kind = _NUMPY.get(match["type"].lower(), match["type"])
            found.append((match["name"], match["mode"].lower(), kind, shape))
    return tuple(found)


_NUMPY = {"float": "float32", "half": "float16", "bf16": "bfloat16"} | {
    name: name for name in ("int8", "int32", "int64", "uint8", "bool", "fp8")
}


def _text_layers(report: str) -> Iterator[Layer]:
    for line in report.partition("I/O Tensors:")[0].splitlines():
        if match := _LINE.match(line):
            inputs, _, rest = match["rest"].partition("Constants:")
            outputs = rest.partition("Outputs:")[2] if rest else match["rest"].partition("Outputs:")[2]
            yield Layer(
                match["name"], match["kind"], _types(_text_types(inputs.partition("Outputs:")[0])),
                _types(_text_types(outputs)), tuple(_ONNX_LAYER.findall(line)),
            )  # fmt: skip


def _text_types(part: str) -> list[str]:
    return [match["type"] for match in _TENSOR.finditer(part)]


def _read_json(report: str) -> Mapping[str, Any]:
    """The report, which may hold raw control characters (8.6.0) and bare `nan` and `inf`; empty if it is no JSON."""
    for text in (report, _NO_NUMBER.sub(r"\1null", report)):
        with suppress(json.JSONDecodeError):
            found = json.loads(text, strict=False)
            return found if isinstance(found, dict) else {}
    return {}


def _json_layers(report: str) -> Iterator[Layer]:
    for entry in _read_json(report).get("Layers", ()):
        if isinstance(entry, str):  # the engine was built without details
            yield Layer(entry, "")
            continue
        reads, writes = (_types(_json_type(tensor) for tensor in entry.get(key, ())) for key in ("Inputs", "Outputs"))
        nodes = tuple(_ONNX_LAYER.findall(entry.get("Metadata", "")))
        yield Layer(
            entry.get("Name", ""), entry.get("LayerType", ""), reads or _types(_fallback(entry, writes)), writes, nodes
        )


def _fallback(entry: Mapping[str, Any], writes: tuple[str, ...]) -> Iterator[str]:
    """The type of a layer whose tensors have none ("N/A due to dynamic shapes", 8.5 - 10): that of its weights, or unknown."""
    if writes or not (entry.get("Inputs") or entry.get("Outputs")):
        return
    weights = entry.get("Weights")
    kind = str(weights.get("Type", "")) if isinstance(weights, Mapping) and weights.get("Count") else ""
    yield kind if kind.lower() in _SHORT else UNKNOWN


def _json_type(tensor: Mapping[str, Any]) -> str:
    """TensorRT 11 has a key for the type; 10 hides it in a sentence such as "Row major linear FP32"."""
    for key in ("Datatype", "DataType"):
        if key in tensor:
            return str(tensor[key])
    words = re.split(r"\W+", str(tensor.get("Format/Datatype", "")))
    return next((word for word in words if word.lower() in _SHORT), "")


def _types(names: Any) -> tuple[str, ...]:
    """Our names of the types, each once, narrow floating types first."""
    short = {_SHORT.get(name.lower(), name.lower()) for name in names if name}
    order = ("int8", "fp8", "fp16", "bf16", "fp32")
    return tuple(sorted(short, key=lambda kind: (order.index(kind) if kind in order else len(order), kind)))
