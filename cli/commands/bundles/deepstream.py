"""`trtzoo deepstream`: a model becomes a folder that DeepStream runs as it is."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle_flags import add_making, check_engine, check_making, made
from ...flags import positive, read_options
from ...registry import Command

if TYPE_CHECKING:
    from ....bundles.deepstream import DeepStreamSettings
    from ....pipeline import ConvertSettings

EXAMPLES = """
  trtzoo deepstream yolov8n.pt -o yolov8n-deepstream
  trtzoo deepstream yolo11n-pose.pt -o pose --deepstream 6.3 --batch-size 4
  trtzoo deepstream yolov8n-seg.pt -o seg --precision fp16
  trtzoo deepstream yolov8n.pt -o int8 --precision int8 --calib-path pictures/
  trtzoo deepstream yolov8n.engine -o bundle --deepstream 7.1
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .pt, .onnx or .engine")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--deepstream", default="9.1", metavar="VERSION", help="release that will run it, 6.2 to 9.2 (default: 9.1)"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=1, metavar="N", help="pictures that are run at once (default: 1)"
    )
    parser.add_argument(
        "--parser",
        choices=("stock", "own"),
        help="DeepStream's own parser, or the one that the bundle brings (default: its own where that is enough)",
    )
    add_making(parser)


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....bundles.deepstream import DeepStreamSettings
    from ....pipeline import deepstream

    settings = DeepStreamSettings(options.deepstream, options.batch_size, options.parser)
    check_making(options)
    conversion = _conversion(options, settings)
    with console.progress("deepstream") as progress:
        done = deepstream(options.model, options.output, settings, conversion, progress)
    for note in done.notes:
        console.note(note)
    print(
        f"{options.output}: {done.meta.task}, DeepStream {options.deepstream}, {done.parser} parser; see README.md in it"
    )


def _conversion(options: argparse.Namespace, settings: DeepStreamSettings) -> ConvertSettings:
    """How the model is converted; what the release decides is left to `deepstream`."""
    from ....converters import recognise
    from ....engines.plans.manifest import read_manifest
    from ....pipeline import ConvertSettings, read_model

    plain = ConvertSettings(read=read_options(options), verify=not options.no_verify)
    if recognise(options.model) == "engine":
        manifest = read_manifest(options.model)
        check_engine(options, manifest.meta if manifest else None)
        return plain
    return made(options, read_model(options.model, replace(plain, target=settings.target, batch=None)).meta, plain)


COMMAND = Command("deepstream", "write a folder that DeepStream runs as it is", EXAMPLES, _add_flags, _run)
