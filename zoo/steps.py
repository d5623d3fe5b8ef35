r"""What a zoo consists of: steps, each one command of trtzoo that reads files and writes files.

    fetch . calibrate . convert . build         calibrate: once a model, for INT8
                                . verify        convert and what follows: once a precision and target
                                . val
                                . bundle

A step is data. Its command line is all that it does, so that a changed setting is a changed step, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..contract.target import parse_target
from .download import files_of
from .manifest import Calibration, Model, Nms, On, Zoo, resolved

CHECKS_ITSELF = ("convert", "build", "bundle")
"""Kinds whose commands run what they wrote once, unless they are told not to."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        id: model, what is made, and the kind of step: "yolov8n/fp16-tensorrt/build".
        model: name of the model.
        kind: "fetch", "calibrate", "convert", "build", "verify", "val" or "bundle".
        command: arguments of `trtzoo`; paths in them are absolute.
        inputs: files and folders that it reads.
        outputs: files that it writes.
        gpu: label of the GPU that it needs, "" for none in particular.
    """

    id: str
    model: str
    kind: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    gpu: str = ""


@dataclass(frozen=True)
class Source:
    """Where the steps of a model find it: the model file, and all files that belong to it."""

    model: Path
    files: tuple[Path, ...]
    options: tuple[str, ...] = ()


def steps_of(zoo: Zoo, base: Path, output: Path) -> list[Step]:
    """All steps of a zoo, each after those that it needs.

    Args:
        zoo: what is wanted.
        base: the folder that relative paths of sources and pictures start from.
        output: the folder for everything that is made.

    Raises:
        InputError: a source that is neither a file nor a URL nor in the catalogue.
    """
    return [step for model in zoo.models for step in _of_model(resolved(model, zoo), base, output)]


def _of_model(model: Model, base: Path, output: Path) -> Iterator[Step]:
    source, fetches = _source(model, base, output)
    yield from fetches
    if model.calibration and "int8" in (model.precisions or []):
        yield _calibrate(model, model.calibration, source, base, output)
    made: set[Path] = set()
    for precision in model.precisions or []:
        for target in model.targets or []:
            for step in _of_variant(model, source, precision, target, base, output):
                if not made.intersection(step.outputs):
                    made.update(step.outputs)
                    yield step if model.verify else unchecked(step)


def _source(model: Model, base: Path, output: Path) -> tuple[Source, list[Step]]:
    """A model's files, and the steps that fetch those which are not here."""
    path = (base / model.source).resolve()
    fetches = [] if path.exists() else [_fetch(model, model.source, "", output)]
    files = fetches[0].outputs if fetches else (path,)
    options: list[str] = []
    for flag, source in (("weights", model.weights), ("names", model.names)):
        if source and "://" in source:
            fetches.append(_fetch(model, source, f"-{flag}", output))
        if source:
            file = fetches[-1].outputs[0] if "://" in source else (base / source).resolve()
            files, options = (*files, file), [*options, f"--{flag}", str(file)]
    return Source(files[0], (*files, *_beside(files[0], options)), tuple(options)), fetches


def _beside(file: Path, options: Sequence[str]) -> Iterator[Path]:
    """The files of the same stem that a command reads without being told: a cfg's weights, a model's names."""
    if file.suffix.lower() == ".cfg" and "--weights" not in options and file.exists():
        yield file.with_suffix(".weights")
    if "--names" not in options and file.with_suffix(".names").exists():
        yield file.with_suffix(".names")


def _fetch(model: Model, source: str, what: str, output: Path) -> Step:
    folder = output / "sources" / model.name
    files = tuple(folder / file.name for file in files_of(source))
    known = ("--sha256", model.sha256) if model.sha256 and not what else ()
    command = ("download", source, "-o", str(folder), *known)
    return Step(f"{model.name}/fetch{what}", model.name, "fetch", command, (), files)


def _of_variant(
    model: Model, source: Source, precision: str, target: str | On, base: Path, output: Path
) -> Iterator[Step]:
    """The chain of one precision and target."""
    text, gpu = (target, "") if isinstance(target, str) else (target.target, target.gpu)
    label = text.replace(":", "-") + (f"-{gpu}" if gpu else "")
    variant = f"{precision}-{label}"
    folder = output / model.name / variant
    onnx = folder / f"{model.name}.onnx"
    prefix = f"{model.name}/{variant}"
    ranges = (_ranges(model, output),) if precision == "int8" else ()
    convert = ("convert", str(source.model), "-o", str(onnx), *source.options, *_convert_flags(model, precision, text))
    convert += tuple(word for file in ranges for word in ("--int8", "--int8-ranges", str(file)))
    yield Step(f"{prefix}/convert", model.name, "convert", convert, (*source.files, *ranges), (onnx,))
    final = onnx
    if parse_target(text).kind in ("tensorrt", "tensorrt-rtx"):
        final = folder / f"{model.name}.engine"
        build = ("build", str(onnx), "-o", str(final), "--target", text, *_build_flags(model))
        outputs = (final, final.with_name(f"{final.name}.json"))
        yield Step(f"{prefix}/build", model.name, "build", build, (onnx,), outputs, gpu)
    if model.pictures:
        yield _verify(model, source, prefix, onnx, (base / model.pictures).resolve())
    if model.val:
        yield _val(model, prefix, onnx, (base / model.val).resolve())
    for bundle in model.bundles or []:
        yield _bundle(model, source, precision, bundle, prefix, onnx)


