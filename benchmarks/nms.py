"""What NMS in the graph costs: every route, two slower formulations, Ultralytics' export, and torch, in one table.

    python benchmarks/nms.py                             build the graphs and time them on ONNX Runtime's CPU
    python benchmarks/nms.py --write DIR                 only build them
    python benchmarks/nms.py --read DIR --device cuda    time them where trtzoo need not be installed

The graphs take boxes [B, A, 4] and scores [B, A, C] and end in 100 rows an image, thresholds 0.25 and 0.45, the best
class of each anchor. `sparse` has 20 objects with 10 overlapping boxes each above the threshold; in `dense` every
score is uniform in 0..1. EfficientNMS is NVIDIA's kernel on an H200, timed alone with thresholds and rows as here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHAPES = ((1, 8400, 1), (1, 8400, 80), (8, 8400, 80), (1, 25200, 80))
CANDIDATES = (300, 1000, 3840)
CONF, IOU, ROWS = 0.25, 0.45, 100
EFFICIENT_NMS = {
    (1, 8400, 1): (0.39, 2.07), (1, 8400, 80): (0.15, 0.55), (8, 8400, 80): (0.18, 0.61), (1, 25200, 80): (0.24, 0.86),
}  # fmt: skip
"""Milliseconds of the EfficientNMS_TRT kernels on an H200, sparse and dense."""


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


# Building.


def build(folder: Path, shapes: list[tuple[int, int, int]], peers: bool) -> list[Entry]:
    """Write every graph and the list of them, `entries.json`."""
    entries = []
    for shape in shapes:
        for form, function in FORMS.items():
            limits = (1000,) if form in ("matrix", "sequential") and shape[0] > 1 else CANDIDATES
            for candidates in limits:
                entry = Entry(form, shape, candidates, f"{form}_{'x'.join(map(str, shape))}_{candidates}.onnx")
                _write(folder / entry.file, shape, candidates, function)
                entries.append(entry)
        entries += _peer(folder, shape) if peers else []
    (folder / "entries.json").write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    return entries


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


def _route(route: str, target: str) -> Callable[..., Any]:
    """A form that is one of the product's routes, lowered where it is a plugin."""

    def form(graph: Any, meta: Any, settings: Any) -> Any:
        from dataclasses import replace

        from trtzoo.contract.target import parse_target
        from trtzoo.graph_passes.lower import lower
        from trtzoo.graph_passes.nms import add_nms

        meta, _ = add_nms(graph, meta, replace(settings, route=route), parse_target(target))
        lower(graph, meta)
        return meta

    return form


def _reference_form(suppress_matrix: Callable[..., Any]) -> Callable[..., Any]:
    """A form that says for all M candidates at once which survive."""

    def form(graph: Any, meta: Any, settings: Any) -> Any:
        from trtzoo.graph.emitter import Emitter
        from trtzoo.graph_passes.layouts import dress_rows
        from trtzoo.graph_passes.nms.assembly import assemble
        from trtzoo.graph_passes.nms.candidates import Survivors, best_candidates
        from trtzoo.graph_passes.nms.overlap import box_features
        from trtzoo.graph_passes.nms.raw_heads import find_heads

        emit, heads = Emitter(graph, "/nms"), find_heads(graph, meta)
        best = best_candidates(emit, heads, settings.candidates, settings.multi_label)
        features = box_features(emit, emit.gather_rows(heads.boxes, best.anchors))
        label = emit.unsqueeze(emit.cast(best.classes, np.float32), 2)
        valid = emit.cast(emit.binary("Greater", best.scores, np.array([CONF], np.float32)), np.float32)
        keep = suppress_matrix(emit, emit.concat([features, label], 2), valid)
        kept = Survivors(emit.binary("Mul", best.scores, keep), best.anchors, best.classes)
        meta = meta.with_nms(settings)
        return dress_rows(graph, meta, assemble(emit, heads, kept, ROWS, meta.imgsz), "separate")

    return form


