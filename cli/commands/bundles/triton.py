"""`trtzoo triton`: a model becomes part of a Triton model repository."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...flags import add_reading, add_thresholds, new_thresholds, nms_settings, positive, read_options
from ...registry import Command

if TYPE_CHECKING:
    from ....bundles.triton import Source
    from ....pipeline import ConvertSettings

EXAMPLES = """
  trtzoo triton yolov8n.pt -o model_repository
  trtzoo triton yolov8n-seg.pt -o model_repository --name masks --uint8-input --max-batch 16
  trtzoo triton yolov8n.engine -o model_repository --backend tensorrt
  trtzoo detect triton://localhost:8000/yolov8n pictures/
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .pt, .onnx or .engine")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the model repository")
    parser.add_argument("--name", help="of the model on the server (default: STEM)")
    parser.add_argument(
        "--backend", choices=("onnxruntime", "tensorrt"), help="what runs it there (default: what fits MODEL)"
    )
    parser.add_argument(
        "--max-batch", type=positive, default=8, metavar="N", help="pictures that are put together (default: 8)"
    )
    parser.add_argument("--ensemble", action="store_true", help="add NAME_pictures, which takes encoded pictures")
    parser.add_argument("--uint8-input", action="store_true", help="take frames as cameras give them, uint8 [H, W, 3]")
    parser.add_argument("--no-verify", action="store_true", help="do not run the converted model once to check it")
    add_reading(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    add_thresholds(end2end)
    end2end.add_argument("--runtime-thresholds", action="store_true", help="make the thresholds inputs of the model")
    end2end.add_argument(
        "--optional-thresholds",
        action="store_true",
        help="a client may leave them out; requests are not put together then",
    )


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....bundles.triton import TritonSettings, write_repository
    from ....files import staged_folder

    settings = TritonSettings(
        options.name or options.model.stem, options.max_batch, options.ensemble, options.optional_thresholds
    )
    with tempfile.TemporaryDirectory() as scratch, staged_folder(options.output) as folder:
        written = write_repository(_source(options, Path(scratch)), settings, folder)
    for note in written.notes:
        console.note(note)
    print(f"{options.output}: {', '.join(written.models)}; tritonserver --model-repository={options.output.resolve()}")


def _source(options: argparse.Namespace, scratch: Path) -> Source:
    """The file to serve: an engine as it is, anything else converted to ONNX."""
    from .... import console
    from ....bundles.triton import engine_source, onnx_source
    from ....converters import recognise
    from ....errors import InputError
    from ....pipeline import convert

    if recognise(options.model) == "engine":
        if options.backend == "onnxruntime":
            raise InputError(
                f"{options.model} is an engine, which --backend onnxruntime does not run; give the ONNX file"
            )
        return engine_source(options.model)
    if options.backend == "tensorrt":
        raise InputError(
            f"--backend tensorrt serves an engine, {options.model} is none; run `trtzoo build` on the machine of the server first"
        )
    done = convert(options.model, scratch / "model.onnx", _convert_settings(options))
    for note in done.notes:
        console.note(note)
    return onnx_source(done.path)


def _convert_settings(options: argparse.Namespace) -> ConvertSettings:
    from dataclasses import replace

    from ....graph_passes.settings import EndToEnd, Uint8Input
    from ....pipeline import ConvertSettings, read_model

    plain = ConvertSettings(read=read_options(options), batch=None, verify=not options.no_verify)
    meta = read_model(options.model, plain).meta
    plain = replace(plain, uint8_input=Uint8Input() if options.uint8_input else None)
    if meta.task == "classify":
        return plain
    if meta.end2end:
        return replace(plain, thresholds=new_thresholds(options, meta))
    return replace(plain, end2end=EndToEnd(nms_settings(options), runtime_thresholds=options.runtime_thresholds))


COMMAND = Command("triton", "write a model into a Triton model repository", EXAMPLES, _add_flags, _run)
