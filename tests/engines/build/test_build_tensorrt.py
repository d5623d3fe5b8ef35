"""Builds on TensorRT 8.5 to 11, with a library that has no GPU but is as unkind as the real one."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from fake_engine import EngineInspector
from fake_gpu import GPU, OLD, VERSIONS, flags_of, install, made
from fake_library import Builder
from fake_ways import NO_KERNEL, NO_LEAN_RUNTIME, STALE_TIMINGS, Crash
from tiny_models import tiny_detector, write_tiny

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.engines.build.builder import BuildSettings
from trtzoo.engines.build.process import worker
from trtzoo.engines.build.process.request import BuildRequest
from trtzoo.engines.build.timing_cache import cache_file
from trtzoo.engines.plans.identify import identify
from trtzoo.engines.plans.inspect import inspect_engine
from trtzoo.engines.plans.load import deserialize
from trtzoo.engines.plans.manifest import manifest_path, read_manifest
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph.writer import write_onnx
from trtzoo.graph_passes.nms import add_nms


def write_plugin(path: Path) -> Path:
    graph, meta = tiny_detector()
    meta, _ = add_nms(graph, meta, NmsSettings("efficient"), parse_target("tensorrt:8.6"))
    write_onnx(graph, to_properties(meta), path)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, version)
    manifest = made(write_tiny(tmp_path / "t.onnx"), BuildSettings(workspace_gib=2, timing_cache=tmp_path / "timings"))
    assert (manifest.version, manifest.gpu) == (version, GPU)
    assert set(manifest.precision) == {"fp32"}
    told = identify(tmp_path / "t.engine").version
    assert told.startswith("" if version == "8.5.3.1" else version)
    assert cache_file(tmp_path / "timings", GPU, version).read_bytes() == b"timings"
    assert read_manifest(tmp_path / "t.engine") == manifest
    assert not flags_of(tmp_path / "t.onnx") & {"FP16", "INT8"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_build_that_is_cancelled_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """From 10 on TensorRT is told at its next step; 8 cannot be told, so its process ends at once."""
    module, ended, cancelled = install(monkeypatch, version), threading.Event(), threading.Event()
    monkeypatch.setattr(worker, "end_process", lambda code: ended.set())
    build_serialized_network = Builder.build_serialized_network

    def slow(self: Builder, network: Any, config: Any) -> Any:
        cancelled.set()
        assert ended.wait(5) or version not in OLD
        return build_serialized_network(self, network, config)

    monkeypatch.setattr(Builder, "build_serialized_network", slow if version in OLD else build_serialized_network)
    ours, theirs = socket.socketpair()
    request = BuildRequest(str(write_tiny(tmp_path / "t.onnx")), str(tmp_path / "plan"), BuildSettings())
    with ours, theirs:
        if version in OLD:
            worker.build_plan(request, theirs, cancelled)
        else:
            cancelled.set()
            with pytest.raises(UnsupportedError):
                worker.build_plan(request, theirs, cancelled)
    assert ended.is_set() == (version in OLD)
    assert module.__version__ == version


def test_a_cancel_after_the_build_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, cancelled = threading.Event(), threading.Event()
    monkeypatch.setattr(worker, "end_process", lambda code: ended.set())
    with worker._dying(cancelled):
        pass
    cancelled.set()
    assert not ended.wait(0.1)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_is_inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, version)
    path = write_tiny(tmp_path / "t.onnx", None)
    manifest = made(path)
    report = inspect_engine(path.with_suffix(".engine"))
    assert (report.source, report.differences, report.tensors) == ("engine", (), manifest.tensors)
    assert report.precision == manifest.precision
    install(monkeypatch, version, none=frozenset({"create_engine_inspector"}))
    assert inspect_engine(path.with_suffix(".engine")).precision == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_engines_with_plugins_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """In a process that built nothing, and so registered nothing yet."""
    install(monkeypatch, version)
    path = write_plugin(tmp_path / "t.onnx")
    assert "Plugin_V2" in {layer.kind for layer in made(path).layers}
    module = install(monkeypatch, version)
    assert not module._ways.plugins
    assert deserialize(identify(path.with_suffix(".engine")), 0).engine is not None


UNKNOWN: dict[str, dict[str, Any]] = {
    "no inspector": {"none": frozenset({"create_engine_inspector"})},
    "no engine": {"none": frozenset({"deserialize_cuda_engine"})},
    "no report": {"report": ""},
    "a broken report": {"report": '{"Layers": ['},
    "control characters and numbers that JSON lacks": {
        "report": '{"Layers": [{"Name": "a\x1eb", "Beta": nan, "Gamma": -inf}]}'
    },
}


@pytest.mark.parametrize("how", UNKNOWN.values(), ids=UNKNOWN)
def test_an_engine_that_cannot_be_described_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    install(monkeypatch, "8.6.0", **how)
    assert made(write_tiny(tmp_path / "t.onnx")).precision == {}
    assert read_manifest(tmp_path / "t.engine")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "unknown: UnicodeDecodeError"),
        (Crash("in the inspector"), "the library was ended by SIGSEGV while it described it"),
    ],
    ids=["an error", "its death"],
)
def test_an_inspector_that_fails_does_not_cost_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, says: str
) -> None:
    def fail(self: EngineInspector, form: str) -> str:
        raise fault

    install(monkeypatch, "10.16.1.11")
    monkeypatch.setattr(EngineInspector, "get_engine_information", fail)
    notes: list[str] = []
    assert made(write_tiny(tmp_path / "t.onnx"), note=notes.append).precision == {}
    assert any(says in note for note in notes)
    assert identify(tmp_path / "t.engine").version == "10.16.1.11"


def test_lines_of_builds_that_succeed_are_no_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [(1, text) for text in STALE_TIMINGS]
    install(monkeypatch, "8.6.0", said=said)
    made(write_tiny(tmp_path / "t.onnx"))
    real = [(1, text) for text in NO_KERNEL]
    for lines, says in (
        (said, "gave no reason"),
        ([*said, *real], r"Could not find any implementation for node \{ForeignNode.*more --workspace"),
    ):
        install(monkeypatch, "8.6.0", said=lines, none=frozenset({"build_serialized_network"}))
        with pytest.raises(UnsupportedError, match=says) as caught:
            made(tmp_path / "t.onnx", force=True)
        assert "Myelin" not in str(caught.value)
        assert "timing cache" not in str(caught.value)
        assert str(caught.value).count("Could not find") <= 1, "8.6 says it twice"


NO_START: dict[str, tuple[str, dict[str, Any], str]] = {
    "no driver": ("8.6.0", {"driver": None}, r"no CUDA driver answers.*CUDA 12, release 525"),
    "an old driver": (
        "8.6.0",
        {"driver": (11, 8)},
        r"serves CUDA 11\.8, the library needs a driver for CUDA 12, release 525",
    ),
    "an old driver, 13": ("11.4.0.106", {"driver": (12, 9), "cuda": 13}, r"serves CUDA 12\.9, .* CUDA 13, release 580"),
    "a fault that the driver's version does not show": (
        "8.6.0",
        {"cuda": None},
        r"initialization failure with error: 35.*12\.4",
    ),
}


@pytest.mark.parametrize(("version", "how", "says"), NO_START.values(), ids=NO_START)
def test_cuda_that_does_not_start_is_not_blamed_on_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, how: dict[str, Any], says: str
) -> None:
    install(monkeypatch, version, starts=False, **how)
    with pytest.raises(UnsupportedError, match=says) as caught:
        made(write_tiny(tmp_path / "t.onnx"))
    assert "malformed" not in str(caught.value)


def test_a_library_that_dies_without_cuda_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = install(monkeypatch, "8.6.0", starts=False, cuda=None)
    builder = module.Builder

    def dies(log: Any) -> None:
        with pytest.raises(TypeError):
            builder(log)
        raise Crash("in Builder()")

    monkeypatch.setattr(module, "Builder", dies)
    with pytest.raises(UnsupportedError, match=r"SIGSEGV, for CUDA does not start: CUDA init.*update the driver"):
        made(write_tiny(tmp_path / "t.onnx"))


@pytest.mark.parametrize(
    ("version", "how"), [("8.5.3.1", {}), ("8.6.0", {"driver": (11, 8)}), ("10.16.1.11", {}), ("11.4.0.106", {})]
)
def test_an_engine_is_not_loaded_where_cuda_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, how: dict[str, Any]
) -> None:
    """The real libraries end the process there: 8.6 in Runtime(), 10 and 11 in the call after it."""
    install(monkeypatch, version)
    made(write_tiny(tmp_path / "t.onnx"))
    install(monkeypatch, version, starts=False, **how)
    with pytest.raises(UnsupportedError, match=r"does not start: .*serves CUDA"):
        deserialize(identify(tmp_path / "t.engine"), 0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"opt_level": 3}, "--opt-level: TensorRT 8.5.3.1 has no such setting, 8.6 is the first"),
        ({"version_compatible": True}, "--version-compatible: .* 8.6 is the first"),
        ({"hardware_compatible": True}, "--hardware-compatible: .* 8.6 is the first"),
    ],
)
def test_what_85_lacks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], says: str
) -> None:
    path = write_tiny(tmp_path / "t.onnx")
    install(monkeypatch, "8.6.0")
    made(path, BuildSettings(**settings))
    install(monkeypatch, "8.5.3.1")
    with pytest.raises(UnsupportedError, match=says):
        made(path, BuildSettings(**settings), force=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_sources_of_kernels_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """TensorRT 11 knows neither cuDNN nor cuBLAS."""
    module = install(monkeypatch, version)
    path = write_tiny(tmp_path / "t.onnx")
    if version.startswith("11"):
        with pytest.raises(
            InputError, match=r"--without-tactics CUDNN: .* knows EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS"
        ):
            made(path, BuildSettings(without_tactics=("CUDNN",)))
    else:
        made(path, BuildSettings(without_tactics=("CUDNN", "CUBLAS")))
        assert "tactics 11010" in module._ways.calls


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_plugins_cannot_be_taken_along_to_other_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    install(monkeypatch, version)
    settings = BuildSettings(version_compatible=True)
    made(write_tiny(tmp_path / "t.onnx"), settings)
    with pytest.raises(
        UnsupportedError, match=r"--version-compatible: .*plugin .* at node /nms/efficient_nms, .*--nms static"
    ):
        made(write_plugin(tmp_path / "p.onnx"), settings)


def test_a_lean_runtime_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of 8.6.0 comes without it."""
    install(monkeypatch, "8.6.0", said=[(1, NO_LEAN_RUNTIME)], none=frozenset({"build_serialized_network"}))
    with pytest.raises(
        UnsupportedError, match=r"libnvinfer_lean\.so\.8\.6\.0\).*install the lean runtime of TensorRT 8\.6\.0"
    ):
        made(write_tiny(tmp_path / "t.onnx"), BuildSettings(version_compatible=True))


