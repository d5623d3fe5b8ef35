"""Our graphs against the frameworks' simplified exports on ONNX Runtime's CPU: nodes, and time of one picture.

    python benchmarks/latency.py [--rounds 40] [--threads 2]

The two sessions of a row take turns, one run each a round, in alternating order, so that whatever else the machine does hits
both. The ratio is the median over the rounds of ours / theirs; the range is its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from peers import export, has_ultralytics
from rich.console import Console
from rich.table import Table

from trtzoo import ConvertSettings, convert

WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "weights"
MODELS = ("yolov8n", "yolov8n-seg", "yolo11n-pose", "yolo26n", "yolov8n-obb_custom-tau-fibrils")


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def once(model: onnxruntime.InferenceSession, image: np.ndarray) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    model.run(None, {model.get_inputs()[0].name: image})
    return time.perf_counter() - start


def race(ours: Path, theirs: Path, rounds: int, threads: int) -> np.ndarray:
    """Seconds [rounds, 2] of ours and theirs, taking turns."""
    pair = [session(ours, threads), session(theirs, threads)]
    _, channels, height, width = pair[0].get_inputs()[0].shape
    image = np.random.default_rng(0).random((1, channels, height, width), np.float32)
    for model in pair * 2:
        once(model, image)
    seconds = np.zeros((rounds, 2))
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[number, side] = once(pair[side], image)
    return seconds


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(low), float(high)


def nodes(path: Path) -> int:
    """How many nodes a graph has."""
    return len(onnx.load(path, load_external_data=False).graph.node)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="runs of each graph (default: 40)")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default: 2)")
    options = parser.parse_args()
    if not has_ultralytics() or not WEIGHTS.is_dir():
        raise SystemExit("needs ultralytics and ../shared/weights: nothing to compare with")
    table = Table(
        "model", "nodes", "peer's nodes", "ms", "peer's ms", "ratio (95 %)", title="raw graphs, 640 x 640, batch 1"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in MODELS:
            theirs = export(WEIGHTS / f"{model}.pt", folder)
            ours = convert(WEIGHTS / f"{model}.pt", folder / f"{model}-ours.onnx", ConvertSettings(verify=False)).path
            seconds = race(ours, theirs, options.rounds, options.threads)
            ratios = seconds[:, 0] / seconds[:, 1]
            low, high = interval(ratios)
            times = [f"{value * 1000:.1f}" for value in np.median(seconds, axis=0)]
            table.add_row(
                model, str(nodes(ours)), str(nodes(theirs)), *times, f"{np.median(ratios):.3f} ({low:.3f}-{high:.3f})"
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
