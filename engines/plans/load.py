"""Loading a plan, and why one does not load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, TrtZooError, UnsupportedError
from ..library import compat
from ..library.compat import NAMES, Api
from ..library.cuda_driver import CudaError, list_gpus, use_gpu
from ..library.log import errors_of, shared_log
from .identify import EngineFile
from .manifest import Manifest, manifest_path, read_manifest
from .tensors import EngineTensor


@dataclass(frozen=True)
class LoadedPlan:
    """An engine in memory, with the runtime that has to live as long.

    Attributes:
        api: the library.
        runtime: IRuntime.
        engine: ICudaEngine.
        gpu: name and compute capability of the GPU it is on.
        log: of the library (`library.log.make_log`).
    """

    api: Api
    runtime: Any
    engine: Any
    gpu: str
    log: Any


def deserialize(file: EngineFile, device: int) -> LoadedPlan:
    """Load the plan in a file onto a GPU; a header in front of it is skipped.

    Raises:
        MissingDependencyError: the library is not installed.
        UnsupportedError: there is no such GPU, or the plan is for another GPU or version; the message says which.
    """
    api = compat.load(file.target)
    gpus = list_gpus()
    if device >= len(gpus):
        here = f"this machine has {', '.join(gpus)}" if gpus else "no CUDA driver answers on this machine"
        raise UnsupportedError(
            f"{file.path} runs on a GPU, and there is none with the number {device}: {here}; run it where there is "
            "one, or run the ONNX with --backend onnxruntime"
        )
    try:
        use_gpu(device)
    except CudaError as error:
        raise UnsupportedError(f"{file.path}: GPU {device} does not start: {error}; close what else uses it") from error
    log = shared_log(api.trt)
    errors_of(log)
    runtime = compat.make_runtime(api, log)
    manifest = read_manifest(file.path)
    if manifest and manifest.settings.version_compatible:
        runtime.engine_host_code_allowed = True
    plan = file.plan()
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        reasons = [*_diagnosis(api, runtime, plan), *errors_of(log)]
        raise explain_load(file, api, gpus[device], manifest, reasons)
    return LoadedPlan(api, runtime, engine, gpus[device], log)


def explain_load(
    file: EngineFile, api: Api, gpu: str, manifest: Manifest | None, reasons: Sequence[str]
) -> TrtZooError:
    """Why a plan did not load, as far as the file, its manifest and the library tell.

    Args:
        file: the engine.
        api: the library that refused it.
        gpu: name and compute capability of the GPU at hand.
        manifest: of the engine.
        reasons: what the library said.
    """
    built = manifest.version if manifest else file.version
    said = "; ".join(reasons) or "no reason given"
    again = "build it again here from its ONNX with `trtzoo build --force`"
    if _HOST_CODE in said:
        return InputError(
            f"{file.path} is version compatible: it brings a runtime of its own, which is only run where its manifest says "
            f"so; copy {manifest_path(file.path)} from where it was built"
        )
    if built and not _same_version(api, built) and not (manifest and manifest.settings.version_compatible):
        portable = not api.rtx and compat.runs_on(_release(built), api.release)
        there = ", or there with --version-compatible" if portable else ""
        return UnsupportedError(
            f"{file.path} was built by {NAMES[file.target]} {built}, this is {api.version}; {again}{there}"
        )
    if manifest and manifest.gpu and manifest.gpu != gpu:
        return UnsupportedError(
            f"{file.path} was built on {manifest.gpu}, this is {gpu}; {again}, or there with --hardware-compatible "
            f"({said})"
        )
    if "cannot be rebuilt" in said:
        instead = "run it on one that TensorRT-RTX supports, or build the ONNX here with --target tensorrt"
        return UnsupportedError(f"{file.path} does not load on {gpu}: {said}; {instead}")
    return UnsupportedError(f"{file.path} does not load on {gpu}: {said}; {again}")


_HOST_CODE = "getEngineHostCodeAllowed() is false"
"""What the library says of a version-compatible engine whose own runtime it may not run."""


def _release(version: str) -> tuple[int, int]:
    """Major and minor of a version as the library or a plan says it."""
    major, minor, *_ = (*version.split("."), "0")
    return int(major), int(minor)


def _same_version(api: Api, built: str) -> bool:
    """Whether a plan of version `built` is of this library, as far as `built` has numbers."""
    count = min(len(built.split(".")), 3)
    return api.version.split(".")[:count] == built.split(".")[:count]


def _diagnosis(api: Api, runtime: Any, plan: bytes) -> list[str]:
    """TensorRT-RTX can say what is wrong with a plan."""
    if not api.rtx:
        return []
    _, bits = runtime.get_engine_validity(plan)
    kinds = api.trt.EngineInvalidityDiagnostics.__members__
    return [name.lower().replace("_", " ") for name, kind in kinds.items() if int(bits) & int(kind)]


def inspector_report(api: Api, engine: Any) -> str:
    """The EngineInspector's JSON; "" if the library makes no inspector.

    Where shapes are free it tells no types before 11; a context with shapes does not change that (seen with 8.6.0).
    """
    inspector = engine.create_engine_inspector()
    return "" if inspector is None else str(inspector.get_engine_information(api.trt.LayerInformationFormat.JSON))


def describe_tensors(api: Api, engine: Any) -> tuple[EngineTensor, ...]:
    """Inputs and outputs of an engine."""
    trt, tensors = api.trt, []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(engine.get_tensor_shape(name))
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        profile = engine.get_tensor_profile_shape(name, 0) if is_input and -1 in shape else ()
        tensors.append(
            EngineTensor(
                name, "input" if is_input else "output", compat.data_type(engine.get_tensor_dtype(name)), shape,
                tuple(tuple(entry) for entry in profile),
            )
        )  # fmt: skip
    return tuple(tensors)
