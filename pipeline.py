"""The way from a model file to an ONNX file: read, emit, graph passes, write, check."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .converters import read_network
from .converters.heads import ModelMeta, NmsSettings, to_properties
from .converters.options import ReadOptions
from .errors import InputError

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs


@dataclass(frozen=True)
class EndToEnd:
    """NMS in the graph.

    Attributes:
        settings: route and limits; `multi_label` None takes what the family's own framework does.
        target: what the graph is for, as `graph_passes.target.parse_target` reads it.
        multi_label: overrides the family's default.
    """

    settings: NmsSettings = NmsSettings()
    target: str = "onnxruntime"
    multi_label: bool | None = None


@dataclass(frozen=True)
class ConvertSettings:
    """Everything that `convert` can be told.

    Attributes:
        read: how the file is read.
        batch: fixed batch size; None makes it symbolic.
        opset: of the ONNX.
        end2end: NMS in the graph; None leaves the raw heads.
        layout: dressing of the outputs; None is the contract's own.
        verify: run the written file once and check its outputs.
    """

    read: ReadOptions = ReadOptions()
    batch: int | None = 1
    opset: int = 17
    end2end: EndToEnd | None = None
    layout: str | None = None
    verify: bool = True


@dataclass(frozen=True)
class Conversion:
    """What `convert` did.

    Attributes:
        path: the file it wrote.
        meta: of the model in it.
        notes: what the user should know, a sentence each.
        nodes: in the graph.
        seconds: from reading to the end of the check.
    """

    path: Path
    meta: ModelMeta
    notes: tuple[str, ...]
    nodes: int
    seconds: float


def convert(model: Path, output: Path, settings: ConvertSettings = ConvertSettings()) -> Conversion:
    """Convert a model file to ONNX.

    Args:
        model: a DarkNet cfg, a PyTorch checkpoint or an ONNX file.
        output: the file to write.
        settings: what is wanted.

    Raises:
        TrtZooError: with what is wrong, where, and what to do; `output` is then as it was before.
    """
    from .onnx_graph import write_onnx

    start = time.perf_counter()
    if output.is_dir() or (output.exists() and model.exists() and output.samefile(model)):
        raise InputError(f"-o {output} is {'a folder' if output.is_dir() else 'the model itself'}; name another file")
    graph, meta, notes = load_graph(model, settings)
    write_onnx(graph, to_properties(meta), output)
    if settings.verify:
        from .engines.check import check_onnx

        check_onnx(output, meta)
    return Conversion(output, meta, notes, len(graph.nodes), time.perf_counter() - start)


def load_graph(model: Path, settings: ConvertSettings) -> tuple[gs.Graph, ModelMeta, tuple[str, ...]]:
    """Read a model file and run the graph passes over it.

    Returns:
        The graph, its metadata and notes for the user.
    """
    from .converters.network import to_graph

    network = read_network(model, settings.read)
    graph, meta = to_graph(network, settings.batch, settings.opset)
    notes = network.notes
    if settings.end2end:
        meta, reason = _end2end(graph, meta, settings.end2end, settings.layout or "separate")
        notes += (reason,)
    return graph, meta, notes


def _end2end(graph: gs.Graph, meta: ModelMeta, wanted: EndToEnd, layout: str) -> tuple[ModelMeta, str]:
    from dataclasses import replace

    from .graph_passes.nms import add_nms
    from .graph_passes.target import parse_target

    multi_label = meta.multi_label if wanted.multi_label is None else wanted.multi_label
    return add_nms(graph, meta, replace(wanted.settings, multi_label=multi_label), parse_target(wanted.target), layout)
