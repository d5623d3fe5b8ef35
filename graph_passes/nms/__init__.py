"""NMS in the graph: raw heads become the rows of detections of the end-to-end contract."""

from __future__ import annotations

from dataclasses import replace

import onnx_graphsurgeon as gs

from ...converters.heads import ModelMeta, NmsSettings, end2end_outputs
from ...errors import InputError
from ..emitter import Emitter, Tensor
from ..target import Target
from ..thresholds import threshold_constants
from .assembly import assemble
from .candidates import best_candidates
from .heads import Heads, find_heads
from .plain import greedy

MOST = 3840
"""The longest TopK of TensorRT, so the limit of M and K."""


def add_nms(
    graph: gs.Graph, meta: ModelMeta, settings: NmsSettings, target: Target, layout: str = "separate"
) -> tuple[ModelMeta, str]:
    """Put NMS behind the raw heads of `graph`, in place.

    Args:
        graph: ends in the raw heads of its task (`heads.raw_outputs`).
        meta: of the graph.
        settings: how to suppress; route "auto" is resolved here.
        target: what the graph is for.
        layout: dressing of the rows: "separate", "flat", "deepstream" or "ultralytics".

    Returns:
        The metadata with the settings used, and one line that says which route was chosen and why.

    Raises:
        InputError: a setting is out of range.
        ModelError: the graph does not end in raw heads.
        UnsupportedError: the route cannot do this task, or does not run on this target.
    """
    _check_settings(settings)
    if meta.task == "classify":
        return meta, "a classifier has no boxes: its probabilities pass through"
    settings, reason = replace(settings, route="plain"), "plain"
    outputs = _plain(Emitter(graph, "/nms"), find_heads(graph, meta), settings)
    meta = meta.with_nms(settings)
    _finish(graph, meta, outputs)
    return meta, reason


def _plain(emit: Emitter, heads: Heads, settings: NmsSettings) -> dict[str, Tensor]:
    thresholds = threshold_constants(emit, settings)
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label)
    survivors, used = greedy(emit, heads, candidates, settings, thresholds)
    return assemble(emit, heads, survivors, used, settings.topk_all)


def _check_settings(settings: NmsSettings) -> None:
    """Refuse values outside their range."""
    for flag, value in (("--topk-all", settings.topk_all), ("--nms-candidates", settings.candidates)):
        if not 1 <= value <= MOST:
            raise InputError(f"{flag} {value} is out of range; choose 1 to {MOST} (TensorRT's longest TopK)")
    if not 0 <= settings.conf_thres < 1:
        raise InputError(f"--conf-thres {settings.conf_thres} is out of range; choose 0 to below 1")
    if not 0 < settings.iou_thres <= 1:
        raise InputError(f"--iou-thres {settings.iou_thres} is out of range; choose above 0 to 1")


def _finish(graph: gs.Graph, meta: ModelMeta, outputs: dict[str, Tensor]) -> None:
    """Give the outputs their names and order, and drop the raw ones."""
    graph.outputs = []
    for spec in end2end_outputs(meta):
        tensor = outputs[spec.name]
        tensor.name = spec.name
        graph.outputs.append(tensor)
    graph.cleanup(remove_unused_graph_inputs=False)