def _overlaps(emit: Any, rows: list[Any], others: list[Any]) -> Any:
    """Bool [B, n, m]: too much overlap, and the same class."""
    from trtzoo.graph_passes.nms.overlap import box_iou

    hit = emit.binary("Greater", box_iou(emit, rows[:5], others[:5]), np.array(IOU, np.float32))
    return emit.binary("And", hit, emit.binary("Equal", rows[5], others[5]))


def _matrix(emit: Any, features: Any, valid: Any) -> Any:
    """Fixed point over all M x M overlaps: keep <- valid and not (S @ keep)."""
    count = features.shape[1]
    hit = _overlaps(emit, emit.columns(features), emit.columns(emit.transpose(features, [0, 2, 1]), axis=1))
    order = emit.arange(count, np.float32)
    earlier = emit.binary("Less", emit.unsqueeze(order, 0), emit.unsqueeze(order, 1))
    matrix, start = emit.cast(emit.binary("And", hit, earlier), np.float32), emit.unsqueeze(valid, 2)

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
    example = torch.from_numpy(_predictions(inputs(shape, dense=False)))
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


# Timing.


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


def _predictions(feeds: dict[str, Array]) -> Array:
    """[B, 4 + C, A], corners first, as Ultralytics' head hands them to its NMS."""
    return np.ascontiguousarray(np.concatenate(list(feeds.values()), 2).transpose(0, 2, 1))


def time_graphs(folder: Path, entries: list[Entry], device: str, threads: int, runs: int) -> Iterator[dict[str, Any]]:
    """A row for each graph: milliseconds a call, sparse and dense."""
    import onnxruntime as ort

    if device == "cuda":
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
    for entry in entries:
        session = ort.InferenceSession(str(folder / entry.file), options, providers=providers)
        if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            raise SystemExit("error: ONNX Runtime has no CUDA provider here; install onnxruntime-gpu")
        row: dict[str, Any] = {"form": entry.form, "shape": entry.shape, "candidates": entry.candidates}
        for dense in (False, True):
            call = _bound(session, inputs(entry.shape, dense), device)
            row["dense" if dense else "sparse"] = median_ms(call, runs)
        yield row


def _bound(session: Any, feeds: dict[str, Array], device: str) -> Callable[[], object]:
    """A call without copies between host and device."""
    import onnxruntime as ort

    if [item.name for item in session.get_inputs()] == ["predictions"]:
        feeds = {"predictions": _predictions(feeds)}
    if device == "cpu":
        return lambda: session.run(None, feeds)
    binding = session.io_binding()
    for name, values in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, "cuda", 0))
    for item in session.get_outputs():
        binding.bind_output(item.name, "cuda")

    def call() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call


def median_ms(call: Callable[[], object], runs: int) -> float:
    """Median time of a call in milliseconds, after two calls to warm up."""
    times = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[2:])


def time_torch(shapes: list[tuple[int, int, int]], device: str, runs: int) -> Iterator[dict[str, Any]]:
    """The same NMS written in torch: blocks as in `plain`, and all M x M overlaps at once."""
    import torch

    for shape in shapes:
        for name, function in (("torch, blocks", _torch_blocks), ("torch, matrix", _torch_matrix)):
            row: dict[str, Any] = {"form": name, "shape": shape, "candidates": 1000}
            for dense in (False, True):
                boxes, scores = (torch.from_numpy(x).to(device) for x in inputs(shape, dense).values())

                def call(function: Callable[..., Any] = function, boxes: Any = boxes, scores: Any = scores) -> None:
                    function(boxes, scores)
                    if device == "cuda":
                        torch.cuda.synchronize()

                row["dense" if dense else "sparse"] = median_ms(call, runs)
            yield row


def _torch_candidates(boxes: Any, scores: Any, count: int = 1000) -> tuple[Any, Any, Any]:
    best, labels = scores.max(2)
    values, anchors = best.topk(min(count, best.shape[1]), dim=1)
    return values, boxes.gather(1, anchors[..., None].expand(-1, -1, 4)), labels.gather(1, anchors)


