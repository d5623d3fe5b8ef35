"""The graphs that `nms.py` times: every route, slower and other formulations, and Ultralytics' export.

They take boxes [B, A, 4] and scores [B, A, C] and end in 100 rows an image, thresholds 0.25 and 0.45, the best class of each
anchor. The product is imported inside functions only: graphs that are written can be timed where it is not installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CANDIDATES = (300, 1000, 3840)
SMALL = (256, 512, 1000)
"""M of the forms without control flow, which compare all with all."""
CONF, IOU, ROWS = 0.25, 0.45, 100
STEPS = 16


@dataclass(frozen=True)
class Entry:
    """A graph to time.

    Attributes:
        form: what is in it.
        shape: B, A, C.
        candidates: M, 0 where there is no such limit.
        file: its name in the folder.
    """

    form: str
    shape: tuple[int, int, int]
    candidates: int
    file: str


def build(folder: Path, shapes: list[tuple[int, int, int]], peers: bool) -> list[Entry]:
    """Write every graph and the list of them, `entries.json`."""
    entries = []
    for shape in shapes:
        for form, function in FORMS.items():
            for candidates in _limits(form, shape[0]):
                entry = Entry(form, shape, candidates, f"{form}_{'x'.join(map(str, shape))}_{candidates}.onnx")
                _write(folder / entry.file, shape, candidates, function)
                entries.append(entry)
        entries += _peer(folder, shape) if peers else []
    (folder / "entries.json").write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    return entries


def _limits(form: str, batch: int) -> tuple[int, ...]:
    """The values of M to time a form with."""
    if form.startswith("static"):
        return SMALL if form == "static" else SMALL[1:2]
    return (1000,) if form in ("matrix", "sequential") and batch > 1 else CANDIDATES


def _write(path: Path, shape: tuple[int, int, int], candidates: int, form: Callable[..., Any]) -> None:
    import onnx_graphsurgeon as gs

    from trtzoo.contract.meta import ModelMeta
    from trtzoo.contract.nms import NmsSettings
    from trtzoo.contract.outputs import raw_outputs
    from trtzoo.contract.properties import to_properties
    from trtzoo.graph.writer import write_onnx

    names = tuple(f"class{index}" for index in range(shape[2]))
    meta = ModelMeta("onnx", "detect", names, (8, 16, 32), (640, 640), batch=shape[0])
    graph = gs.Graph(opset=17, name="nms")
    for spec in raw_outputs(meta, shape[1]):
        ends = [gs.Variable(prefix + spec.name, np.dtype(np.float32), list(spec.shape)) for prefix in ("in_", "")]
        graph.nodes.append(gs.Node("Identity", f"pass_{spec.name}", inputs=ends[:1], outputs=ends[1:]))
        graph.inputs.append(ends[0])
        graph.outputs.append(ends[1])
    settings = NmsSettings("auto", IOU, CONF, ROWS, candidates)
    meta = form(graph, meta, settings)
    write_onnx(graph, to_properties(meta), path)


def _route(route: str, target: str, steps: int | None = None) -> Callable[..., Any]:
    """A form that is one of the product's routes, lowered where it is a plugin."""

    def form(graph: Any, meta: Any, settings: Any) -> Any:
        from trtzoo.contract.target import parse_target
        from trtzoo.graph_passes.lower import lower
        from trtzoo.graph_passes.nms import add_nms

        meta, _ = add_nms(graph, meta, replace(settings, route=route, steps=steps), parse_target(target))
        lower(graph, meta)
        return meta

    return form


def _reference_form(suppress_matrix: Callable[..., Any]) -> Callable[..., Any]:
    """A form that says for all M candidates at once which survive."""

    def form(graph: Any, meta: Any, settings: Any) -> Any:
        from trtzoo.graph.emitter import Emitter
        from trtzoo.graph_passes.layouts.dressing import dress
        from trtzoo.graph_passes.nms.assembly import assemble
        from trtzoo.graph_passes.nms.candidates import Survivors, best_candidates
        from trtzoo.graph_passes.nms.overlap import box_columns
        from trtzoo.graph_passes.nms.raw_heads import find_heads

        emit, heads = Emitter(graph, "/nms"), find_heads(graph, meta)
        best = best_candidates(emit, heads, settings.candidates, settings.multi_label, emit.take_rows)
        columns = box_columns(emit, emit.take_rows(heads.boxes, best.anchors))
        label = emit.unsqueeze(emit.cast(best.classes, np.float32), 2)
        valid = emit.cast(emit.binary("Greater", best.scores, np.array([CONF], np.float32)), np.float32)
        keep = suppress_matrix(emit, emit.concat([*columns, label], 2), valid)
        kept = Survivors(emit.binary("Mul", best.scores, keep), best.anchors, best.classes)
        meta = meta.with_nms(meta.graph_nms(settings, "plain"))
        return dress(graph, meta, assemble(emit, heads, kept, ROWS, meta.imgsz), "separate")

    return form


