"""Time and memory of `trtzoo build` beside a bare script that does nothing but parse, build and write with the same library.

    python benchmarks/build.py [--runs 10] [--target tensorrt-rtx] [MODEL.onnx ...]

Both are whole processes, run in turn, so that what slows this machine down slows both. "library" is the time from the first
byte parsed to the engine in memory, "process" the time from the shell's point of view: Python's start, imports, and here the
process of its own, the hashes and the manifest too, which is the same for every model. Figures are medians, a ratio is the
median of the ratios of neighbouring runs. Memory is the greatest sum over a process and its children (each page counted
once), read every few milliseconds in runs of their own.
"""

from __future__ import annotations

import argparse
import json
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

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODELS = ("yolov8n.pt", "yolov8n-seg.pt", "yolo11n-pose.pt", "yolo26n.pt", "yolov3-tiny.cfg")

BARE = """
import importlib, sys, time
onnx, plan, target = sys.argv[1:]
for name in {"tensorrt": ["tensorrt", "tensorrt_bindings"], "tensorrt-rtx": ["tensorrt_rtx", "tensorrt_rtx_bindings"]}[target]:
    try:
        trt = importlib.import_module(name)
        break
    except ImportError:
        pass
log = trt.Logger(trt.Logger.WARNING)
builder = trt.Builder(log)
start = time.perf_counter()
flags = 0 if target != "tensorrt" else 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
network = builder.create_network(flags)
parser = trt.OnnxParser(network, log)
if not parser.parse_from_file(onnx):
    sys.exit(parser.get_error(0).desc())
engine = builder.build_serialized_network(network, builder.create_builder_config())
seconds = time.perf_counter() - start
with open(plan, "wb") as stream:
    stream.write(engine)
print(seconds)
"""


@dataclass(frozen=True)
class Pair:
    """Seconds of both in neighbouring runs, (process, library), and the memory of both in MiB."""

    bare: tuple[tuple[float, float], ...]
    ours: tuple[tuple[float, float], ...]
    bare_memory: float
    ours_memory: float

    def cells(self) -> list[str]:
        """A row of the table: bare, ours and ratio of the library, the same of the process, and the memory."""
        row = []
        for which in (1, 0):
            bare, ours = ([run[which] for run in runs] for runs in (self.bare, self.ours))
            ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
            row += [f"{statistics.median(bare):.3f}", f"{statistics.median(ours):.3f}", f"{ratio:.3f}"]
        return [*row, f"{self.bare_memory:.0f}", f"{self.ours_memory:.0f}"]


def compare(onnx: Path, folder: Path, target: str, runs: int) -> Pair:
    """Build one model both ways, in turn, after once for the caches."""
    engine = folder / "ours.engine"
    bare = [sys.executable, "-c", BARE, onnx, folder / "bare.plan", target]
    ours = [sys.executable, "-m", "trtzoo", "build", onnx, "-o", engine, "--target", target, "--force"]
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    for number in range(runs + 1):
        for which in ("bare", "ours") if number % 2 else ("ours", "bare"):
            seconds, said = timed(bare if which == "bare" else ours)
            found[which].append((seconds, float(said) if which == "bare" else library_seconds(engine)))
    return Pair(tuple(found["bare"][1:]), tuple(found["ours"][1:]), peak(bare), peak(ours))


def library_seconds(engine: Path) -> float:
    """Parsing and building, as the manifest says."""
    seconds: dict[str, float] = json.loads(Path(f"{engine}.json").read_text())["seconds"]
    return sum(seconds.values())


def timed(command: Sequence[str | Path]) -> tuple[float, str]:
    """Seconds of a process from start to end, and the last line that it printed."""
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout.strip().splitlines()[-1]


def peak(command: Sequence[str | Path]) -> float:
    """Greatest memory of a process and its children, MiB, as their proportional set sizes."""
    greatest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            greatest = max(greatest, sum(proportional_kib(number) for number in family(process.pid)))
            time.sleep(0.005)
    return greatest / 1024


def family(number: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except OSError:
        return []
    return [number, *(below for child in children for below in family(int(child)))]


def proportional_kib(number: int) -> int:
    """Memory of one process; a page that several share is divided among them."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def sources(folder: Path, given: Sequence[Path]) -> list[Path]:
    """The models to build: those given, else real ones, converted here, in single and in half precision."""
    if given:
        return list(given)
    found = []
    for model in (SHARED / "weights" / name for name in MODELS):
        for flags in ([], ["--half"]):
            onnx = folder / f"{model.stem}{'-half' if flags else ''}.onnx"
            command = [
                sys.executable,
                "-m",
                "trtzoo",
                "convert",
                str(model),
                "-o",
                str(onnx),
                "--no-verify",
                *flags,
            ]
            if model.exists():
                subprocess.run(command, check=True, capture_output=True)
                found.append(onnx)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--runs", type=int, default=10, help="pairs of processes a model (default: 10)")
    parser.add_argument("--target", default="tensorrt-rtx", help="tensorrt or tensorrt-rtx (default)")
    options = parser.parse_args()
    columns = [f"{where} {what}" for where in ("library", "process") for what in ("bare s", "trtzoo s", "ratio")]
    table = Table("model", *columns, "bare MiB", "trtzoo MiB", title=f"building with {options.target}")
    with tempfile.TemporaryDirectory() as name:
        models = sources(Path(name), options.models)
        for onnx in models:
            pair = compare(onnx, Path(name), options.target, options.runs)
            table.add_row(onnx.stem, *pair.cells())
    if not models:
        sys.exit("give ONNX files: the real weights (../shared/weights) are not here")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
