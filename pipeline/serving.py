"""From a model file of any kind to a place in a Triton model repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from ..bundles.triton import Source, TritonSettings, engine_source, onnx_source, remains, write_repository
from ..contract.meta import ModelMeta
from ..contract.progress import Progress, silent
from ..converters import recognise
from ..engines.plans.settings import BuildSettings
from ..errors import InputError, MissingDependencyError, UnsupportedError
from ..files import StrPath, staged_folder
from .conversion import ConvertSettings, convert
from .engine import build, graph_target
from .lowering import lower

TritonBackend = Literal["onnxruntime", "tensorrt"]
TRITON_BACKENDS: tuple[TritonBackend, ...] = get_args(TritonBackend)
FREE_BATCH = ConvertSettings(batch=None)


@dataclass(frozen=True)
class Served:
    """What `triton` did.

    Attributes:
        path: the model repository.
        meta: of the model in it.
        backend: that runs it.
        models: names on the server, the one to ask first.
        notes: what the user should know, a sentence each.
    """

    path: Path
    meta: ModelMeta
    backend: TritonBackend
    models: tuple[str, ...]
    notes: tuple[str, ...]


def triton(
    model: StrPath,
    folder: StrPath,
    settings: TritonSettings,
    conversion: ConvertSettings = FREE_BATCH,
    backend: TritonBackend | None = None,
    engine: BuildSettings = BuildSettings(),
    progress: Progress = silent,
) -> Served:
    """Write a model into a model repository of NVIDIA's Triton server; what else is in the repository stays.

    Args:
        model: a DarkNet cfg, a PyTorch checkpoint, an ONNX file, or an engine of TensorRT's with its manifest.
        folder: the repository.
        settings: how the model is served; its greatest batch is also that of an engine that is built.
        conversion: how the model is converted; the backend decides on the target. Of no meaning for an engine.
        backend: what runs it on the server; None takes TensorRT for an engine, else ONNX Runtime.
        engine: how the engine is built where `backend` is "tensorrt" and the model is none.
        progress: told the share done and the step of what takes long.

    Raises:
        TrtZooError: with what is wrong, where, and what to do; the repository is then as it was before.
    """
    model, folder = Path(model), Path(folder)
    if backend not in (None, *TRITON_BACKENDS):
        raise InputError(f"--backend {backend} is not known; choose {' or '.join(TRITON_BACKENDS)}")
    notes: list[str] = []
    with TemporaryDirectory(prefix="trtzoo-") as scratch, staged_folder(folder) as inside:
        place = Path(scratch) / "model.onnx"
        if recognise(model) == "engine":
            source = _engine(model, backend)
        elif backend == "tensorrt":
            wanted = replace(engine, max_batch=max(settings.max_batch, engine.opt_batch))
            source = _built(model, place, conversion, wanted, notes.append, progress)
        else:
            source = _converted(model, place, conversion, notes, progress)
        written = write_repository(source, settings, inside)
        stale, said = remains(source, settings, folder)
    for path in stale:
        path.unlink()
    notes += said
    runs: TritonBackend = "tensorrt" if source.is_engine else "onnxruntime"
    return Served(folder, source.meta, runs, written.models, (*notes, *written.notes))


def _engine(model: Path, backend: TritonBackend | None) -> Source:
    if backend == "onnxruntime":
        raise InputError(f"{model} is an engine, which --backend onnxruntime does not run; give the ONNX file")
    return engine_source(model)


def _converted(model: Path, place: Path, conversion: ConvertSettings, notes: list[str], progress: Progress) -> Source:
    """An ONNX file for ONNX Runtime, which has no plugin of TensorRT's."""
    from ..graph.skeleton import read_onnx
    from ..graph_passes.lower import needs_lowering

    done = convert(model, place, _as_it_is(model, replace(conversion, target="onnxruntime")), progress)
    notes += done.notes
    if not needs_lowering(read_onnx(place)[0]):
        return onnx_source(place)
    lowered = place.with_name("lowered.onnx")
    notes += [f"{model}: {phrase}, since ONNX Runtime has no such plugin" for phrase in lower(place, lowered)]
    return onnx_source(lowered)


def _built(
    model: Path,
    place: Path,
    conversion: ConvertSettings,
    settings: BuildSettings,
    note: Callable[[str], None],
    progress: Progress,
) -> Source:
    """An engine for the GPU and the TensorRT of this machine."""
    if settings.library != "tensorrt":
        raise UnsupportedError(f"--target {settings.target}: Triton loads engines of TensorRT only")
    _check_machine(model)
    engine = place.with_name("model.engine")
    wanted = _as_it_is(model, replace(conversion, target=graph_target(settings.target)))
    build(model, engine, settings, wanted, keep_onnx=False, verify=conversion.verify, note=note, progress=progress)
    return engine_source(engine)


def _as_it_is(model: Path, conversion: ConvertSettings) -> ConvertSettings:
    """An ONNX file keeps its batch, of which the repository's own notes tell."""
    return replace(conversion, batch=1) if recognise(model) == "onnx" else conversion


def _check_machine(model: Path) -> None:
    """Say before the long work that no engine can be built here."""
    from ..engines.library.cuda_start import driver_fault
    from ..engines.library.packages import installed_version

    advice = (
        f"an engine is built on the server's own kind of GPU with the server's TensorRT: run this command there, or "
        f"`trtzoo build {model} --end2end` and serve that engine; --backend onnxruntime needs neither"
    )
    if not installed_version("tensorrt"):
        raise MissingDependencyError(
            f"--backend tensorrt: TensorRT is not installed (pip install 'trtzoo[tensorrt]'); {advice}"
        )
    if fault := driver_fault("tensorrt"):
        raise UnsupportedError(f"--backend tensorrt: {fault}; {advice}")
