"""`trtzoo report`: one page out of results files and models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....contract.choices import BACKENDS
from ...flags import add_reading, device, positive, read_options
from ...registry import Command

if TYPE_CHECKING:
    from ....evaluation.report.results import ReportResults

EXAMPLES = """
  trtzoo report val bench -o yolov8n.html
  trtzoo report yolov8n.onnx --source pictures -o yolov8n.html
  trtzoo report yolov8n.pt yolov8n-int8.onnx val/val.json laptop/bench.json server/bench.json --source street.jpg
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        metavar="RESULTS|MODEL",
        help="results files of verify, val, bench and report, folders of them, and models, which are inspected",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="page (default: ./report.html)"
    )
    parser.add_argument("--title", default="", help="of the page (default: names of the models)")
    group = parser.add_argument_group("models")
    group.add_argument("--source", type=Path, metavar="PATH", help="pictures to show with what the models find in them")
    group.add_argument("--pictures", type=positive, default=4, metavar="N", help="most pictures (default: 4)")
    group.add_argument("--backend", choices=BACKENDS, help="what runs the models (default: what fits each file)")
    group.add_argument("--device", type=device, default="cpu", metavar="cpu|N", help="cpu, or a GPU (default: cpu)")
    add_reading(parser)


def _run(options: argparse.Namespace) -> int | None:
    from .... import console
    from ....errors import InputError
    from ....evaluation.report.gather import Gathered, is_results, read_results
    from ....evaluation.report.page import make_page
    from ....evaluation.report.results import SCHEMA
    from ....evaluation.results_file import write_results
    from ....files import atomic_write

    files = [path for path in options.inputs if is_results(path)]
    models = [path for path in options.inputs if not is_results(path)]
    own = options.output.with_suffix(".json")
    if models and own.resolve() in [path.resolve() for path in files]:
        raise InputError(f"{own} would be written over, and it is to be read too; name another page with -o")
    results = read_results(files)
    if models:
        results.insert(0, _look(options, models))
    page = make_page(Gathered(tuple(results)), options.title)
    if models:
        write_results(own, SCHEMA, results[0])
    with atomic_write(options.output) as stream:
        stream.write(page.encode())
    console.say(f"{options.output}: {len(page.encode()) / 1e6:.2f} MB{f'; see {own} too' if models else ''}")
    return None


def _look(options: argparse.Namespace, models: Sequence[Path]) -> ReportResults:
    from .... import console
    from ....engines.runtimes.triton import is_address
    from ....evaluation.report.look import Known, look_at
    from ....evaluation.subjects import subjects_of
    from ....inspection import inspect

    read = read_options(options)

    def known(path: Path) -> Known:
        if is_address(str(path)):
            return Known({}, "")
        found = inspect(path, read)
        return Known(found.facts, found.meta.source_sha256 if found.meta else "")

    subjects = subjects_of(models, options.backend, options.device, read)
    return look_at(subjects, options.source, options.pictures, known, console.track, console.note)


COMMAND = Command("report", "one page of what was measured: accuracy, speed, pictures", EXAMPLES, _add_flags, _run)
