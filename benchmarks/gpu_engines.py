"""Every task, route and precision as a real engine on a GPU, beside ONNX Runtime on the same pictures.

    python benchmarks/gpu_engines.py prepare DIR                # anywhere: converts the models of ../shared/weights
    python benchmarks/gpu_engines.py run DIR --seconds 560      # on the GPU: builds, then measures in a fresh process
    python benchmarks/gpu_engines.py table DIR                  # the results as Markdown

`run` does one case after the other (builds that share a GPU starve each other), leaves out what has a result already, and
appends one JSON line a case to DIR/results.jsonl, so a later call goes on where one stopped. The engine is built by
`trtzoo build`, as a user builds it. The reference of a case is its FP32 graph with the same NMS on ONNX Runtime's CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from gpu.cases import SETS, SHARED, Case
from gpu.differences import differences

PICTURES = 8
"""Pictures of COCO that every model is tried on, beside one with oriented objects."""


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases of the sets: all, those that are named, or those whose name holds one of the words."""
    cases = [case for which in options.set for case in SETS[which]()]
    named = [case for case in cases if case.name in options.only]
    return named or [case for case in cases if not options.only or any(word in case.name for word in options.only)]


def prepare(options: argparse.Namespace) -> None:
    """Convert what the cases need, and copy the pictures."""
    folder = options.folder
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    turned = SHARED / "weights" / "obb-sample_tau-fibrils_640.png"
    for path in [*sorted((SHARED / "coco" / "images").glob("*.jpg"))[:PICTURES], turned]:
        shutil.copy2(path, folder / "pictures")
    for case in chosen(options):
        onnx = folder / f"{case.name}.onnx"
        if not onnx.exists():
            source = SHARED / "weights" / case.source
            names = ["--names", str(SHARED / "weights" / "coco.names")] if source.suffix == ".cfg" else []
            words = [sys.executable, "-m", "trtzoo", "convert", str(source), "-o", str(onnx), *case.convert, *names]
            words += ["--target", options.library] if "--end2end" in case.convert else []
            made = subprocess.run(words, capture_output=True, text=True)
            print(case.name, "ok" if not made.returncode else made.stderr.strip().splitlines()[-1], flush=True)


def run(options: argparse.Namespace) -> None:
    """Build and measure each case, within the time."""
    start, results = time.monotonic(), options.folder / "results.jsonl"
    done = {json.loads(line)["case"] for line in results.read_text().splitlines()} if results.exists() else set()
    for case in chosen(options):
        left = options.seconds - (time.monotonic() - start)
        if case.name in done or not (options.folder / f"{case.name}.onnx").exists():
            continue
        if left < options.least:
            print(f"{case.name}: left out, {left:.0f} s left", flush=True)
            continue
        result = build_and_measure(case, options, left)
        with results.open("a") as stream:
            stream.write(json.dumps(result) + "\n")
        print(f"[{time.monotonic() - start:.0f} s] {json.dumps(result)[:600]}", flush=True)


def build_and_measure(case: Case, options: argparse.Namespace, left: float) -> dict[str, Any]:
    """One case: what the two processes said, or where it ended."""
    onnx, engine = options.folder / f"{case.name}.onnx", options.folder / f"{case.name}.engine"
    level = options.level if case.level is None else case.level
    level = None if options.library == "tensorrt:8.5" else level  # levels came with 8.6
    words = [sys.executable, "-m", "trtzoo", "build", str(onnx), "-o", str(engine), *case.build, *options.flags]
    words += ["--target", options.library]
    if level is not None:
        words += ["--opt-level", str(level)]
    result: dict[str, Any] = {"case": case.name, "convert": case.convert, "build": case.build, "level": level}
    started = time.monotonic()
    if not engine.exists():
        code, text = step(words, min(options.limit, left - 20))
        result |= {"build_s": round(time.monotonic() - started, 1), "build_rc": code, "said": text[-6:]}
        if code:
            return result
    limit = min(120.0, left - (time.monotonic() - started))
    words = [sys.executable, __file__, "measure", str(options.folder), case.name]
    code, text = step(words, limit, stderr=options.folder / f"{case.name}.log")
    found = [line for line in text if line.startswith("{")]
    return result | (json.loads(found[-1]) if found else {"measure_rc": code, "said": text[-6:]})