def _overlaps(emit: Any, rows: list[Any], others: list[Any]) -> Any:
    """Bool [B, n, m]: too much overlap, and the same class."""
    from trtzoo.graph_passes.nms.overlap import box_iou

    hit = emit.binary("Greater", box_iou(emit, rows[:5], others[:5]), np.array(IOU, np.float32))
    return emit.binary("And", hit, emit.binary("Equal", rows[5], others[5]))


def _suppressions(emit: Any, features: Any) -> Any:
    """S, float32 [B, M, M]."""
    hit = _overlaps(emit, emit.columns(features), emit.columns(emit.transpose(features, [0, 2, 1]), axis=1))
    order = emit.arange(features.shape[1], np.float32)
    earlier = emit.binary("Less", emit.unsqueeze(order, 0), emit.unsqueeze(order, 1))
    return emit.cast(emit.binary("And", hit, earlier), np.float32)


def _unrolled_by_maxima(emit: Any, features: Any, valid: Any) -> Any:
    """As route `static`, with the greatest of products in place of a matrix product."""
    matrix, count = _suppressions(emit, features), features.shape[1]
    hits = emit.reduce("ReduceMax", matrix, 2)
    for _ in range(STEPS - 1):
        keep = emit.unary("HardSigmoid", emit.reshape(hits, [1, count]), alpha=-1.0, beta=1.0)
        hits = emit.reduce("ReduceMax", emit.binary("Mul", matrix, keep), 2)
    keep = emit.unary("HardSigmoid", emit.squeeze(hits, 2), alpha=-1.0, beta=1.0)
    return emit.binary("Mul", keep, valid)


def _static_in_groups(graph: Any, meta: Any, settings: Any) -> Any:
    """Route `static`, its first TopK in two stages: the best of each group of anchors, then of those; the same rows."""
    from trtzoo.graph.emitter import Emitter
    from trtzoo.graph_passes.layouts.dressing import dress
    from trtzoo.graph_passes.nms.assembly import assemble
    from trtzoo.graph_passes.nms.raw_heads import find_heads
    from trtzoo.graph_passes.nms.routes import static

    class Grouping(Emitter):
        def topk(self, x: Any, k: int, largest: bool = True, name: str | None = None) -> Any:
            if name != "candidates":
                return super().topk(x, k, largest, name)
            length = x.shape[1]
            groups = next(count for count in (8, 6, 5) if not length % count)
            part, few = length // groups, min(k, length // groups)
            values, places = super().topk(self.reshape(x, [groups, part]), few)
            starts = np.arange(0, length, part)[:, None]
            flat = [self.reshape(y, [groups * few]) for y in (values, self.binary("Add", places, starts))]
            best, at = super().topk(flat[0], k)
            return best, self.gather_elements(flat[1], at)

    emit, heads = Grouping(graph, "/nms"), find_heads(graph, meta)
    nms = meta.graph_nms(replace(settings, route="static"), "static")
    rows = assemble(emit, heads, static.survivors(emit, heads, nms), ROWS, meta.imgsz)
    return dress(graph, meta.with_nms(nms), rows, "separate")


def _matrix(emit: Any, features: Any, valid: Any) -> Any:
    """Fixed point over all M x M overlaps: keep <- valid and not (S @ keep)."""
    count = features.shape[1]
    matrix, start = _suppressions(emit, features), emit.unsqueeze(valid, 2)

    def body(inner: Any, state: list[Any]) -> list[Any]:
        new = inner.unary("Relu", inner.binary("Sub", start, inner.matmul(matrix, state[1])))
        return [inner.any(inner.unary("Abs", inner.binary("Sub", new, state[1]))), new]

    return emit.squeeze(emit.loop(count, [start], body, "fixed_point")[0], 2)


def _sequential(emit: Any, features: Any, valid: Any) -> Any:
    """M rounds: candidate i, if it still stands, removes the later ones that it overlaps."""
    count = features.shape[1]
    others = emit.transpose(features, [0, 2, 1])

    def body(inner: Any, state: list[Any]) -> list[Any]:
        index, keep = state
        at = inner.unsqueeze(index, 0)
        row = inner.emit("Gather", [features, at], [features.shape[0], 1, features.shape[2]], np.float32, axis=1)
        stands = inner.emit("Gather", [keep, at], [keep.shape[0], 1], np.float32, axis=1)
        hit = inner.squeeze(_overlaps(inner, inner.columns(row), inner.columns(others, axis=1)), 1)
        later = inner.binary("Less", index, inner.arange(count))
        gone = inner.binary("Mul", inner.cast(inner.binary("And", hit, later), np.float32), stands)
        go = inner.emit("Less", [index, np.array(count, np.int64)], [], np.bool_)
        return [go, inner.binary("Sub", keep, inner.binary("Mul", keep, gone))]

    return emit.loop(count, [valid], body, "sequential")[0]


