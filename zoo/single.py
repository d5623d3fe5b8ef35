"""One model from an application's own `config.yaml`, whose part `vision.yolo` says which engine it wants.

    vision:
      yolo:
        model_path: models/yolo11n-pose.engine
        input_size: [640, 640]
        tensorrt_engine_settings: {precision: FP16, batch_size: 1, workspace_size: 2}
        model_source: {base_model: yolo11n-pose, pt_model_path: models/yolo11n-pose.pt}

Everything else in the file is the application's business and is not looked at. Paths are relative to the file's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..contract.target import parse_target
from ..errors import InputError, UnsupportedError
from ..files import require_file
from .download import files_of
from .steps import Step, unchecked

Count = Annotated[int, msgspec.Meta(ge=1)]


class EngineSettings(msgspec.Struct, frozen=True):
    """How the engine is built; workspace in GiB."""

    precision: Literal["FP32", "FP16", "INT8", "fp32", "fp16", "int8"] = "FP16"
    batch_size: Count = 1
    workspace_size: Annotated[float, msgspec.Meta(gt=0)] | None = None


class ModelSource(msgspec.Struct, frozen=True):
    """A model of the catalogue, or a URL, and where its weights lie or go to."""

    base_model: str
    pt_model_path: str
    download_url: str | None = None


class Yolo(msgspec.Struct, frozen=True):
    """`vision.yolo`."""

    model_path: str
    model_source: ModelSource
    input_size: Annotated[list[Count], msgspec.Meta(min_length=2, max_length=2)] | Count = 640
    tensorrt_engine_settings: EngineSettings = EngineSettings()
    confidence_threshold: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    iou_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_detections: Count | None = None
    calibration_path: str | None = None


def read_config(path: Path) -> Yolo:
    """The part of a `config.yaml` that is about the engine.

    Raises:
        InputError: no such part, or a value in it that is none.
    """
    import yaml

    require_file(path, "a config.yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        part: Any = document["vision"]["yolo"]
        return msgspec.convert(part, Yolo)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}; mend the YAML") from error
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} has no vision.yolo with model_path and model_source; see docs/zoo.md") from error
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: in vision.yolo: {str(error).replace('`$', '`vision.yolo')}") from error


def single_steps(yolo: Yolo, base: Path, target: str = "tensorrt", verify: bool = True) -> list[Step]:
    """Download, calibrate (for INT8), convert and build.

    Args:
        yolo: what the application wants.
        base: the folder that its paths start from.
        target: "tensorrt" or "tensorrt-rtx", with a version or without.
        verify: let converting and building check what they wrote.

    Raises:
        InputError: a target without engines, a name that does not end in `.engine`, or nobody knows where the weights come from.
        UnsupportedError: INT8 without pictures to calibrate with.
    """
    if parse_target(target).kind not in ("tensorrt", "tensorrt-rtx"):
        raise InputError(f"--target {target} has no engines; choose tensorrt or tensorrt-rtx")
    engine = (base / yolo.model_path).resolve()
    if engine.suffix != ".engine":
        raise InputError(f"vision.yolo.model_path: {yolo.model_path} is no .engine; name the engine to build")
    weights, onnx = (base / yolo.model_source.pt_model_path).resolve(), engine.with_suffix(".onnx")
    name = engine.stem
    ranges = _calibrate(yolo, name, weights, engine.with_suffix(".ranges.json"), base)
    convert = _convert(yolo, name, weights, onnx, target, [path for step in ranges for path in step.outputs])
    steps = [*_fetch(yolo, name, weights), *ranges, convert, _build(yolo, name, onnx, engine, target)]
    return steps if verify else [unchecked(step) for step in steps]


def _fetch(yolo: Yolo, name: str, weights: Path) -> list[Step]:
    """The step that downloads the weights; none where they are the application's own, of a model that no catalogue knows."""
    source = yolo.model_source.download_url or yolo.model_source.base_model
    try:
        files_of(source)
    except InputError as error:
        if weights.is_file():
            return []
        raise InputError(
            f"vision.yolo.model_source: {error}; weights of your own are taken from pt_model_path, where there is no {weights}"
        ) from error
    return [Step(f"{name}/fetch", name, "fetch", ("download", source, "-o", str(weights)), (), (weights,))]


def _size_flags(yolo: Yolo) -> list[str]:
    size = yolo.input_size if isinstance(yolo.input_size, list) else [yolo.input_size]
    return ["--img-size", *map(str, size)]


def _calibrate(yolo: Yolo, name: str, weights: Path, ranges: Path, base: Path) -> list[Step]:
    """The step that finds the ranges of INT8, where that is wanted."""
    if yolo.tensorrt_engine_settings.precision.lower() != "int8":
        return []
    if yolo.calibration_path is None:
        raise UnsupportedError(
            "vision.yolo wants INT8 but names no pictures to calibrate with; add calibration_path, or choose FP16"
        )
    pictures = (base / yolo.calibration_path).resolve()
    command = ("calibrate", str(weights), "-o", str(ranges), "--calib-path", str(pictures), *_size_flags(yolo))
    return [Step(f"{name}/calibrate", name, "calibrate", command, (weights, pictures), (ranges,))]


def _convert(yolo: Yolo, name: str, weights: Path, onnx: Path, target: str, ranges: list[Path]) -> Step:
    flags = [*_size_flags(yolo), "--batch-size", str(yolo.tensorrt_engine_settings.batch_size)]
    flags += ["--end2end", "--target", target]
    for flag, value in (
        ("--conf-thres", yolo.confidence_threshold),
        ("--iou-thres", yolo.iou_threshold),
        ("--topk-all", yolo.max_detections),
    ):
        flags += [] if value is None else [flag, str(value)]
    if yolo.tensorrt_engine_settings.precision.lower() == "fp16":
        flags.append("--half")
    for file in ranges:
        flags += ["--int8", "--int8-ranges", str(file)]
    command = ("convert", str(weights), "-o", str(onnx), *flags)
    return Step(f"{name}/convert", name, "convert", command, (weights, *ranges), (onnx,))


def _build(yolo: Yolo, name: str, onnx: Path, engine: Path, target: str) -> Step:
    workspace = yolo.tensorrt_engine_settings.workspace_size
    flags = [] if workspace is None else ["--workspace", str(workspace)]
    outputs = (engine, engine.with_name(f"{engine.name}.json"))
    return Step(
        f"{name}/build",
        name,
        "build",
        ("build", str(onnx), "-o", str(engine), "--target", target, *flags),
        (onnx,),
        outputs,
    )
