"""Why a plan does not load: the message says what is different and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_tensorrt import example_manifest, fake_api

from trtzoo.engines.library.cuda_driver import CudaError
from trtzoo.engines.plans import load as plan
from trtzoo.engines.plans.identify import EngineFile
from trtzoo.engines.plans.manifest import Manifest
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.errors import TrtZooError, UnsupportedError

L4, H200 = "NVIDIA L4 8.9", "NVIDIA H200 9.0"
TENSORRT = EngineFile(Path("m.engine"), "tensorrt", "10.16.1.11")
RTX = EngineFile(Path("m.engine"), "tensorrt-rtx", "1.7.1.116")


HOPPER = (
    "unsupported cc; The engine cannot run on this GPU, which has compute capability 9.0. Supported compute capabilities: 8.0 "
    "8.6 8.9 12.0 12.1 >12.0. TensorRT-RTX does not support this compute capability, so the engine cannot be rebuilt for it."
)
"""What TensorRT-RTX 1.7.1 says on an H200."""


OLD = replace(TENSORRT, version="8.5.3.1")
PORTABLE = replace(example_manifest(), settings=BuildSettings(version_compatible=True))
HOST_CODE = "Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed() is false."
"""What the libraries of 8.6.0, 10.16 and 11.4 hold."""


def rtx_manifest(*capabilities: str) -> Manifest:
    settings = BuildSettings("tensorrt-rtx", compute_capabilities=capabilities)
    return Manifest("tensorrt-rtx", "1.7.1.116", "", "m.onnx", "", 0, "", settings, ())


@pytest.mark.parametrize(
    ("file", "version", "gpu", "manifest", "reasons", "says"),
    [
        (TENSORRT, "11.4.0.106", L4, example_manifest(), [], r"built by TensorRT 10\.16\.1\.11, this is 11\.4\.0\.106; .*--version"),
        (TENSORRT, "10.3.0", L4, None, [], r"built by TensorRT 10\.16\.1\.11, this is 10\.3\.0; .*--force`$"),
        (OLD, "10.16.1.11", L4, None, [], r"built by TensorRT 8\.5\.3\.1, this is 10\.16\.1\.11; .*--force`$"),
        (TENSORRT, "11.4.0.106", L4, PORTABLE, ["no tactic"], r"does not load on NVIDIA L4 8\.9: no tactic"),
        (TENSORRT, "11.4.0.106", L4, None, [HOST_CODE], r"version compatible: .* copy m\.engine\.json"),
        (TENSORRT, "10.16.1.11", H200, example_manifest(), ["no tactic"], r"built on NVIDIA L4 8\.9, this is NVIDIA H200 9\.0; .*tactic"),
        (TENSORRT, "10.16.1.11", L4, example_manifest(), [], "no reason given; build it again"),
        (RTX, "1.8.0.1", L4, rtx_manifest(), [], r"built by TensorRT-RTX 1\.7\.1\.116, this is 1\.8\.0\.1"),
        (RTX, "1.7.1.116", H200, rtx_manifest(), [HOPPER], r"unsupported cc; .* 12\.1.*--target tensorrt$"),
        (RTX, "1.7.1.116", L4, rtx_manifest("8.6", "12.0"), ["unsupported cc"], "unsupported cc; build it again"),
    ],
    ids=[
        "later version", "earlier version", "8.5", "version compatible", "its manifest is missing", "other GPU",
        "nothing known", "other RTX", "Hopper", "other capability",
    ],
)  # fmt: skip
def test_explanation(
    file: EngineFile, version: str, gpu: str, manifest: Manifest | None, reasons: Sequence[str], says: str
) -> None:
    with pytest.raises(TrtZooError, match=says):
        raise plan.explain_load(file, fake_api(file.target, version), gpu, manifest, reasons)


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.compat, "load", lambda target: fake_api(target))
    monkeypatch.setattr(plan, "list_gpus", list)
    with pytest.raises(UnsupportedError, match=r"no CUDA driver answers.*onnxruntime"):
        plan.deserialize(TENSORRT, 0)


def test_no_gpu_of_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.compat, "load", lambda target: fake_api(target))
    monkeypatch.setattr(plan, "list_gpus", lambda: [L4])
    with pytest.raises(UnsupportedError, match=r"number 3: this machine has NVIDIA L4 8\.9"):
        plan.deserialize(TENSORRT, 3)


def test_a_gpu_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(device: int) -> None:
        raise CudaError("cuDevicePrimaryCtxRetain: out of memory (2)")

    monkeypatch.setattr(plan.compat, "load", lambda target: fake_api(target))
    monkeypatch.setattr(plan, "list_gpus", lambda: [L4])
    monkeypatch.setattr(plan, "use_gpu", busy)
    with pytest.raises(UnsupportedError, match=r"GPU 0 does not start: cuDevicePrimaryCtxRetain: out of memory \(2\)"):
        plan.deserialize(TENSORRT, 0)


def test_diagnosis_of_rtx() -> None:
    kinds = SimpleNamespace(__members__={"VERSION_MISMATCH": 1, "UNSUPPORTED_CC": 2, "MALFORMED_ENGINE": 8})
    api = fake_api("tensorrt-rtx", EngineInvalidityDiagnostics=kinds)
    runtime = SimpleNamespace(get_engine_validity=lambda data: (None, 10))
    assert plan._diagnosis(api, runtime, b"") == ["unsupported cc", "malformed engine"]
    assert plan._diagnosis(fake_api(), runtime, b"") == []


def test_tensors_are_described() -> None:
    trt = SimpleNamespace(TensorIOMode=SimpleNamespace(INPUT="in"))
    known = {"images": ("in", "HALF", (-1, 3, 8, 8)), "num_dets": ("out", "INT32", (-1, 1))}
    engine = SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=lambda index: list(known)[index],
        get_tensor_mode=lambda name: known[name][0],
        get_tensor_dtype=lambda name: SimpleNamespace(name=known[name][1]),
        get_tensor_shape=lambda name: known[name][2],
        get_tensor_profile_shape=lambda name, index: [[1, 3, 8, 8], [2, 3, 8, 8], [4, 3, 8, 8]],
    )
    assert plan.describe_tensors(fake_api(TensorIOMode=trt.TensorIOMode), engine) == (
        EngineTensor("images", "input", "float16", (-1, 3, 8, 8), ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))),
        EngineTensor("num_dets", "output", "int32", (-1, 1)),
    )
