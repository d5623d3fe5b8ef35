"""Whether an engine would come out the same if it were built again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...files import sha256_of
from ..library.cuda_driver import list_gpus
from ..library.packages import installed_version
from .manifest import Manifest, read_manifest
from .settings import BuildSettings


def up_to_date(onnx: Path, engine: Path, settings: BuildSettings) -> Manifest | None:
    """The manifest of `engine` if building it again would give the same, else None."""
    try:
        manifest = read_manifest(engine)
    except InputError:
        return None
    if manifest is None or not engine.is_file() or engine.stat().st_size != manifest.plan_bytes:
        return None
    same = _comparable(manifest.settings) == _comparable(settings)
    same &= manifest.version == installed_version(settings.library) and manifest.gpu == _gpu(settings)
    return manifest if same and manifest.onnx_sha256 == sha256_of(onnx) else None


def _comparable(settings: BuildSettings) -> BuildSettings:
    """The settings that change the engine."""
    return replace(settings, timing_cache=None, verbose=False)


def _gpu(settings: BuildSettings) -> str:
    gpus = list_gpus()
    return gpus[settings.device] if settings.device < len(gpus) else ""
