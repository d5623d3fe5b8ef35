"""`trtzoo verify`: whether two models compute the same."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ....contract.choices import BACKENDS
from ...flags import add_reading, device, read_options
from ...registry import Command

if TYPE_CHECKING:
    from ....evaluation.verification.results import VerifyResults

EXAMPLES = """
  trtzoo verify yolov8n.pt yolov8n.onnx
  trtzoo verify yolov8n.pt yolov8n-half.engine --source street.jpg --device 0
  trtzoo verify yolov8n.pt mine.onnx --bisect
  trtzoo verify yolov8n.pt yolov8n.onnx --against original
"""
RULES = ("fp32", "fp16", "int8")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    kinds = "a .cfg, .pt, .onnx, .engine or triton:// address"
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help=f"what is right: {kinds}")
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="what is held against it, likewise")
    parser.add_argument(
        "--source", type=Path, nargs="+", metavar="PICTURE", help="pictures or folders (default: a made picture)"
    )
    parser.add_argument(
        "--against",
        choices=("trtzoo", "original"),
        default="trtzoo",
        help="what computes REFERENCE: trtzoo, or its own framework (Ultralytics, OpenCV for DarkNet) where that is installed",
    )
    parser.add_argument("--bisect", action="store_true", help="name the first layer that differs, where something does")
    parser.add_argument(
        "--rule",
        choices=RULES,
        help="what may differ (default: that of the less precise model; see docs/evaluation.md)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for verify.json")
    parser.add_argument("--json", action="store_true", help="print verify.json instead of tables")
    parser.add_argument(
        "--backend", choices=BACKENDS, help="what runs both (default: torch for weights, else what fits the file)"
    )
    parser.add_argument("--device", type=device, default="cpu", metavar="cpu|N", help="cpu, or a GPU (default: cpu)")
    add_reading(parser)


def _run(options: argparse.Namespace) -> int | None:
    from .... import console
    from ....errors import VerificationError
    from ....evaluation.results_file import as_json, write_results
    from ....evaluation.subjects import subjects_of
    from ....evaluation.verification.original import original_opener
    from ....evaluation.verification.pictures import pictures_of
    from ....evaluation.verification.results import SCHEMA
    from ....evaluation.verification.run import verify
    from ....files import make_folder

    reference, candidate = subjects_of(
        [options.reference, options.candidate], options.backend or "torch", options.device, read_options(options)
    )
    opener = original_opener(reference) if options.against == "original" else None
    pictures = pictures_of(options.source, console.note)
    done = verify(reference, candidate, pictures, options.rule, options.bisect, console.note, opener)
    if options.output:
        write_results(make_folder(options.output) / "verify.json", SCHEMA, done)
    if options.json:
        print(json.dumps(as_json(SCHEMA, done), indent=1))
    else:
        _show(done)
    if not done.passed:
        first = done.faults[0]
        raise VerificationError(
            f"{done.candidate.label} does not compute what {done.reference.label} does: {first.stage}: {first.text}"
            + ("" if options.bisect or first.stage != "network" else "; --bisect names the layer")
        )
    return None


def _show(done: VerifyResults) -> None:
    from .... import console
    from ....evaluation.verification.tables import detections_table, outputs_table, verdict

    for table in (outputs_table(done), detections_table(done)):
        if table:
            console.table(table.title, table.columns, table.rows)
    for fault in done.faults:
        print(f"{fault.stage}: {fault.text}")
    print(verdict(done))


COMMAND = Command("verify", "hold a converted model against another one, stage by stage", EXAMPLES, _add_flags, _run)
