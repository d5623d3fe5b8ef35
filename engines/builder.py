"""Building an engine: ONNX in, plan and manifest out, on TensorRT 10, 11 or TensorRT-RTX."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..converters.heads import ModelMeta, TensorSpec, end2end_outputs, from_properties, input_spec, raw_outputs
from ..errors import InputError, VerificationError
from ..files import atomic_write, require_file, sha256_of
from .build_worker import BuildRequest
from .child import run_build
from .cuda_driver import list_gpus
from .layers import parse_report, parse_tensors
from .manifest import EngineTensor, Manifest, read_manifest, write_manifest
from .onnx_header import read_properties
from .progress import Progress
from .settings import BuildSettings

__all__ = ["BuildSettings", "build", "check_contract", "installed_version", "model_meta", "up_to_date"]


def build(
    onnx: Path,
    engine: Path,
    settings: BuildSettings,
    progress: Progress | None = None,
    *,
    force: bool = False,
    note: Callable[[str], None] = lambda text: None,
    verify: bool = True,
) -> Manifest:
    """Build `engine` from `onnx`, and write the manifest beside it.

    An engine that the same file, settings, library and GPU made is kept, unless `force`. The library runs in a process
    of its own (`child`), so nothing that it does ends this one; Ctrl-C ends the build and leaves the old engine.

    Args:
        onnx: any ONNX file.
        engine: the plan to write, without any header.
        settings: of the build.
        progress: is told how far it is; called in this thread.
        force: build even if the engine is up to date.
        note: is told what the user should know, a sentence each.
        verify: hold the engine's inputs and outputs against the contract of the model's metadata.

    Raises:
        InputError: the file cannot be read, or a path cannot be written.
        MissingDependencyError: the library is not installed.
        UnsupportedError: the library cannot build it; the message names the nodes.
        VerificationError: the engine's inputs or outputs are not those of the contract.
    """
    require_file(onnx, "an ONNX model")
    if engine.is_dir() or (engine.exists() and engine.samefile(onnx)):
        raise InputError(f"-o {engine} is {'a folder' if engine.is_dir() else 'the model itself'}; name another file")
    meta = model_meta(onnx)
    old = None if force else up_to_date(onnx, engine, settings)
    if old:
        note(f"{engine} is up to date; --force builds it again")
        return old
    with atomic_write(engine) as stream:
        manifest, notes = _build(onnx, Path(stream.name), settings, meta, progress)
        if verify:
            check_contract(manifest, engine)
    write_manifest(manifest, engine)
    for text in notes:
        note(text)
    return manifest


def up_to_date(onnx: Path, engine: Path, settings: BuildSettings) -> Manifest | None:
    """The manifest of `engine` if building it again would give the same, else None."""
    try:
        manifest = read_manifest(engine)
    except InputError:
        return None
    if manifest is None or not engine.is_file() or engine.stat().st_size != manifest.plan_bytes:
        return None
    same = _comparable(manifest.settings) == _comparable(settings)
    same &= manifest.version == installed_version(settings.target) and manifest.gpu == _gpu(settings)
    return manifest if same and manifest.onnx_sha256 == sha256_of(onnx) else None


def installed_version(target: str) -> str:
    """The version of the library behind a target, without loading it; "" if it is not installed."""
    from importlib import metadata

    for package in _PACKAGES[target]:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


_PACKAGES = {
    "tensorrt": ("tensorrt_cu13_bindings", "tensorrt_cu12_bindings", "tensorrt"),
    "tensorrt-rtx": ("tensorrt_rtx_cu13_bindings", "tensorrt_rtx_cu12_bindings", "tensorrt_rtx"),
}
"""Distributions that hold the Python module, on PyPI and in NVIDIA's own packages."""


def check_contract(manifest: Manifest, engine: Path) -> None:
    """Hold the inputs and outputs of an engine against the contract of its metadata.

    Raises:
        VerificationError: naming what differs.
    """
    meta = manifest.meta
    if meta is None or meta.layout not in ("raw", "separate"):
        return
    wanted = {"input": (input_spec(meta),), "output": end2end_outputs(meta) if meta.end2end else raw_outputs(meta)}
    for mode, specs in wanted.items():
        problem = _difference(specs, manifest.tensors_of(mode))
        if problem:
            raise VerificationError(
                f"{engine} was not kept, it breaks its model's contract: {problem}; please report this fault of trtzoo"
            )


def _difference(specs: Sequence[TensorSpec], tensors: Sequence[EngineTensor]) -> str | None:
    """The first tensor that is not as specified."""
    names, wanted = [tensor.name for tensor in tensors], [spec.name for spec in specs]
    if names != wanted:
        return f"it has {names} instead of {wanted}"
    for spec, tensor in zip(specs, tensors, strict=True):
        fits = len(spec.shape) == len(tensor.shape) and all(
            isinstance(want, str) or want == have for want, have in zip(spec.shape, tensor.shape, strict=True)
        )
        if not fits or spec.dtype != tensor.dtype:
            return f"{spec.name} is {tensor.dtype}{list(tensor.shape)} instead of {spec.dtype}{list(spec.shape)}"
    return None


def _comparable(settings: BuildSettings) -> dict[str, Any]:
    """The settings that change the engine, as a manifest holds them."""
    document: dict[str, Any] = json.loads(json.dumps(replace(settings, timing_cache=None, verbose=False).document()))
    return document


def _gpu(settings: BuildSettings) -> str:
    gpus = list_gpus()
    return gpus[settings.device] if settings.device < len(gpus) else ""


def model_meta(onnx: Path) -> ModelMeta | None:
    """The metadata of a model that trtzoo wrote, None for any other ONNX file."""
    properties = read_properties(onnx)
    return from_properties(properties, str(onnx)) if "trtzoo" in properties else None


def _build(
    onnx: Path, plan: Path, settings: BuildSettings, meta: ModelMeta | None, progress: Progress | None
) -> tuple[Manifest, list[str]]:
    """Build into `plan`; returns the manifest, and what the user should know."""
    digests: list[str] = []
    outcome = run_build(BuildRequest(str(onnx), str(plan), settings), progress, lambda: digests.append(sha256_of(onnx)))
    facts = outcome.result
    report, lines = facts.pop("report"), facts.pop("lines")
    tensors = [EngineTensor.from_document(entry) for entry in facts.pop("tensors")]
    manifest = Manifest(
        target=settings.target,
        onnx=onnx.name,
        onnx_sha256=digests[0],
        settings=settings,
        tensors=_as_built(tensors, report),
        layers=parse_report(report),
        meta=meta,
        built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warnings=tuple(facts.pop("warnings")),
        **facts,
    )
    return manifest, outcome.notes + lines


def _as_built(tensors: Sequence[EngineTensor], report: str) -> tuple[EngineTensor, ...]:
    """The network's tensors with type and shape as the inspector found them in the engine, where it says so."""
    found = {name: (dtype, shape) for name, _, dtype, shape in parse_tensors(report)}
    return tuple(
        replace(tensor, dtype=found[tensor.name][0], shape=found[tensor.name][1]) if tensor.name in found else tensor
        for tensor in tensors
    )
