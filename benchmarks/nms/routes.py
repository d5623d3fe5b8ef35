"""What NMS in the graph costs: every route, two slower formulations, Ultralytics' export, and torch, in one table.

    python benchmarks/nms/routes.py                             build the graphs and time them on ONNX Runtime's CPU
    python benchmarks/nms/routes.py --write DIR                 only build them
    python benchmarks/nms/routes.py --read DIR --device cuda    time them where trtzoo need not be installed
    python benchmarks/nms/routes.py --read DIR --device cuda --cuda-graph --only static

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
from pathlib import Path
from typing import Any

import numpy as np
from forms import CONF, IOU, ROWS, Array, Entry, build, inputs, predictions

SHAPES = ((1, 8400, 1), (1, 8400, 80), (8, 8400, 80), (1, 25200, 80))
EFFICIENT_NMS = {
    (1, 8400, 1): (0.39, 2.07), (1, 8400, 80): (0.15, 0.55), (8, 8400, 80): (0.18, 0.61), (1, 25200, 80): (0.24, 0.86),
}  # fmt: skip
"""Milliseconds of the EfficientNMS_TRT kernels on an H200, sparse and dense."""


def time_graphs(folder: Path, entries: list[Entry], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each graph: milliseconds a call, sparse and dense."""
    for entry in entries:
        session = _session(folder / entry.file, args)
        row: dict[str, Any] = {"form": entry.form, "shape": entry.shape, "candidates": entry.candidates}
        for dense in (False, True):
            call = _bound(session, inputs(entry.shape, dense), args.device)
            row["dense" if dense else "sparse"] = median_ms(call, args.runs)
            session = _session(folder / entry.file, args) if args.cuda_graph else session
        yield row


def _session(path: Path, args: argparse.Namespace) -> Any:
    """The graph, loaded; one that is captured belongs to the buffers of its first call."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    if args.device == "cpu":
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    ort.preload_dlls()
    cuda = ("CUDAExecutionProvider", {"enable_cuda_graph": str(int(args.cuda_graph))})
    session = ort.InferenceSession(str(path), options, providers=[cuda, "CPUExecutionProvider"])
    if "CUDAExecutionProvider" not in session.get_providers():
        raise SystemExit("error: ONNX Runtime has no CUDA provider here; install onnxruntime-gpu")
    return session


def _bound(session: Any, feeds: dict[str, Array], device: str) -> Callable[[], object]:
    """A call without copies between host and device."""
    import onnxruntime as ort

    if [item.name for item in session.get_inputs()] == ["predictions"]:
        feeds = {"predictions": predictions(feeds)}
    if device == "cpu":
        return lambda: session.run(None, feeds)
    binding = session.io_binding()
    for name, values in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, "cuda", 0))
    for item in session.get_outputs():
        if any(isinstance(length, str) for length in item.shape):
            binding.bind_output(item.name, "cuda")
            continue
        kind = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}[item.type]
        binding.bind_ortvalue_output(item.name, ort.OrtValue.ortvalue_from_shape_and_type(item.shape, kind, "cuda", 0))

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
    parser.add_argument(
        "--cuda-graph", action="store_true", help="capture each graph (with --only static: no others can be)"
    )
    parser.add_argument("--only", default="", help="forms whose name begins so")
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
        entries = [entry for entry in entries if entry.form.startswith(args.only)]
        rows = list(time_graphs(folder, entries, args))
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
