"""An engine is opened, run and closed; what TensorRT-RTX compiled is kept beside it. The GPU is only memory here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import FakeContext, FakeCuda, fake_api
from suppressions import graph_nms, suppression
from tiny_models import tiny_meta

from trtzoo.engines.library.cuda_driver import CudaError
from trtzoo.engines.plans.manifest import Manifest, write_manifest
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.engines.runtimes import tensorrt as runtimes
from trtzoo.engines.runtimes.tensorrt import RuntimeCache, TensorRTRuntime
from trtzoo.errors import InputError, UnsupportedError

TENSORS = [EngineTensor("images", "input", "float32", (1, 2)), EngineTensor("sum", "output", "float32", (1, 1))]
PLANS = {"tensorrt": b"ftrt", "tensorrt-rtx": b"vtrt"}


class FakeCache:
    """A cache of compiled kernels."""

    def __init__(self, now: bytes) -> None:
        self.now, self.loaded = now, b""

    def deserialize(self, data: bytes) -> bool:
        self.loaded = data
        return True

    def serialize(self) -> bytes:
        return self.now


class FakeEngine:
    """Remembers how its context was made."""

    def __init__(self, cuda: FakeCuda, cache: FakeCache) -> None:
        self.context = FakeContext(cuda, TENSORS, lambda images: {"sum": images.sum(1, keepdims=True)})
        self.config: Any = None
        self._cache = cache

    def create_runtime_config(self) -> Any:
        return SimpleNamespace(
            create_runtime_cache=lambda: self._cache, set_runtime_cache=lambda cache: True, cuda_graph_strategy=None
        )

    def create_execution_context(self, config: Any = None) -> FakeContext:
        self.config = config
        return self.context


def write_engine(path: Path, target: str, meta: bool = True) -> Path:
    path.write_bytes(PLANS[target] + bytes(60))
    write_manifest(
        Manifest(
            target, "1.0", "", "m.onnx", "", 64, "", BuildSettings(target), (), meta=tiny_meta() if meta else None
        ),
        path,
    )
    return path


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens an engine for a target on a GPU that does not exist."""

    def open_engine(
        target: str, change: Callable[[FakeEngine, FakeCuda], object] = lambda engine, cuda: None
    ) -> tuple[TensorRTRuntime, FakeEngine, FakeCuda, FakeCache]:
        cuda, cache = FakeCuda(), FakeCache(b"kernels")
        engine = FakeEngine(cuda, cache)
        strategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
        api, log = fake_api(target, CudaGraphStrategy=strategy), SimpleNamespace(problems=[(True, "no room")])
        loaded = SimpleNamespace(api=api, engine=engine, gpu="NVIDIA L4 8.9", log=log)
        change(engine, cuda)
        monkeypatch.setattr(runtimes, "deserialize", lambda file, device: loaded)
        monkeypatch.setattr(runtimes, "describe_tensors", lambda api, engine: TENSORS)
        monkeypatch.setattr(runtimes, "Cuda", lambda device: cuda)
        return TensorRTRuntime(write_engine(tmp_path / "m.engine", target)), engine, cuda, cache

    return open_engine


@pytest.mark.parametrize("target", PLANS)
def test_engine_runs(opened: Any, target: str) -> None:
    runtime, _, cuda, _ = opened(target)
    for _ in range(3):
        assert runtime.infer(np.array([[1, 2]], np.float32))["sum"] == 3
    assert runtime.name.endswith("NVIDIA L4 8.9")
    assert runtime.meta == tiny_meta()
    runtime.close()
    runtime.close()
    assert cuda.closed


def no_context(engine: FakeEngine, cuda: FakeCuda) -> None:
    engine.context = None  # type: ignore[assignment]


def no_memory(engine: FakeEngine, cuda: FakeCuda) -> None:
    def allocate(size: int) -> int:
        raise CudaError("cuMemAlloc_v2: out of memory (2)")

    cuda.allocate = allocate  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (no_context, "makes no execution context: no room; .*memory ran out"),
        (no_memory, r"cannot be run here, the GPU failed: cuMemAlloc_v2: out of memory \(2\)"),
    ],
)
@pytest.mark.parametrize("target", PLANS)
def test_an_engine_without_room_on_the_gpu_is_explained(
    opened: Any, monkeypatch: pytest.MonkeyPatch, target: str, change: Any, says: str
) -> None:
    used: list[FakeCuda] = []
    with pytest.raises(UnsupportedError, match=says):
        opened(target, lambda engine, cuda: used.append(cuda) or change(engine, cuda))
    assert used[0].closed, "what was allocated is freed"


def test_thresholds_are_those_of_the_request_or_of_the_model(opened: Any) -> None:
    runtime, _, _, _ = opened("tensorrt")
    seen: list[dict[str, Any]] = []
    runtime._executor = SimpleNamespace(
        settings=("conf_thres",), infer=lambda images, settings, outputs: seen.append(settings)
    )
    runtime.meta = tiny_meta().with_nms(graph_nms(conf_thres=0.125))
    runtime.infer(np.zeros((1, 2), np.float32))
    runtime.infer(np.zeros((1, 2), np.float32), suppression(conf_thres=0.5))
    assert [settings["conf_thres"].tolist() for settings in seen] == [[0.125], [0.5]]


def test_tensorrt_is_recorded_by_us_and_rtx_by_itself(opened: Any) -> None:
    runtime, engine, cuda, _ = opened("tensorrt")
    runtime.infer(np.zeros((1, 2), np.float32))
    assert (engine.config, "recorded" in cuda.log) == (None, True)
    runtime, engine, cuda, _ = opened("tensorrt-rtx")
    runtime.infer(np.zeros((1, 2), np.float32))
    assert (engine.config.cuda_graph_strategy, "recorded" in cuda.log) == ("whole", False)


def test_compiled_kernels_are_kept(opened: Any, tmp_path: Path) -> None:
    runtime, _, _, cache = opened("tensorrt-rtx")
    assert cache.loaded == b""
    assert (tmp_path / "m.engine.cache").read_bytes() == b"kernels", "also of a program that does not close it"
    cache.now = b"kernels and more"
    runtime.close()
    assert (tmp_path / "m.engine.cache").read_bytes() == b"kernels and more"
    (tmp_path / "m.engine.cache").write_bytes(b"kernels")
    _, _, _, cache = opened("tensorrt-rtx")
    assert cache.loaded == b"kernels"


def test_unchanged_cache_is_not_written(tmp_path: Path) -> None:
    cache = RuntimeCache(tmp_path / "m.engine")
    cache.path.write_bytes(b"same")
    before = cache.path.stat().st_mtime_ns
    inner = FakeCache(b"same")
    cache.attach(SimpleNamespace(create_runtime_cache=lambda: inner, set_runtime_cache=lambda given: True))
    cache.store()
    assert cache.path.stat().st_mtime_ns == before


def test_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    cache = RuntimeCache(tmp_path / "gone" / "m.engine")
    inner = FakeCache(b"new")
    cache.attach(SimpleNamespace(create_runtime_cache=lambda: inner, set_runtime_cache=lambda given: True))
    cache.store()
    assert not cache.path.exists()


def test_engine_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.engine").write_bytes(PLANS["tensorrt"] + bytes(60))
    with pytest.raises(InputError, match=r"m\.engine\.json is missing"):
        TensorRTRuntime(tmp_path / "m.engine")


def test_engine_of_a_foreign_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without trtzoo's metadata"):
        TensorRTRuntime(write_engine(tmp_path / "m.engine", "tensorrt", meta=False))
