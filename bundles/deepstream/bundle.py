"""Writing a bundle: the files beside a model that DeepStream needs to run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...contract.meta import ModelMeta
from ...contract.target import DEEPSTREAM_TENSORRT
from ...engines.build.trtexec import trtexec_line
from ...engines.plans.manifest import Manifest, read_manifest
from ...engines.plans.settings import BuildSettings
from ...errors import InputError, UnsupportedError
from ...files import atomic_write
from ..render import render
from .config import APP_CONFIG, INFER_CONFIG, LABELS, LIBRARY, app_config, cached_engine, infer_config
from .labels import labels_text
from .plan import (
    ROTATION_SINCE,
    TYPED_TRTEXEC_SINCE,
    DeepStreamSettings,
    Parser,
    check_model,
    choose_parser,
    needs_engine,
    release_notes,
)

FILES = Path(__file__).parent / "files"
PARSER_SOURCES = ("trtzoo_parse.cpp", "nvdsinfer_abi.h")
TASKS = {
    "detect": "Boxes",
    "pose": "Boxes with keypoints",
    "segment": "Boxes with masks",
    "obb": "Rotated boxes",
}


@dataclass(frozen=True)
class Bundle:
    """What was written.

    Attributes:
        files: names in the folder.
        parser: "stock" or "own".
        notes: what the user should know, a sentence each.
    """

    files: tuple[str, ...]
    parser: Parser
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """What the files of one bundle have in common; `engine` is the name of one that `make` has to build, else empty."""

    meta: ModelMeta
    model: str
    settings: DeepStreamSettings
    parser: Parser
    engine: str = ""

    @property
    def runs(self) -> str:
        """Name of the file that nvinfer loads."""
        return self.engine or self.model


def write_bundle(model: Path, meta: ModelMeta, settings: DeepStreamSettings) -> Bundle:
    """Write everything that DeepStream needs beside a model into the model's folder.

    Args:
        model: an end-to-end `.onnx`, or an `.engine` with its manifest.
        meta: of the model.
        settings: what the bundle is for.

    Raises:
        UnsupportedError: nvinfer or the parser cannot run the model.
        InputError: a file cannot be written, or the engine takes fewer pictures than `batch_size`.
    """
    rows = meta.nms.topk_all if meta.nms else 0
    parser = choose_parser(meta.task, rows, meta.extra.get("class_thresholds"), settings.parser)
    check_model(meta, parser, model.name)
    notes = release_notes(settings)
    notes += _check_engine(model, settings) if model.suffix == ".engine" else ()
    builds = model.suffix == ".onnx" and needs_engine(meta, settings.version)
    parts = _Parts(meta, model.name, settings, parser, f"{model.stem}.engine" if builds else "")
    if builds:
        notes += (_why_built(parts),)
    if meta.preprocess.sampling == "darknet":
        notes += (
            "nvinfer scales frames between the centres of pixels, DarkNet from corner to corner: expect scores that are "
            "some hundredths away from DarkNet's",
        )
    texts = _texts(parts)
    for name, text in texts.items():
        with atomic_write(model.parent / name) as stream:
            stream.write(text.encode())
    return Bundle((model.name, *texts), parser, notes)


def _keeps_types(settings: DeepStreamSettings) -> bool:
    """Whether the release's trtexec builds an engine in the types of the graph."""
    return DEEPSTREAM_TENSORRT[settings.version] >= TYPED_TRTEXEC_SINCE


def _why_built(parts: _Parts) -> str:
    """Why `make` builds an engine, and what it becomes."""
    release = parts.settings.release
    built = (
        f"nvinfer of DeepStream {release} would choose the precision of every layer itself, so `make` builds the engine"
    )
    if _keeps_types(parts.settings):
        return f"{built} with trtexec"
    return (
        f"{built}; the trtexec of its TensorRT puts decode and NMS in half too where that is faster, `trtzoo build "
        f"{parts.model} -o {parts.engine}` on that machine does not"
    )


def stale_engines(folder: Path, model: str) -> list[Path]:
    """Engines that nvinfer built from an earlier file of this name and would load instead of it."""
    return sorted(folder.glob(f"{model}_b*_gpu*_*.engine"))