def _torch_hits(boxes: Any, labels: Any, others: Any, other_labels: Any) -> Any:
    import torch

    sides = torch.minimum(boxes[:, :, None, 2:], others[:, None, :, 2:])
    sides = (sides - torch.maximum(boxes[:, :, None, :2], others[:, None, :, :2])).clamp_min(0)
    inter = sides.prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).clamp_min(0).prod(-1) for x in (boxes, others)]
    iou = inter / (areas[0][:, :, None] + areas[1][:, None] - inter).clamp_min(1e-30)
    return ((iou > IOU) & (labels[:, :, None] == other_labels[:, None])).float()


def _torch_settle(hits: Any, alive: Any) -> Any:
    """The fixed point of keep <- alive and not (S @ keep), S being the earlier part of `hits`."""
    import torch

    matrix, keep = hits.tril(-1), alive
    while True:
        new = torch.relu(alive - matrix @ keep)
        if torch.equal(new, keep):
            return keep
        keep = new


def _torch_matrix(boxes: Any, scores: Any) -> Any:
    values, boxes, labels = _torch_candidates(boxes, scores)
    keep = _torch_settle(_torch_hits(boxes, labels, boxes, labels), (values > CONF).float()[..., None])
    return (values * keep[..., 0]).topk(min(ROWS, values.shape[1]), dim=1)


def _torch_blocks(boxes: Any, scores: Any, block: int = 128) -> Any:
    """Blocks against everything kept before, until every image has its rows or no candidate left."""
    import torch

    values, boxes, labels = _torch_candidates(boxes, scores)
    keep = torch.zeros_like(values)
    for start in range(0, values.shape[1], block):
        part = slice(start, start + block)
        alive = (values[:, part] > CONF).float()[..., None]
        if start:
            hits = _torch_hits(boxes[:, part], labels[:, part], boxes[:, :start], labels[:, :start])
            alive = torch.relu(alive - hits @ keep[:, :start, None])
        hits = _torch_hits(boxes[:, part], labels[:, part], boxes[:, part], labels[:, part])
        keep[:, part] = _torch_settle(hits, alive)[..., 0]
        full = keep.sum(1) >= ROWS
        following = values[:, min(start + block, values.shape[1] - 1)] > CONF
        if not bool((following & ~full).any()):
            break
    return (values * keep).topk(min(ROWS, values.shape[1]), dim=1)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text, each with how it compares to EfficientNMS."""
    lines = [f"{'B, A, C':>14} {'form':<24} {'M':>5} {'sparse ms':>10} {'dense ms':>10}   x EfficientNMS on H200"]
    for row in rows:
        shape = tuple(row["shape"])
        sparse, dense = EFFICIENT_NMS.get(shape, (float("nan"), float("nan")))
        lines.append(
            f"{', '.join(map(str, shape)):>14} {row['form']:<24} {row['candidates'] or '-':>5} {row['sparse']:>10.3f} "
            f"{row['dense']:>10.3f}   {row['sparse'] / sparse:.2f} / {row['dense'] / dense:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, build and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="only write the graphs into this folder")
    parser.add_argument("--read", type=Path, help="time the graphs of this folder instead of building them")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime's CPU provider")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="only the second shape")
    parser.add_argument("--no-torch", action="store_true", help="leave out torch and Ultralytics")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    args = parser.parse_args()
    shapes = list(SHAPES[1:2] if args.quick else SHAPES)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.write or args.read or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        entries = _entries(folder) if args.read else build(folder, shapes, peers=not args.no_torch)
        if args.write:
            return
        rows = list(time_graphs(folder, entries, args.device, args.threads, args.runs))
    if not args.no_torch:
        rows += time_torch(shapes, args.device, args.runs)
    rows.sort(key=lambda row: tuple(row["shape"]))
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def _entries(folder: Path) -> list[Entry]:
    documents = json.loads((folder / "entries.json").read_text())
    return [Entry(**document | {"shape": tuple(document["shape"])}) for document in documents]


if __name__ == "__main__":
    main()
