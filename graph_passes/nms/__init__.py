"""NMS in the graph: raw heads become the rows of detections of the end-to-end contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_graphsurgeon as gs

from ...contract.choices import Layout
from ...contract.meta import ModelMeta
from ...contract.nms import GraphNms, NmsSettings
from ...contract.target import Target
from ...errors import InputError
from ...graph.emitter import Emitter, Tensor
from ..layouts import check_layout
from ..layouts.dressing import dress
from ..model import Model, Pass
from ..settings import EndToEnd
from .assembly import assemble
from .candidates import Survivors
from .choose import choose, refuse_kept
from .raw_heads import Heads, find_heads
from .routes import efficient, efficient_idx, no_suppression, onnx_operator, plain, static

MOST = 3840
"""The longest TopK of TensorRT, so the limit of M and K."""

SURVIVORS: Mapping[str, Callable[[Emitter, Heads, GraphNms], Survivors]] = {
    "plain": plain.survivors, "static": static.survivors, "efficient-idx": efficient_idx.survivors,
    "onnx": onnx_operator.survivors, "none": no_suppression.survivors,
}  # fmt: skip
"""The routes that only say which candidates survive."""


def added(wanted: EndToEnd | None, target: Target, layout: Layout | None) -> Pass | None:
    """The pass that puts NMS behind the raw heads."""
    if wanted is None:
        return None

    def step(model: Model) -> Model:
        if model.meta.end2end:
            raise InputError(f"{model.where} is end to end already; leave --end2end out, or convert the original model")
        return model.with_meta(*add_nms(model.graph, model.meta, wanted.settings, target, layout or "separate"))

    return step


def kept(wanted: EndToEnd | None, target: Target) -> Pass | None:
    """The pass that looks whether the target can do the NMS that a graph holds already, and leaves the graph as it is."""
    if wanted is not None or not target.library:
        return None

    def step(model: Model) -> Model:
        refuse_kept(model.meta, target, model.where)
        return model

    return step


def add_nms(
    graph: gs.Graph, meta: ModelMeta, settings: NmsSettings, target: Target, layout: Layout = "separate"
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
        InputError: more rows or candidates than a TopK can hold.
        ModelError: the graph does not end in raw heads.
        UnsupportedError: the route cannot do this task, or does not run on this target, or the layout does not fit.
    """
    if meta.task == "classify":
        return meta, "a classifier has no boxes: its probabilities pass through"
    heads = find_heads(graph, meta)
    route, reason = choose(meta, settings, target)
    nms = meta.graph_nms(settings, route)
    _check_lengths(nms)
    meta = meta.with_nms(nms)
    check_layout(meta, layout)
    outputs = _rows(Emitter(graph, "/nms"), heads, meta, nms, target)
    return dress(graph, meta, outputs, layout), reason


def _rows(emit: Emitter, heads: Heads, meta: ModelMeta, nms: GraphNms, target: Target) -> dict[str, Tensor]:
    """The end-to-end outputs by name."""
    if nms.route == "efficient":
        return efficient.rows(emit, heads, nms, target)
    left = SURVIVORS[nms.route](emit, heads, nms)
    return assemble(emit, heads, left, nms.topk_all, meta.imgsz)


def _check_lengths(nms: GraphNms) -> None:
    """Refuse what no TopK of TensorRT can hold."""
    for flag, value in (("--topk-all", nms.topk_all), ("--nms-candidates", nms.candidates)):
        if value > MOST:
            raise InputError(f"{flag} {value} is out of range; choose 1 to {MOST} (TensorRT's longest TopK)")