def _texts(parts: _Parts) -> dict[str, str]:
    meta, settings = parts.meta, parts.settings
    texts = {
        INFER_CONFIG: infer_config(meta, parts.runs, settings, parts.parser),
        APP_CONFIG: app_config(meta, settings),
        LABELS: labels_text(meta.names),
        "README.md": _readme(parts),
    }
    if parts.parser == "own":
        texts |= {name: (FILES / name).read_text(encoding="utf-8") for name in PARSER_SOURCES}
    if parts.parser == "own" or parts.engine:
        texts["Makefile"] = _makefile(parts)
    if meta.task == "pose":
        texts["pose_probe.py"] = _probe(parts)
    return texts


def _facts(parts: _Parts) -> dict[str, Any]:
    """Values that several templates name."""
    meta, settings = parts.meta, parts.settings
    points, values = meta.kpt_shape or (0, 0)
    height, width = meta.imgsz
    return {
        "model": parts.model, "release": settings.release, "parser": parts.parser, "task": meta.task,
        "width": width, "height": height, "points": points, "values": values,
        "batch": settings.batch_size, "letterbox": meta.preprocess.resize == "letterbox", "centred": meta.preprocess.anchor == "centre",
    }  # fmt: skip


def _readme(parts: _Parts) -> str:
    meta, settings = parts.meta, parts.settings
    assert meta.nms is not None
    own, engine = parts.parser == "own", bool(parts.engine)
    build = "both" if own and engine else "parser" if own else "engine" if engine else ""
    rotates = meta.task == "obb" and settings.version >= ROTATION_SINCE
    return render(
        FILES / "README.md.jinja",
        **_facts(parts),
        name=Path(parts.model).stem,
        version=__version__,
        task_words=TASKS[meta.task],
        classes=len(meta.names),
        precision=meta.precision,
        rows=meta.nms.topk_all,
        conf=f"{meta.nms.conf_thres:g}",
        build=build,
        typed=_keeps_types(settings),
        engine=parts.engine,
        onnx=parts.runs.endswith(".onnx"),
        cache=cached_engine(parts.model, settings),
        tensorrt=_dotted(DEEPSTREAM_TENSORRT[settings.version]),
        pad=f"{meta.preprocess.pad:.3g}",
        crop=int(not rotates),
        rotation=rotates,
    )


def _makefile(parts: _Parts) -> str:
    settings = parts.settings
    line = ""
    if parts.engine:
        build = BuildSettings(opt_batch=settings.batch_size, max_batch=settings.batch_size)
        version = DEEPSTREAM_TENSORRT[settings.version]
        line = trtexec_line(Path(parts.model), Path(parts.engine), version, build, parts.meta)
    return render(
        FILES / "Makefile.jinja",
        **_facts(parts),
        major=settings.version[0],
        library=LIBRARY,
        engine=parts.engine,
        typed=_keeps_types(settings),
        trtexec=line.replace("trtexec ", "$(TRTEXEC) ", 1),
    )


def _probe(parts: _Parts) -> str:
    return render(FILES / "pose_probe.py.jinja", **_facts(parts))


def _check_engine(engine: Path, settings: DeepStreamSettings) -> tuple[str, ...]:
    """Hold an engine against the batch and the release; returns notes.

    Raises:
        UnsupportedError: TensorRT-RTX built it.
        InputError: it has no manifest, or takes fewer pictures than the batch size.
    """
    manifest = read_manifest(engine)
    if manifest is None:
        raise InputError(
            f"{engine}.json is missing, so nothing is known about the engine; build it again, or copy that too"
        )
    if manifest.target != "tensorrt":
        raise UnsupportedError(
            f"{engine.name} is an engine of {manifest.target}, which nvinfer does not load; build one for TensorRT"
        )
    most = _most_images(manifest)
    if most < settings.batch_size:
        raise InputError(
            f"{engine.name} takes at most {most} pictures, --batch-size asks for {settings.batch_size}; build it with "
            f"--max-batch {settings.batch_size}"
        )
    wanted = _dotted(DEEPSTREAM_TENSORRT[settings.version])
    if manifest.version.split(".")[:2] != wanted.split("."):
        return (
            f"{engine.name} was built by TensorRT {manifest.version}, DeepStream {settings.release} has {wanted} on x86; an engine "
            "runs only on the version that built it, unless it was built with --version-compatible",
        )
    return ()


def _most_images(manifest: Manifest) -> int:
    images = manifest.tensors_of("input")[0]
    return images.profile[2][0] if images.profile else images.shape[0]


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