def step(words: list[str], limit: float, stderr: Path | None = None) -> tuple[int, list[str]]:
    """Run a process; its exit code (124 beyond the limit), and the lines that it printed."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    try:
        made = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit, env=environment
        )
    except subprocess.TimeoutExpired as error:
        output = error.output or b""
        text = output.decode(errors="replace") if isinstance(output, bytes) else output
        return 124, [*text.splitlines()[-6:], f"killed after {limit:.0f} s"]
    if stderr:
        stderr.write_text(made.stdout)
    return made.returncode, made.stdout.splitlines()


def measure(options: argparse.Namespace) -> None:
    """In a fresh process: load the engine, run it beside its reference, time it; prints one JSON line."""
    from trtzoo import Predictor, open_runtime

    case = next(case for cases in SETS.values() for case in cases() if case.name == options.only[0])
    start = time.perf_counter()
    engine = open_runtime(options.folder / f"{case.name}.engine")
    result: dict[str, Any] = {"load_s": round(time.perf_counter() - start, 2), "runtime": engine.name}
    onnx = options.folder / f"{case.reference or case.name}.onnx"
    own = open_runtime(options.folder / f"{case.name}.onnx")
    reference = open_runtime(onnx)
    pictures = read_pictures(options.folder / "pictures")
    theirs, ours = Predictor(reference)(pictures), Predictor(engine)(pictures)
    result["objects"] = sum(len(found) for found in theirs)
    result["differences"] = differences(theirs, ours)
    for count in (1, 2, 5, 7) if engine.meta.batch is None else ():
        some = (pictures * 2)[3 : 3 + count]
        result[f"batch {count}"] = differences(Predictor(reference)(some), Predictor(engine)(some))
    result["tensors"] = tensors(own, engine, pictures)
    result["ms"] = {}
    for count in (1, 5) if engine.meta.batch is None else (engine.meta.batch,):
        result["ms"][str(count)] = times(engine, inputs(engine.meta, pictures, count))
    if engine.meta.batch is None:
        result["replayed"] = replayed(engine, {count: inputs(engine.meta, pictures, count) for count in (1, 2, 5)})
    executor = getattr(engine, "_executor", None)
    result["cuda_graph"] = bool(getattr(executor, "uses_graph", False))
    result["precision"] = precision(options.folder / f"{case.name}.engine")
    engine.close()
    print(json.dumps(result), flush=True)


def replayed(engine: Any, images: dict[int, np.ndarray]) -> float:
    """Greatest change of an output where batch sizes take turns and their CUDA graphs are replayed, from the first run of each."""
    first = {count: engine.infer(batch) for count, batch in images.items()}
    gaps = [0.0]
    for _ in range(3):
        for count, batch in images.items():
            found = engine.infer(batch)
            gaps += [
                float(np.abs(found[name].astype(np.float64) - first[count][name]).max(initial=0)) for name in found
            ]
    return max(gaps)


def read_pictures(folder: Path) -> list[np.ndarray]:
    """The pictures of a folder by name, uint8 [H, W, 3] each."""
    from trtzoo.engines.pictures.sources import read_picture

    return [read_picture(path) for path in sorted(folder.iterdir())]


def inputs(meta: Any, pictures: list[np.ndarray], count: int) -> np.ndarray:
    """Network inputs [count, ...] of the first pictures, repeated."""
    from trtzoo.engines.pictures.preprocess import prepare as prepared

    return np.stack([prepared(pictures[row % len(pictures)], meta)[0] for row in range(count)])


def tensors(own: Any, engine: Any, pictures: list[np.ndarray]) -> dict[str, float]:
    """Greatest difference of each output from the same graph on ONNX Runtime (rows that hold detections)."""
    images = inputs(engine.meta, pictures, engine.meta.batch or 2)
    theirs, ours = own.infer(images), engine.infer(images)
    worst = {}
    for name, expected in theirs.items():
        actual = ours[name]
        if expected.shape != actual.shape or expected.dtype != actual.dtype:
            worst[name] = -1.0
        elif "num_dets" in theirs and name != "num_dets":
            counts = np.minimum(theirs["num_dets"], ours["num_dets"]).ravel()
            gaps = [gap(expected[row, :count], actual[row, :count]) for row, count in enumerate(counts)]
            worst[name] = max(gaps)
        else:
            worst[name] = gap(expected, actual)
    return {name: round(value, 5) for name, value in worst.items()}


def gap(expected: np.ndarray, actual: np.ndarray) -> float:
    """The greatest difference; 0 of nothing."""
    return float(np.abs(expected.astype(float) - actual.astype(float)).max(initial=0))


def times(runtime: Any, images: np.ndarray, count: int = 200) -> list[float]:
    """Milliseconds of the whole engine with both copies: median, 10th and 90th percentile."""
    spans = []
    for _ in range(count + 20):
        start = time.perf_counter()
        runtime.infer(images)
        spans.append(1e3 * (time.perf_counter() - start))
    return [round(float(value), 3) for value in np.percentile(spans[20:], [50, 10, 90])]


def precision(engine: Path) -> Any:
    """What the manifest says of the layers' types."""
    manifest = json.loads(Path(f"{engine}.json").read_text())
    return manifest.get("precision") or manifest.get("layers")


