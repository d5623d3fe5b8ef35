"""`trtzoo deepstream`: a model becomes a folder that DeepStream runs as it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.choices import ROUTE_CHOICES
from ..flags import (
    add_class_thresholds,
    add_reading,
    add_thresholds,
    new_thresholds,
    nms_settings,
    positive,
    read_options,
)
from ..registry import Command

if TYPE_CHECKING:
    from ...bundles.deepstream import DeepStreamSettings
    from ...contract.meta import ModelMeta
    from ...pipeline import ConvertSettings

PRECISIONS = ("fp32", "fp16", "int8")

EXAMPLES = """
  trtzoo deepstream yolov8n.pt -o yolov8n-deepstream
  trtzoo deepstream yolo11n-pose.pt -o pose --deepstream 6.3 --batch-size 4
  trtzoo deepstream yolov8n-seg.pt -o seg --precision fp16
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
        "--precision", choices=PRECISIONS, help="fp32 or fp16 of weights (default: fp32); int8 needs a MODEL that is"
    )
    parser.add_argument(
        "--parser",
        choices=("stock", "own"),
        help="DeepStream's own parser, or the one that the bundle brings (default: its own where that is enough)",
    )
    parser.add_argument("--no-verify", action="store_true", help="do not run the converted model once to check it")
    add_reading(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    end2end.add_argument("--nms", choices=ROUTE_CHOICES, help="how boxes are suppressed (default: auto)")
    add_thresholds(end2end)
    add_class_thresholds(end2end)


def _run(options: argparse.Namespace) -> None:
    from ... import console
    from ...bundles.deepstream import DeepStreamSettings, stale_engines, write_bundle
    from ...files import staged_folder

    settings = DeepStreamSettings(options.deepstream, options.batch_size, options.parser)
    with staged_folder(options.output) as folder:
        model, meta = _model(options, settings, folder)
        bundle = write_bundle(model, meta, settings)
        for stale in stale_engines(options.output, model.name):
            stale.unlink()
            console.note(f"removed {stale.name}, an engine of an earlier model")
    for note in bundle.notes:
        console.note(note)
    print(
        f"{options.output}: {meta.task}, DeepStream {options.deepstream}, {bundle.parser} parser; see README.md in it"
    )


def _model(options: argparse.Namespace, settings: DeepStreamSettings, folder: Path) -> tuple[Path, ModelMeta]:
    """The model in the bundle's folder: an engine copied, anything else converted."""
    from ... import console
    from ...converters import recognise
    from ...pipeline import convert

    if recognise(options.model) == "engine":
        return _copied_engine(options, folder)
    done = convert(options.model, folder / f"{options.model.stem}.onnx", _convert_settings(options, settings))
    for note in done.notes:
        console.note(note)
    _check_precision(options, done.meta)
    return done.path, done.meta


def _convert_settings(options: argparse.Namespace, settings: DeepStreamSettings) -> ConvertSettings:
    """What makes of this model the graph that the parser of this release reads."""
    from dataclasses import replace

    from ...bundles.deepstream import choose_parser, layout_for
    from ...contract.nms import TOPK_ALL
    from ...graph_passes.settings import EndToEnd, Half
    from ...pipeline import ConvertSettings, read_model

    plain = ConvertSettings(
        target=settings.target, read=read_options(options), batch=None, verify=not options.no_verify
    )
    meta = read_model(options.model, plain).meta
    rows = meta.nms.topk_all if meta.nms else options.topk_all or TOPK_ALL
    thresholds = dict(options.class_thres)
    known = thresholds or meta.extra.get("class_thresholds")
    layout = layout_for(choose_parser(meta.task, rows, known, settings.parser))
    if meta.end2end:
        new = new_thresholds(options, meta)
        return replace(
            plain, thresholds=new, layout=layout if (layout, meta.layout) == ("deepstream", "separate") else None
        )
    half = Half() if options.precision == "fp16" and meta.precision == "fp32" else None
    end2end = EndToEnd(nms_settings(options), class_thresholds=thresholds)
    return replace(plain, end2end=end2end, layout=layout, half=half)


def _copied_engine(options: argparse.Namespace, folder: Path) -> tuple[Path, ModelMeta]:
    import shutil

    from ...engines.plans.manifest import read_manifest
    from ...errors import InputError

    manifest = read_manifest(options.model)
    if manifest is None or manifest.meta is None:
        raise InputError(
            f"{options.model}: nothing is known about this engine without the .json that `trtzoo build` writes beside "
            "it; build it again from an ONNX file that trtzoo wrote"
        )
    for suffix in ("", ".json"):
        shutil.copyfile(f"{options.model}{suffix}", folder / f"{options.model.stem}.engine{suffix}")
    _check_precision(options, manifest.meta)
    return folder / f"{options.model.stem}.engine", manifest.meta


def _check_precision(options: argparse.Namespace, meta: ModelMeta) -> None:
    from ...errors import InputError

    if options.precision in (None, meta.precision):
        return
    advice = "give an ONNX file or engine that is INT8" if options.precision == "int8" else "give the weights"
    raise InputError(f"{options.model} comes out in {meta.precision}, not in --precision {options.precision}; {advice}")


COMMAND = Command("deepstream", "write a folder that DeepStream runs as it is", EXAMPLES, _add_flags, _run)