FORMS: dict[str, Callable[..., Any]] = {
    "plain": _route("plain", "onnxruntime"),
    "static": _route("static", "onnxruntime"),
    "static, 8 steps": _route("static", "onnxruntime", steps=8),
    "static, 4 steps": _route("static", "onnxruntime", steps=4),
    "static, TopK in groups": _static_in_groups,
    "static by maxima": _reference_form(_unrolled_by_maxima),
    "onnx": _route("onnx", "onnxruntime"),
    "efficient-idx, lowered": _route("efficient-idx", "tensorrt:10.3"),
    "matrix": _reference_form(_matrix),
    "sequential": _reference_form(_sequential),
}


def _peer(folder: Path, shape: tuple[int, int, int]) -> list[Entry]:
    """Ultralytics' NMSModel (`nms=True`) on predictions that are fed in, exported as Ultralytics does."""
    try:
        module = _ultralytics_nms(shape)
    except (ImportError, RuntimeError, AttributeError) as error:
        print(f"Ultralytics nms=True is left out: {error}")
        return []
    import torch

    file = f"ultralytics_{'x'.join(map(str, shape))}.onnx"
    example = torch.from_numpy(predictions(inputs(shape, dense=False)))
    torch.onnx.export(module, (example,), str(folder / file), opset_version=17, dynamo=False,
                      input_names=["predictions"], output_names=["output0"])  # fmt: skip
    return [Entry("Ultralytics nms=True", shape, 0, file)]


def _ultralytics_nms(shape: tuple[int, int, int]) -> Any:
    """The module that Ultralytics puts behind a model when it exports with nms=True."""
    import warnings
    from types import SimpleNamespace

    warnings.filterwarnings("ignore")
    _have_torchvision_ops()
    import torch
    from ultralytics.engine.exporter import NMSModel

    class PassThrough(torch.nn.Module):
        task, names = "detect", dict.fromkeys(range(shape[2]), "class")

        def forward(self, predictions: Any) -> Any:
            return predictions

    args = SimpleNamespace(format="onnx", dynamic=False, batch=shape[0], max_det=ROWS, conf=CONF, iou=IOU,
                           agnostic_nms=False, opset=17, half=False)  # fmt: skip
    return NMSModel(PassThrough(), args).eval()


def _have_torchvision_ops() -> None:
    """Stand in for torchvision's compiled operators where they do not fit the torch at hand; tracing needs only NMS."""
    import torch

    with suppress(ImportError, RuntimeError, AttributeError):
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
        return
    global _LIBRARY
    _LIBRARY = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"):
        _LIBRARY.define(f"{name}(Tensor input) -> Tensor")
        _LIBRARY.define(f"_{name}_backward(Tensor grad) -> Tensor")
    _LIBRARY.impl("nms", lambda boxes, scores, iou: scores.argsort(descending=True), "CPU")
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True


def inputs(shape: tuple[int, int, int], dense: bool) -> dict[str, Array]:
    """Boxes and scores: 20 objects of 10 boxes above the threshold, or every score uniform in 0..1."""
    rng = np.random.default_rng(0)
    batch, anchors, classes = shape
    middle, size = rng.uniform(0, 640, (batch, anchors, 2)), rng.uniform(20, 160, (batch, anchors, 2))
    scores = rng.uniform(0, 1 if dense else 0.1, (batch, anchors, classes))
    for image in range(0 if dense else batch):
        near = rng.choice(anchors, (20, 10), replace=False)
        middle[image, near] = middle[image, near[:, :1]] + rng.uniform(-8, 8, (20, 10, 2))
        size[image, near] = size[image, near[:, :1]] * rng.uniform(0.9, 1.1, (20, 10, 2))
        scores[image, near, rng.integers(0, classes, (20, 1))] = rng.uniform(0.3, 0.95, (20, 10))
    boxes = np.concatenate([middle - size / 2, middle + size / 2], 2)
    return {"in_boxes": boxes.astype(np.float32), "in_scores": scores.astype(np.float32)}


def predictions(feeds: dict[str, Array]) -> Array:
    """[B, 4 + C, A], corners first, as Ultralytics' head hands them to its NMS."""
    return np.ascontiguousarray(np.concatenate(list(feeds.values()), 2).transpose(0, 2, 1))
