"""What a model file is: its facts as rows of a table, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .contract.meta import ModelMeta
from .contract.nms import NmsSettings
from .contract.outputs import input_spec, raw_outputs
from .contract.properties import for_ultralytics, from_properties
from .converters import read_network, recognise
from .converters.options import ReadOptions
from .errors import TrtZooError
from .files import StrPath, printable, sha256_of

if TYPE_CHECKING:
    from .engines.plans.inspect import EngineReport


@dataclass(frozen=True)
class Tensor:
    """An input or output: `mode` "input" or "output", its type and its shape, where a str is a free axis."""

    mode: str
    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Inspection:
    """What was found out.

    Attributes:
        kind: "cfg", "weights", "checkpoint", "onnx" or "engine".
        facts: name and value, in the order to show them.
        layers: what the model is made of, a line each; empty where the file does not say.
        tensors: its inputs and outputs, as far as the file says.
        meta: the metadata of a model that trtzoo reads or wrote.
        values: what only files of this kind have, as JSON values.
        notes: what else the user should know, a sentence each.
    """

    kind: str
    facts: dict[str, str]
    layers: tuple[str, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    meta: ModelMeta | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self) -> dict[str, str]:
        """Name and value of everything that a table shows."""
        return self.facts | {f"note {number}": note for number, note in enumerate(self.notes, start=1)}

    def document(self) -> dict[str, Any]:
        """Everything as JSON values for a program: numbers are numbers, lists are lists."""
        return {
            "file": printable(self.facts["file"]),
            "kind": self.kind,
            **self.values,
            "tensors": [asdict(tensor) for tensor in self.tensors],
            "metadata": asdict(self.meta) if self.meta else None,
            "thresholds": asdict(found) if self.meta and (found := thresholds_of(self.meta)) else None,
            "layers": list(self.layers),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Thresholds:
    """What a model is suppressed by where the user says nothing.

    Attributes:
        conf_thres: only greater scores count.
        iou_thres: greatest IoU of two boxes of a class; None where no NMS follows.
        set_by: "graph", whose NMS has them built in, or "family", whose framework predicts so by default.
    """

    conf_thres: float
    iou_thres: float | None
    set_by: Literal["graph", "family"]

    def sentence(self, framework: str) -> str:
        """For a table."""
        whose = "in its graph" if self.set_by == "graph" else f"as {framework} predicts by default"
        overlap = "no NMS" if self.iou_thres is None else f"IoU {self.iou_thres:g}"
        return f"score {self.conf_thres:g}, {overlap}, {whose}"


def thresholds_of(meta: ModelMeta) -> Thresholds | None:
    """The thresholds that hold where the user gives none; None for a classifier, which finds no boxes."""
    if meta.task == "classify":
        return None
    usual = meta.suppression(NmsSettings())
    overlaps = not (meta.nms_free or (meta.nms and meta.nms.route == "none"))
    return Thresholds(usual.conf_thres, usual.iou_thres if overlaps else None, "graph" if meta.nms else "family")


def inspect(path: StrPath, read: ReadOptions = ReadOptions()) -> Inspection:
    """Find out what a file is.

    Raises:
        TrtZooError: it cannot be read.
    """
    path = Path(path)
    kind = recognise(path)
    if kind == "weights":
        return _inspect_weights(path)
    if kind == "onnx":
        return _inspect_onnx(path)
    if kind == "engine":
        return _inspect_engine(path)
    return _inspect_network(path, kind, read)


def _inspect_network(path: Path, kind: str, read: ReadOptions) -> Inspection:
    network = read_network(path, read)
    digest = sha256_of(network.weights_file) if network.weights_file else network.meta.source_sha256
    meta = replace(network.meta, source_sha256=digest)
    specs = {"input": (input_spec(meta),), "output": raw_outputs(meta)}
    outputs = ", ".join(_tensor(spec.name, spec.dtype, spec.shape) for spec in specs["output"])
    facts = _meta_facts(meta) | {"input": _spec(meta), "raw heads": outputs, "layers": str(len(network.layers))}
    tensors = tuple(Tensor(mode, spec.name, spec.dtype, spec.shape) for mode in specs for spec in specs[mode])
    facts = {"file": str(path), "kind": kind} | facts
    return Inspection(kind, facts, network.layers, tensors, meta, notes=tuple(network.notes))


def _inspect_weights(path: Path) -> Inspection:
    from .converters.darknet.weights import read_header

    header = read_header(path)
    numbers = (path.stat().st_size - header.size) / 4
    facts = {
        "file": str(path),
        "kind": "DarkNet weights",
        "version": ".".join(map(str, header.version)),
        "pictures seen": f"{header.seen:,}",
        "header": f"{header.size} bytes",
        "numbers": f"{numbers:,.10g} (float32)",
        "layers": "in the .cfg that belongs to it: `trtzoo inspect MODEL.cfg`",
    }
    values = {
        "darknet_version": list(header.version),
        "pictures_seen": header.seen,
        "header_bytes": header.size,
        "numbers": int(numbers) if numbers.is_integer() else numbers,
    }
    return Inspection("weights", facts, values=values)


def _inspect_onnx(path: Path) -> Inspection:
    from .graph.skeleton import read_onnx

    graph, properties = read_onnx(path)
    operators = dict(Counter(node.op for node in graph.nodes).most_common())
    values = {
        "producer": graph.producer_name or None,
        "opset": graph.opset,
        "nodes": len(graph.nodes),
        "operators": operators,
        "properties": {key: value for key, value in properties.items() if key != "trtzoo"},
    }
    facts = {
        "file": str(path),
        "kind": "ONNX",
        "producer": f"{graph.producer_name or 'unknown'}, opset {graph.opset}",
        "nodes": str(len(graph.nodes)),
        "operators": _counted(operators),
        "inputs": ", ".join(_tensor(item.name, item.dtype, item.shape) for item in graph.inputs),
        "outputs": ", ".join(_tensor(item.name, item.dtype, item.shape) for item in graph.outputs),
    }
    meta = None
    try:
        meta = from_properties(properties, str(path))
        facts |= _meta_facts(meta) | {"ultralytics.YOLO()": _ULTRALYTICS[for_ultralytics(meta)]}
        values["for_ultralytics"] = for_ultralytics(meta)
    except TrtZooError:
        facts |= {f"metadata {key}": value[:200] for key, value in properties.items() if key != "trtzoo"}
    layers = tuple(f"{node.op:<20} {node.name}" for node in graph.nodes)
    ends = {"input": graph.inputs, "output": graph.outputs}
    tensors = tuple(
        Tensor(mode, item.name, str(item.dtype), tuple(item.shape or ()))
        for mode, items in ends.items()
        for item in items
    )
    return Inspection("onnx", facts, layers, tensors, meta, values)


def _inspect_engine(path: Path) -> Inspection:
    from .engines.plans.inspect import inspect_engine

    report = inspect_engine(path)
    facts = {
        "file": str(path),
        "kind": "engine",
        "file size": f"{report.size / 2**20:.1f} MiB",
        "known from": report.source or "the file's first bytes only",
    }
    for tensor in report.tensors:
        profile = f", profiles {tensor.profile}" if tensor.profile else ""
        facts[f"{tensor.mode} {tensor.name}"] = _tensor("", tensor.dtype, tensor.shape).strip() + profile
    facts |= {f"memory: {kind}": f"{count / 2**20:.1f} MiB" for kind, count in report.memory.items()}
    if report.layers:
        facts["layers"] = _counted(dict(sorted(report.precision.items())))
        facts["fusions"] = f"{len(report.fusions)} layers made of several nodes"
    if report.manifest:
        facts["built with"] = f"{report.manifest.target} {report.manifest.version} from {report.manifest.onnx}"
        facts["agrees with its manifest"] = "; ".join(report.differences) or "yes"
        if report.manifest.meta:
            facts |= _meta_facts(report.manifest.meta)
    else:
        facts["built with"] = f"{report.file.target} {report.file.version}".strip()
    layers = tuple(f"{layer.name}  {layer.kind}  {', '.join(layer.nodes)}" for layer in report.layers)
    tensors = tuple(Tensor(item.mode, item.name, item.dtype, tuple(item.shape)) for item in report.tensors)
    meta = report.manifest.meta if report.manifest else None
    return Inspection("engine", facts, layers, tensors, meta, _engine_values(report), tuple(report.notes))


def _engine_values(report: EngineReport) -> dict[str, Any]:
    built = report.manifest or report.file
    return {
        "bytes": report.size,
        "known_from": report.source or None,
        "library": built.target,
        "library_version": built.version or None,
        "built_from": report.manifest.onnx if report.manifest else None,
        "differences_from_manifest": list(report.differences),
        "profiles": report.profiles,
        "memory_bytes": dict(report.memory),
        "precisions": dict(report.precision),
        "layers_of_several_nodes": len(report.fusions),
    }


def _meta_facts(meta: ModelMeta) -> dict[str, str]:
    facts = {
        "family": meta.family,
        "task": meta.task,
        "classes": f"{len(meta.names)}: {', '.join(meta.names[:10])}{', ...' if len(meta.names) > 10 else ''}",
        "size": f"{meta.imgsz[0]} x {meta.imgsz[1]} (height x width), {meta.channels} channels",
        "strides": ", ".join(map(str, meta.strides)),
        "preprocessing": _preprocessing(meta),
        "precision": meta.precision,
    }
    if meta.kpt_shape:
        facts["keypoints"] = f"{meta.kpt_shape[0]} points of {meta.kpt_shape[1]} values"
    if meta.nms_free:
        facts["head"] = f"NMS-free ({meta.head})"
    if thresholds := thresholds_of(meta):
        facts["thresholds"] = thresholds.sentence(_FRAMEWORKS.get(meta.family, "the framework of its family"))
    if meta.nms:
        facts["NMS"] = ", ".join(f"{key} {value}" for key, value in asdict(meta.nms).items())
        facts["layout"] = meta.layout
    facts |= {key.replace("_", " "): str(value) for key, value in meta.extra.items()}
    if meta.source:
        facts["source"] = f"{meta.source}, sha256 {meta.source_sha256}"
    return facts


_ULTRALYTICS = {
    True: "runs this file",
    False: "refuses this file; `trtzoo convert MODEL --layout ultralytics` writes one that it runs",
}

_FRAMEWORKS: dict[str, str] = {
    "darknet": "DarkNet", "yolov5": "YOLOv5", "yolov5-pose": "YOLOv5", "yolov7": "YOLOv7", "yolov9": "YOLOv9",
    "ultralytics": "Ultralytics",
}  # fmt: skip


def _preprocessing(meta: ModelMeta) -> str:
    settings = meta.preprocess
    pad = f" with {settings.pad:.4g}" if settings.resize == "letterbox" else ""
    corner = " (top left)" if settings.resize == "letterbox" and settings.anchor == "topleft" else ""
    white = 255 if meta.input_dtype == "uint8" else settings.scale
    return f"{settings.resize}{corner}{pad}, {settings.colour}, 0..{white:g}"


def _spec(meta: ModelMeta) -> str:
    spec = input_spec(meta)
    return _tensor(spec.name, spec.dtype, spec.shape)


def _tensor(name: str, dtype: Any, shape: Iterable[int | str] | None) -> str:
    axes = "unknown shape" if shape is None else f"[{', '.join(map(str, shape))}]"
    return f"{name} {dtype} {axes}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