def test_a_version_compatible_engine_runs_its_own_runtime_where_its_manifest_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "8.6.0")
    made(write_tiny(tmp_path / "t.onnx"), BuildSettings(version_compatible=True))
    install(monkeypatch, "10.16.1.11")
    assert deserialize(identify(tmp_path / "t.engine"), 0).engine is not None
    manifest_path(tmp_path / "t.engine").unlink()
    with pytest.raises(InputError, match=r"copy .*t\.engine\.json from where it was built"):
        deserialize(identify(tmp_path / "t.engine"), 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_node_of_a_parser_error_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """The parsers of 8.x tell its number only."""
    install(monkeypatch, version)
    path = write_tiny(tmp_path / "t.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    node = model.graph.node[3]
    node.op_type = "FooBar"
    onnx.save(model, path)
    with pytest.raises(UnsupportedError, match=rf"{node.name} \(FooBar\)"):
        made(path)


@pytest.mark.parametrize("version", OLD)
def test_damaged_timings_cost_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, version)
    path = cache_file(tmp_path, GPU, version)
    path.write_bytes(b"\0damaged")
    notes: list[str] = []
    made(write_tiny(tmp_path / "t.onnx"), BuildSettings(timing_cache=tmp_path), note=notes.append)
    assert "damaged" in notes[0]
    assert path.read_bytes() == b"timings"


def test_an_engine_is_built_again_for_another_version_or_settings_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, notes = write_tiny(tmp_path / "t.onnx", None), list[str]()
    settings = BuildSettings(shapes={"images": ((1, 3, 32, 48), (2, 3, 32, 48), (3, 3, 32, 48))})
    install(monkeypatch, "8.5.3.1")
    first = made(path, settings)
    assert made(path, settings, note=notes.append) == first
    assert "is up to date" in notes[0]
    for change in (replace(settings, tf32=False), replace(settings, without_tactics=("CUDNN",)), BuildSettings()):
        made(path, change, note=notes.append)
    install(monkeypatch, "8.6.0")
    assert made(path, note=notes.append).version == "8.6.0"
    assert len(notes) == 1


def test_another_release_than_the_target_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "8.6.0")
    path = write_tiny(tmp_path / "t.onnx")
    assert made(path, BuildSettings("tensorrt:8.6")).version == "8.6.0"
    with pytest.raises(
        UnsupportedError, match=r"tensorrt:8\.5 wants an engine of TensorRT 8\.5, but 8\.6\.0 is installed"
    ):
        made(path, replace(BuildSettings(), target="tensorrt:8.5"), force=True)
