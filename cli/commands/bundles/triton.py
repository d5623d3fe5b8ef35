"""`trtzoo triton`: a model becomes part of a Triton model repository."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle_flags import add_making, check_engine, check_making, made
from ...flags import positive, read_options, require
from ...registry import Command

if TYPE_CHECKING:
    from ....contract.meta import ModelMeta
    from ....engines.plans.settings import BuildSettings
    from ....pipeline import ConvertSettings

EXAMPLES = """
  trtzoo triton yolov8n.pt -o model_repository
  trtzoo triton yolov8n-seg.pt -o model_repository --name masks --uint8-input --max-batch 16
  trtzoo triton yolov8n.pt -o model_repository --backend tensorrt --precision fp16
  trtzoo triton yolov8n.engine -o model_repository
  trtzoo detect triton://localhost:8000/yolov8n pictures/
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .pt, .onnx or .engine")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the model repository")
    parser.add_argument("--name", help="of the model on the server (default: STEM)")
    parser.add_argument(
        "--backend",
        choices=("onnxruntime", "tensorrt"),
        help="what runs it there; tensorrt builds an engine for this machine's GPU, unless MODEL is one (default: tensorrt "
        "for an engine, else onnxruntime)",
    )
    parser.add_argument(
        "--max-batch", type=positive, default=8, metavar="N", help="pictures that are put together (default: 8)"
    )
    parser.add_argument("--ensemble", action="store_true", help="add NAME_pictures, which takes encoded pictures")
    parser.add_argument("--uint8-input", action="store_true", help="take frames as cameras give them, uint8 [H, W, 3]")
    end2end = add_making(parser)
    end2end.add_argument("--runtime-thresholds", action="store_true", help="make the thresholds inputs of the model")
    end2end.add_argument(
        "--optional-thresholds",
        action="store_true",
        help="a client may leave them out; requests are not put together then (of onnxruntime only)",
    )


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....bundles.triton import TritonSettings
    from ....pipeline import triton

    settings = TritonSettings(
        options.name or options.model.stem, options.max_batch, options.ensemble, options.optional_thresholds
    )
    check_making(options)
    conversion = _conversion(options)
    with console.progress("triton") as progress:
        done = triton(options.model, options.output, settings, conversion, options.backend, _engine(options), progress)
    for note in done.notes:
        console.note(note)
    print(f"{options.output}: {', '.join(done.models)}; tritonserver --model-repository={options.output.resolve()}")


def _conversion(options: argparse.Namespace) -> ConvertSettings:
    from ....converters import recognise
    from ....engines.plans.manifest import read_manifest
    from ....graph_passes.settings import Uint8Input
    from ....pipeline import ConvertSettings, read_model

    plain = ConvertSettings(read=read_options(options), batch=None, verify=not options.no_verify)
    if recognise(options.model) == "engine":
        manifest = read_manifest(options.model)
        check_engine(options, manifest.meta if manifest else None)
        return plain
    meta = read_model(options.model, plain).meta
    _check_optional(options, meta)
    return replace(made(options, meta, plain), uint8_input=Uint8Input() if options.uint8_input else None)


def _check_optional(options: argparse.Namespace, meta: ModelMeta) -> None:
    """Wrong usage: thresholds that are no inputs cannot be left out."""
    inputs = options.runtime_thresholds or meta.extra.get("runtime_thresholds")
    require(options, inputs or not options.optional_thresholds, "--optional-thresholds needs --runtime-thresholds")


def _engine(options: argparse.Namespace) -> BuildSettings:
    """How an engine is built; what it is for is the library that is installed."""
    from ....engines.build.timing_cache import default_folder
    from ....engines.plans.settings import BuildSettings

    return BuildSettings(timing_cache=default_folder())


COMMAND = Command("triton", "write a model into a Triton model repository", EXAMPLES, _add_flags, _run)