HEAD = (
    "| engine | level | built in | objects | lost, extra | box | score | keypoint | mask IoU | ms a run (batch) | graph |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def table(options: argparse.Namespace) -> None:
    """Results as Markdown."""
    file = options.folder / "results.jsonl" if options.folder.is_dir() else options.folder
    print("\n".join([*HEAD, *(row(json.loads(line)) for line in file.read_text().splitlines())]))


def row(result: dict[str, Any]) -> str:
    """One engine's line of the table: the worst of its pairs, boxes and keypoints in pixels of the picture."""
    level = "default" if result["level"] is None else result["level"]
    first = f"| {result['case']} | {level} | {result.get('build_s', '-')} s "
    if "differences" not in result:
        said = " ".join(result.get("said", [])).split("; the builder")[0]
        return f"{first}| failed: {said[said.find('Error Code') if 'Error Code' in said else 0 :]} |||||||"
    found = result["differences"]
    spent = ", ".join(f"{value[0]:.2f} ({batch})" for batch, value in result["ms"].items())
    return (
        f"{first}| {result['objects']} | {found['lost']:.0f}, {found['extra']:.0f} | {found['box']:.2f} | {found['score']:.4f} "
        f"| {found['keypoint']:.2f} | {found['mask_iou']:.3f} | {spent} | {'yes' if result['cuda_graph'] else 'no'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "run", "measure", "table"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("only", nargs="*", help="names of cases, or words in them (default: all)")
    parser.add_argument("--set", nargs="+", choices=list(SETS), default=["correctness"])
    parser.add_argument(
        "--library", default="tensorrt:8.6", help="target of graphs and engines (default: tensorrt:8.6)"
    )
    parser.add_argument("--level", type=int, help="of the builder (8.6 and later)")
    parser.add_argument("--seconds", type=float, default=1e9, help="that `run` may take")
    parser.add_argument("--limit", type=float, default=240, help="seconds of one build (default: 240)")
    parser.add_argument(
        "--least", type=float, default=45, help="seconds that must be left to begin a case (default: 45)"
    )
    parser.add_argument("--flags", type=shlex.split, default=[], help="further flags of every build, in one word")
    options = parser.parse_args()
    {"prepare": prepare, "run": run, "measure": measure, "table": table}[options.what](options)


if __name__ == "__main__":
    main()
