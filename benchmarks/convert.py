"""Time and memory of `trtzoo convert`, whole processes, beside `cp` of the same bytes (and other exporters where installed).

    python benchmarks/convert.py [--runs 5] [--folder DIR]

Every row is a fresh process, started from the shell's point of view: Python's start and imports count. The figure is the
median of the runs; memory is the process's peak resident set (ru_maxrss), which counts files mapped into memory too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers import export_command, has_ultralytics, peer_environment
from rich.console import Console
from rich.table import Table

from trtzoo.converters.darknet.cfg import read_cfg
from trtzoo.converters.darknet.plan import plan

SHARED = Path(__file__).resolve().parents[2] / "shared"
ARCHIVE = SHARED / "weights" / "darknet-all-yolo-cfgs.zip"


@dataclass(frozen=True)
class Measurement:
    """Median wall seconds and greatest peak memory in MiB of a command."""

    seconds: float
    mebibytes: float


_LAUNCHER = """
import os, sys, time
start = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""
"""Started bare, since a child's peak begins with what its parent held at the fork."""


def measure(command: Sequence[str | Path], runs: int, env: Mapping[str, str] | None = None) -> Measurement:
    """Run a command several times, one after the other, after once for the caches of files and of compiled Python.

    Raises:
        SystemExit: it failed.
    """
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, command)]
    env = {key: value for key, value in (env or os.environ).items() if key != "PYTHONDONTWRITEBYTECODE"}
    seconds, peaks = [], []
    for number in range(runs + 1):
        done = subprocess.run(launch, check=True, capture_output=True, text=True, env=env)
        wall, peak, code = done.stdout.split()
        if code != "0":
            raise SystemExit(f"{' '.join(map(str, command))} failed with exit code {code}")
        if number:
            seconds.append(float(wall))
            peaks.append(float(peak))
    return Measurement(statistics.median(seconds), max(peaks))


def make_darknet(folder: Path, name: str) -> Path:
    """The official cfg with random weights: yolov3.cfg has 62 million of them."""
    cfg = folder / f"{name}.cfg"
    with zipfile.ZipFile(ARCHIVE) as archive:
        cfg.write_bytes(archive.read(f"AlexeyAB_darknet/cfg/{name}.cfg"))
    layers = plan(read_cfg(cfg)[0], None)[1]
    rng = np.random.default_rng(0)
    with cfg.with_suffix(".weights").open("wb") as stream:
        stream.write(struct.pack("<3iq", 0, 2, 5, 0))
        for layer in layers:
            for name, shape in layer.weights.items():
                values = rng.random(shape, np.float32)
                stream.write((values if name == "variance" else (values - 0.5) * 0.02).tobytes())
    return cfg


def darknet_rows(folder: Path, runs: int) -> list[tuple[str, Measurement]]:
    """`cp`, Python with the imports that converting needs, and the conversions."""
    full, tiny = make_darknet(folder, "yolov3"), make_darknet(folder, "yolov3-tiny")
    imports = "import numpy, onnx, onnx_graphsurgeon, trtzoo.pipeline, trtzoo.converters.darknet"
    out = folder / "out.onnx"
    size = full.with_suffix(".weights").stat().st_size / 2**20
    trtzoo = [sys.executable, "-m", "trtzoo"]
    return [
        (f"cp yolov3.weights ({size:.0f} MiB)", measure(["cp", full.with_suffix(".weights"), folder / "copy"], runs)),
        ("python, imports only", measure([sys.executable, "-c", imports], runs)),
        ("trtzoo convert yolov3.cfg --no-verify", measure([*trtzoo, "convert", full, "-o", out, "--no-verify"], runs)),
        ("trtzoo convert yolov3.cfg", measure([*trtzoo, "convert", full, "-o", out], runs)),
        ("trtzoo convert yolov3-tiny.cfg", measure([*trtzoo, "convert", tiny, "-o", out], runs)),
        ("trtzoo --help", measure([*trtzoo, "--help"], runs)),
    ]


def checkpoint_rows(folder: Path, runs: int) -> list[tuple[str, Measurement]]:
    """Each checkpoint by trtzoo and by its own framework, in turn."""
    rows = []
    for name in ("yolov8n", "yolov8n-seg", "yolo11n-pose", "yolo26n"):
        model = Path(shutil.copy(SHARED / "weights" / f"{name}.pt", folder))
        ours = [sys.executable, "-m", "trtzoo", "convert", model, "-o", folder / "out.onnx", "--no-verify"]
        rows.append((f"trtzoo convert {name}.pt --no-verify", measure(ours, runs)))
        if has_ultralytics():
            peer = measure(export_command(model), runs, peer_environment(folder))
            mine = rows[-1][1]
            ratio = f"{peer.seconds / mine.seconds:.1f}x the time, {peer.mebibytes / mine.mebibytes:.1f}x the memory"
            rows.append((f"yolo export model={name}.pt format=onnx ({ratio})", peer))
    return rows


def show(title: str, rows: Sequence[tuple[str, Measurement]]) -> None:
    """Print the rows as a table."""
    table = Table("process", "wall s (median)", "peak MiB", title=title, title_justify="left")
    for name, measured in rows:
        table.add_row(name, f"{measured.seconds:.3f}", f"{measured.mebibytes:.0f}")
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="processes a row (default: 5)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder, removed afterwards)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if ARCHIVE.exists():
            show("DarkNet", darknet_rows(folder, options.runs))
            show("PyTorch checkpoints", checkpoint_rows(folder, options.runs))
        else:
            print("the official cfgs and weights (../shared/weights) are not here: nothing to measure")
        if not has_ultralytics():
            print("ultralytics is not installed: no peer was measured")
    finally:
        if not options.folder:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
