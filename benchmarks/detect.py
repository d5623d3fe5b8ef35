"""Time and memory of `trtzoo detect` beside `yolo predict`, and beside ONNX Runtime doing nothing but inference.

    python benchmarks/detect.py [--pictures 60] [--runs 5] [--model yolov8n.pt] [--device cpu] [--without-yolo]

All are whole processes, run in turn, so that what slows this machine down slows all of them. "bare" starts Python, opens the
same ONNX file and runs it as often as there are pictures, one after the other by all cores, on one input that is in memory; it
reads, prepares, decodes and writes nothing. Ours runs several pictures side by side on a CPU, which may save more than all that
costs. Ours and Ultralytics' read the pictures and write annotated copies; Ultralytics runs its .pt file on inputs cut to the
picture's aspect, a quarter smaller for most. Ratios are medians of the ratios of
neighbouring runs; on a machine that others use too, the time of all cores says more. Memory is the greatest resident set that
the system counted for a process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trtzoo import ConvertSettings, convert

SHARED = Path(__file__).resolve().parents[2] / "shared"

BARE = """
import sys
import numpy as np
import onnxruntime
path, device, batch, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
providers = ["CPUExecutionProvider"] if device == "cpu" else [("CUDAExecutionProvider", {"device_id": int(device)})]
session = onnxruntime.InferenceSession(path, providers=providers)
images = np.random.default_rng(0).random((batch, 3, 640, 640), np.float32)
for _ in range(runs):
    session.run(None, {"images": images})
"""

YOLO = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from framework_predictions import prepare_torchvision
prepare_torchvision()
from ultralytics.cfg import entrypoint
entrypoint()
"""
"""`yolo`, with an NMS of the framework's own where torchvision's compiled operators do not fit the torch installed."""

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support" / "oracles"


@dataclass(frozen=True)
class Ran:
    """Seconds of a process from the shell's point of view, seconds of all cores together, and its peak memory in MiB."""

    seconds: float
    cpu: float
    mib: float


def run(command: Sequence[str | Path], folder: Path) -> Ran:
    """Run a process to its end; its output is shown only when it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:4]} failed:\n{said.decode(errors='replace')}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**10)


def contenders(options: argparse.Namespace, folder: Path) -> dict[str, list[str | Path]]:
    """The command of each, by its name."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for file in sorted((SHARED / "coco" / "images").glob("*.jpg"))[: options.pictures]:
        shutil.copy(file, pictures)
    model = SHARED / "weights" / options.model
    batch = 1 if options.device == "cpu" else 8
    onnx = folder / f"{model.stem}.onnx"
    convert(model, onnx, ConvertSettings(batch=1 if batch == 1 else None))
    runs = -(-options.pictures // batch)
    python = [sys.executable, "-c"]
    trtzoo = [
        sys.executable,
        "-m",
        "trtzoo",
        "detect",
        onnx,
        pictures,
        "-o",
        folder / "out",
        "--device",
        options.device,
    ]
    rivals: dict[str, list[str | Path]] = {
        "ONNX Runtime, bare": [*python, BARE, onnx, options.device, str(batch), str(runs)],
        "trtzoo detect": trtzoo,
        "trtzoo detect --no-images": [*trtzoo, "--no-images"],
    }
    if not options.without_yolo:
        yolo = [f"model={model}", f"source={pictures}", f"project={folder / 'yolo'}", f"device={options.device}"]
        rivals["yolo predict"] = [*python, YOLO, SUPPORT, "predict", *yolo]
    return rivals


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="yolov8n.pt", help="a file of ../shared/weights with an input of 640x640")
    parser.add_argument("--device", default="cpu", help="cpu, or the number of a GPU")
    parser.add_argument("--without-yolo", action="store_true", help="leave Ultralytics out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rivals = contenders(options, folder)
        rounds = [{rival: run(command, folder) for rival, command in rivals.items()} for _ in range(options.runs)]
    table = Table(
        "process",
        "s",
        "of bare",
        "of trtzoo detect",
        "s of all cores",
        "MiB",
        title=_title(options),
        title_justify="left",
    )
    for rival in rivals:
        mine = [one[rival] for one in rounds]
        table.add_row(
            rival,
            f"{statistics.median(ran.seconds for ran in mine):.2f}",
            _ratio(rounds, rival, "ONNX Runtime, bare"),
            _ratio(rounds, rival, "trtzoo detect"),
            f"{statistics.median(ran.cpu for ran in mine):.2f}",
            f"{max(ran.mib for ran in mine):.0f}",
        )
    Console(width=120).print(table)


def _ratio(rounds: Sequence[dict[str, Ran]], rival: str, other: str) -> str:
    return f"{statistics.median(one[rival].seconds / one[other].seconds for one in rounds):.2f}"


def _title(options: argparse.Namespace) -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{options.model}, {options.pictures} pictures, {options.device}, {cores} cores, {options.runs} rounds"


if __name__ == "__main__":
    main()
