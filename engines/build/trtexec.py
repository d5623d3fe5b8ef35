"""The `trtexec` command that builds an engine as `build` would, for a TensorRT that stands on another machine.

Which flag exists in which version (help texts and option parsers of trtexec 8.5, 8.6, 10.x and 11.x):

| flag | 8.5 | 8.6 | 10 | 11 |
|---|---|---|---|---|
| build without timing the engine | `--buildOnly` | `--skipInference` | `--skipInference` | `--skipInference` |
| types as in the graph | no | no | `--stronglyTyped` | always |
| `--fp16`, `--int8` | yes | yes | yes, not with `--stronglyTyped` | no |
| `--noTF32`, `--tacticSources=-CUDNN` | yes | yes | yes | yes |
| `--memPoolSize=workspace:MiB` | yes | yes | yes | yes |
| `--builderOptimizationLevel`, `--versionCompatible`, `--hardwareCompatibilityLevel` | no | yes | yes | yes |
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...contract.meta import ModelMeta
from ...contract.outputs import input_spec
from ...errors import UnsupportedError
from ..library.compat import GIB
from ..plans.settings import BuildSettings, Range

OLDEST = (8, 5)
_MIB = 2**20


def trtexec_line(
    onnx: Path, engine: Path, version: tuple[int, int], settings: BuildSettings, meta: ModelMeta | None
) -> str:
    """The command for a shell.

    Args:
        onnx: the model.
        engine: the plan to write.
        version: major and minor of the TensorRT that runs it.
        settings: of the build.
        meta: of the model; None for an ONNX file that trtzoo did not write.

    Raises:
        UnsupportedError: TensorRT is older than 8.5, or lacks what the settings ask for.
    """
    if version < OLDEST:
        raise UnsupportedError(
            f"--print-trtexec knows TensorRT {_dotted(OLDEST)} and later, not {_dotted(version)}; upgrade TensorRT"
        )
    words = ["trtexec", f"--onnx={onnx}", f"--saveEngine={engine}"]
    words += _precision(version, meta)
    words += _shapes(settings, meta)
    words += _tuning(version, settings)
    words.append("--buildOnly" if version < (8, 6) else "--skipInference")
    return shlex.join(words)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _precision(version: tuple[int, int], meta: ModelMeta | None) -> Iterator[str]:
    """From 10 on the types stand in the graph; before, the builder has to be allowed the narrow ones."""
    if version >= (11, 0):
        return
    if version >= (10, 0):
        yield "--stronglyTyped"
        return
    precision = meta.precision if meta else "fp32"
    if precision in ("fp16", "int8"):
        yield "--fp16"
    if precision == "int8":
        yield "--int8"


def _shapes(settings: BuildSettings, meta: ModelMeta | None) -> Iterator[str]:
    """The profile, where the model has free axes."""
    ranges: dict[str, Range] = dict(settings.shapes)
    if meta and meta.batch is None:
        spec = input_spec(meta)
        rest = tuple(int(length) for length in spec.shape[1:])
        sizes = settings.min_batch, settings.opt_batch, settings.max_batch
        least, best, most = ((batch, *rest) for batch in sizes)
        ranges.setdefault(spec.name, (least, best, most))
    for position, flag in enumerate(("--minShapes", "--optShapes", "--maxShapes")):
        if ranges:
            shapes = (f"{name}:{'x'.join(map(str, shapes[position]))}" for name, shapes in ranges.items())
            yield f"{flag}={','.join(shapes)}"


def _tuning(version: tuple[int, int], settings: BuildSettings) -> Iterator[str]:
    _refuse_unknown(version, settings)
    if settings.workspace_gib is not None:
        yield f"--memPoolSize=workspace:{settings.workspace_gib * GIB / _MIB:g}"
    if settings.opt_level is not None:
        yield f"--builderOptimizationLevel={settings.opt_level}"
    if not settings.tf32:
        yield "--noTF32"
    if settings.without_tactics:
        yield f"--tacticSources={','.join(f'-{name}' for name in settings.without_tactics)}"
    if settings.version_compatible:
        yield "--versionCompatible"
    if settings.hardware_compatible:
        yield "--hardwareCompatibilityLevel=ampere+"
    if settings.timing_cache is not None:
        yield f"--timingCacheFile={Path(settings.timing_cache) / f'trtexec_{_dotted(version)}.timing'}"
    if settings.device:
        yield f"--device={settings.device}"
    if settings.verbose:
        yield "--verbose"


def _refuse_unknown(version: tuple[int, int], settings: BuildSettings) -> None:
    if version >= (8, 6):
        return
    plain = replace(settings, opt_level=None, version_compatible=False, hardware_compatible=False)
    if plain != settings:
        raise UnsupportedError(
            f"TensorRT {_dotted(version)} has no --opt-level, --version-compatible or --hardware-compatible; they came "
            "with 8.6, leave them out"
        )
