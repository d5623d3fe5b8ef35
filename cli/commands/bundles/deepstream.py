"""`trtzoo deepstream`: a model becomes a folder that DeepStream runs as it is."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...flags import add_nms, add_reading, new_thresholds, nms_settings, positive, read_options, require
from ...int8_flags import INT8_FLAGS, add_int8_of_weights, given, int8_settings
from ...registry import Command

if TYPE_CHECKING:
    from ....bundles.deepstream import DeepStreamSettings
    from ....contract.meta import ModelMeta
    from ....pipeline import ConvertSettings

PRECISIONS = ("fp32", "fp16", "int8")

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
        "--precision", choices=PRECISIONS, help="of weights (default: fp32); int8 needs --calib-path or --int8-ranges"
    )
    parser.add_argument(
        "--parser",
        choices=("stock", "own"),
        help="DeepStream's own parser, or the one that the bundle brings (default: its own where that is enough)",
    )
    parser.add_argument("--no-verify", action="store_true", help="do not run the converted model once to check it")
    add_reading(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    add_nms(end2end)
    add_int8_of_weights(parser)


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....bundles.deepstream import DeepStreamSettings
    from ....pipeline import deepstream

    settings = DeepStreamSettings(options.deepstream, options.batch_size, options.parser)
    require(options, options.precision == "int8" or not given(options, INT8_FLAGS), "INT8 needs --precision int8")
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
    from ....graph_passes.settings import EndToEnd, Half
    from ....pipeline import ConvertSettings

    plain = ConvertSettings(read=read_options(options), verify=not options.no_verify)
    meta = _known(options, settings, plain)
    _check_precision(options, meta)
    if meta is None or meta.end2end:
        return plain if meta is None else replace(plain, thresholds=new_thresholds(options, meta))
    wanted = options.precision if meta.precision == "fp32" else None
    return replace(
        plain,
        end2end=EndToEnd(nms_settings(options), class_thresholds=dict(options.class_thres)),
        half=Half() if wanted == "fp16" else None,
        int8=int8_settings(options) if wanted == "int8" else None,
    )


def _known(options: argparse.Namespace, settings: DeepStreamSettings, plain: ConvertSettings) -> ModelMeta | None:
    """What the model is before anything is done to it; None where an engine has no manifest."""
    from ....converters import recognise
    from ....engines.plans.manifest import read_manifest
    from ....pipeline import read_model

    if recognise(options.model) == "engine":
        manifest = read_manifest(options.model)
        return manifest.meta if manifest else None
    return read_model(options.model, replace(plain, target=settings.target, batch=None)).meta


def _check_precision(options: argparse.Namespace, meta: ModelMeta | None) -> None:
    """Refuse to call a finished model what it is not; weights become what is asked for."""
    from ....errors import InputError

    weights = meta is None or (meta.precision == "fp32" and not meta.end2end and options.model.suffix != ".engine")
    if options.precision in (None, meta.precision if meta else None) or weights:
        return
    raise InputError(
        f"{options.model} is in {meta.precision if meta else 'another precision'} and stays so, not in --precision "
        f"{options.precision}; give the weights"
    )


COMMAND = Command("deepstream", "write a folder that DeepStream runs as it is", EXAMPLES, _add_flags, _run)