def _ranges(model: Model, output: Path) -> Path:
    return output / model.name / "int8" / "ranges.json"


def _calibrate(model: Model, wanted: Calibration, source: Source, base: Path, output: Path) -> Step:
    """The ranges of a model's INT8 form, which its variants share."""
    pictures, ranges = (base / wanted.path).resolve(), _ranges(model, output)
    command = (
        "calibrate", str(source.model), "-o", str(ranges), "--calib-path", str(pictures), *source.options,
        *_size_flags(model), *_given(calib_num=wanted.num, calib_method=wanted.method),
    )  # fmt: skip
    return Step(f"{model.name}/int8/calibrate", model.name, "calibrate", command, (*source.files, pictures), (ranges,))


def unchecked(step: Step) -> Step:
    """The same step without the check of what it wrote."""
    return replace(step, command=(*step.command, "--no-verify")) if step.kind in CHECKS_ITSELF else step


def _verify(model: Model, source: Source, prefix: str, onnx: Path, pictures: Path) -> Step:
    """The variant's graph held against the weights, on ONNX Runtime; it fails where they differ too much."""
    folder = onnx.parent / "verify"
    command = (
        "verify", str(source.model), str(onnx), "--source", str(pictures), "-o", str(folder), "--backend", "onnxruntime",
        *source.options, *_size_flags(model),
    )  # fmt: skip
    inputs = (*source.files, onnx, pictures)
    return Step(f"{prefix}/verify", model.name, "verify", command, inputs, (folder / "verify.json",))


def _val(model: Model, prefix: str, onnx: Path, data: Path) -> Step:
    """Accuracy of the variant's graph on labelled pictures, on ONNX Runtime."""
    folder = onnx.parent / "val"
    command = ("val", str(onnx), "--data", str(data), "-o", str(folder), "--no-plots")
    return Step(f"{prefix}/val", model.name, "val", command, (onnx, data), (folder / "val.json",))


def _bundle(model: Model, source: Source, precision: str, bundle: str, prefix: str, onnx: Path) -> Step:
    """A folder for DeepStream, made of the weights (INT8: of the variant's graph), or a Triton repository of the graph."""
    folder, id = onnx.parent / bundle.replace(":", "-"), f"{prefix}/{bundle.replace(':', '-')}"
    if bundle == "triton":
        command = ("triton", str(onnx), "-o", str(folder), "--name", model.name)
        return Step(id, model.name, "bundle", command, (onnx,), (folder / model.name / "config.pbtxt",))
    whole = precision != "int8"
    files, options = (source.files, source.options) if whole else ((onnx,), ())
    flags = _nms_flags(model.nms or Nms(), bundle=True) if whole else []
    release = bundle.partition(":")[2]
    command = (
        "deepstream", str(source.model if whole else onnx), "-o", str(folder), "--precision", precision,
        *(("--deepstream", release) if release else ()), *options, *flags,
    )  # fmt: skip
    return Step(id, model.name, "bundle", command, files, (folder / "config_infer_primary.txt",))


def _convert_flags(model: Model, precision: str, target: str) -> list[str]:
    flags = _size_flags(model)
    flags += ["--dynamic"] if model.batch == "dynamic" else ["--batch-size", str(model.batch)]
    if model.end2end:
        flags += ["--end2end", "--target", target, *_nms_flags(model.nms or Nms())]
    if precision == "fp16":
        flags.append("--half")
    return flags


def _size_flags(model: Model) -> list[str]:
    if not model.size:
        return []
    return ["--img-size", *map(str, model.size if isinstance(model.size, list) else [model.size])]


def _nms_flags(nms: Nms, bundle: bool = False) -> list[str]:
    """Flags of `convert --end2end`, or those of them that a bundle takes too."""
    flags = _given(
        nms=nms.route,
        conf_thres=nms.conf_thres,
        iou_thres=nms.iou_thres,
        topk_all=nms.topk_all,
        nms_candidates=None if bundle else nms.nms_candidates,
        nms_steps=None if bundle else nms.nms_steps,
    )
    if nms.multi_label is not None:
        flags.append("--multi-label" if nms.multi_label else "--single-label")
    return flags + [
        flag
        for flag, wanted in (
            ("--class-agnostic", nms.class_agnostic),
            ("--runtime-thresholds", nms.runtime_thresholds and not bundle),
        )
        if wanted
    ]


def _build_flags(model: Model) -> list[str]:
    build = model.build
    if build is None:
        return []
    flags = _given(
        workspace=build.workspace,
        opt_level=build.opt_level,
        min_batch=build.min_batch,
        opt_batch=build.opt_batch,
        max_batch=build.max_batch,
    )
    return flags + (["--compute-capability", *build.compute_capability] if build.compute_capability else [])


def _given(**values: object) -> list[str]:
    """Flags and values of those that are not None."""
    pairs = ((f"--{key.replace('_', '-')}", str(value)) for key, value in values.items() if value is not None)
    return [word for pair in pairs for word in pair]
