"""From what a building process reported to the manifest of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ...contract.meta import ModelMeta
from ...contract.properties import from_properties
from ...files import sha256_of
from ..plans.layers import parse_report, parse_tensors
from ..plans.manifest import Manifest
from ..plans.onnx_header import read_properties
from ..plans.settings import BuildSettings
from ..plans.tensors import EngineTensor
from .process.messages import PlanWritten


@dataclass(frozen=True)
class Source:
    """The ONNX file of a build.

    Attributes:
        name: of the file.
        sha256: of the file.
        meta: of the model in it, None if trtzoo did not write it.
    """

    name: str
    sha256: str
    meta: ModelMeta | None


def read_source(onnx: Path) -> Source:
    """Hash the file and read its metadata.

    Raises:
        InputError: not an ONNX file, or its metadata is damaged.
    """
    meta = model_meta(onnx)
    return Source(onnx.name, sha256_of(onnx), meta)


def model_meta(onnx: Path) -> ModelMeta | None:
    """The metadata of a model that trtzoo wrote, None for any other ONNX file."""
    properties = read_properties(onnx)
    return from_properties(properties, str(onnx)) if "trtzoo" in properties else None


def make_manifest(source: Source, settings: BuildSettings, written: PlanWritten, report: str) -> Manifest:
    """The manifest of an engine.

    Args:
        source: what it was built from.
        settings: that it was built with.
        written: facts of the plan.
        report: of the EngineInspector, "" if there is none.
    """
    return Manifest(
        target=settings.library,
        version=written.version,
        gpu=written.gpu,
        onnx=source.name,
        onnx_sha256=source.sha256,
        plan_bytes=written.plan_bytes,
        plan_sha256=written.plan_sha256,
        settings=settings,
        tensors=_as_built(written.tensors, report),
        layers=parse_report(report),
        meta=source.meta,
        memory=written.memory,
        seconds=written.seconds,
        peak_mib=written.peak_mib,
        built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warnings=written.warnings,
    )


def _as_built(tensors: Sequence[EngineTensor], report: str) -> tuple[EngineTensor, ...]:
    """The network's tensors with type and shape as the inspector found them in the engine, where it says so."""
    found = {name: (dtype, shape) for name, _, dtype, shape in parse_tensors(report)}
    return tuple(
        replace(tensor, dtype=found[tensor.name][0], shape=found[tensor.name][1]) if tensor.name in found else tensor
        for tensor in tensors
    )
