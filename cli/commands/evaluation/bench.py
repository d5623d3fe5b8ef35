"""`trtzoo bench`: how fast models are and what they cost, side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ....contract.choices import BACKENDS
from ...flags import add_reading, device, positive, read_options, require
from ...registry import Command

if TYPE_CHECKING:
    from ....evaluation.benchmark.results import BenchSettings

EXAMPLES = """
  trtzoo bench yolov8n.pt --half --device 0
  trtzoo bench yolov8n.pt yolov8n.onnx yolov8n.engine --device 0 --batch-sizes 1 2 8 --streams 2
  trtzoo bench yolov8n.onnx yolov8s.onnx yolov8m.onnx --source street.jpg -o results
  trtzoo bench yolov8n.engine --load 200
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="a .cfg, .pt, .onnx, .engine or triton:// address"
    )
    parser.add_argument("--source", type=Path, metavar="FILE", help="picture to look at (default: a made one)")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("bench"), metavar="DIR", help="folder for bench.json and bench.png"
    )
    parser.add_argument("--json", action="store_true", help="print bench.json instead of tables")
    parser.add_argument("--no-plots", action="store_true", help="draw no chart")
    parser.add_argument(
        "--backend", choices=BACKENDS, help="what runs the models (default: torch for weights, else what fits the file)"
    )
    parser.add_argument("--device", type=device, default="cpu", metavar="cpu|N", help="cpu, or a GPU (default: cpu)")
    parser.add_argument("--half", action="store_true", help="measure each .cfg and .pt in FP16 too (torch)")
    group = parser.add_argument_group("measuring")
    group.add_argument("--runs", type=positive, default=200, metavar="N", help="timed runs a model (default: 200)")
    group.add_argument("--chunk", type=positive, default=10, metavar="N", help="runs until the next model has its turn")
    group.add_argument("--warm-up", type=positive, default=10, metavar="N", help="runs without a clock (default: 10)")
    group.add_argument(
        "--batch-sizes", type=positive, nargs="+", default=[1], metavar="N", help="of the throughput (default: 1)"
    )
    group.add_argument("--streams", type=positive, default=1, metavar="N", help="models side by side (default: 1)")
    group.add_argument(
        "--load", type=float, metavar="RATE", help="latency while so many requests a second arrive by the clock"
    )
    group.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="of each throughput and of the load (default: 2)"
    )
    add_reading(parser)


def _run(options: argparse.Namespace) -> int | None:
    from .... import console
    from ....evaluation.benchmark.chart import CHART, draw_benchmark
    from ....evaluation.benchmark.markdown import as_markdown
    from ....evaluation.benchmark.results import SCHEMA
    from ....evaluation.benchmark.run import RESULTS, benchmark
    from ....evaluation.results_file import as_json, write_results
    from ....evaluation.subjects import subjects_of
    from ....files import make_folder

    require(options, options.seconds > 0, "--seconds must be greater than 0")
    require(options, options.load is None or options.load > 0, "--load must be greater than 0")
    subjects = subjects_of(
        options.models, options.backend or "torch", options.device, read_options(options), options.half
    )
    done = benchmark(subjects, options.source, _settings(options), console.track)
    write_results(make_folder(options.output) / RESULTS, SCHEMA, done)
    if not options.no_plots:
        draw_benchmark(options.output / CHART, done)
    print(json.dumps(as_json(SCHEMA, done), indent=1) if options.json else as_markdown(done))
    console.say(f"see {options.output}")
    return None


def _settings(options: argparse.Namespace) -> BenchSettings:
    from ....evaluation.benchmark.results import BenchSettings

    return BenchSettings(
        options.runs,
        options.chunk,
        options.warm_up,
        tuple(sorted(set(options.batch_sizes))),
        options.streams,
        options.seconds,
        options.load,
    )


COMMAND = Command("bench", "time models side by side: latency, throughput, memory", EXAMPLES, _add_flags, _run)
