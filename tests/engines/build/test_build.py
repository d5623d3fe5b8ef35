"""Engines are built by TensorRT-RTX, which needs no GPU; what they are is read from the EngineInspector's report."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from rtx import needs_rtx
from tiny_models import CLASSES, SIZE, tiny_detector, write_tiny

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.build.process.request import BuildRequest
from trtzoo.engines.build.process.worker import build_plan
from trtzoo.engines.build.process.worker_process import GRACE, WorkerProcess
from trtzoo.engines.library.compat import load
from trtzoo.engines.library.cuda_driver import list_gpus
from trtzoo.engines.plans.freshness import up_to_date
from trtzoo.engines.plans.identify import identify
from trtzoo.engines.plans.manifest import manifest_path, read_manifest
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.errors import InputError, UnsupportedError, VerificationError
from trtzoo.files import sha256_of
from trtzoo.graph.writer import write_onnx
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.precision.half import to_half
from trtzoo.graph_passes.thresholds import runtime_thresholds
from trtzoo.graph_passes.uint8_input import to_uint8_input

pytestmark = needs_rtx
RTX = BuildSettings("tensorrt-rtx")
ROWS = 2 * (SIZE[0] // 2) * (SIZE[1] // 2)


def test_engine_and_manifest(tmp_path: Path) -> None:
    onnx_path, engine = write_tiny(tmp_path / "tiny.onnx"), tmp_path / "tiny.engine"
    shares: list[float] = []
    manifest = build(onnx_path, engine, RTX, lambda share, what: shares.append(share))
    assert identify(engine).target == "tensorrt-rtx"
    assert identify(engine).version == manifest.version == load("tensorrt-rtx").version
    assert manifest.tensors == (
        EngineTensor("images", "input", "float32", (1, 3, *SIZE)),
        EngineTensor("boxes", "output", "float32", (1, ROWS, 4)),
        EngineTensor("scores", "output", "float32", (1, ROWS, len(CLASSES))),
    )
    assert manifest.meta is not None
    assert manifest.meta.names == CLASSES
    assert (manifest.onnx, manifest.onnx_sha256) == ("tiny.onnx", sha256_of(onnx_path))
    assert (manifest.plan_bytes, manifest.plan_sha256) == (engine.stat().st_size, sha256_of(engine))
    assert set(manifest.precision) == {"fp32"}
    assert manifest.memory["weights"] > 0
    assert shares == sorted(shares)
    assert read_manifest(engine) == manifest
    assert not list(tmp_path.glob(".*")), "no temporary file may remain"


def test_every_node_is_in_a_layer(tmp_path: Path) -> None:
    manifest = build(write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine", RTX)
    fused = {node for layer in manifest.layers for node in layer.nodes}
    convolutions = {node.name for node in onnx.load(tmp_path / "t.onnx").graph.node if node.op_type == "Conv"}
    assert convolutions <= fused
    assert any(len(layer.nodes) > 1 for layer in manifest.layers)


def test_free_batch_has_a_profile(tmp_path: Path) -> None:
    settings = replace(RTX, min_batch=1, opt_batch=2, max_batch=4)
    manifest = build(write_tiny(tmp_path / "t.onnx", None), tmp_path / "t.engine", settings)
    images, boxes, _ = manifest.tensors
    assert (images.shape, boxes.shape) == ((-1, 3, *SIZE), (-1, ROWS, 4))
    assert images.profile == tuple((batch, 3, *SIZE) for batch in (1, 2, 4))


def test_half_graph_gives_half_layers(tmp_path: Path) -> None:
    graph, meta = tiny_detector()
    meta, _ = to_half(graph, meta)
    write_onnx(graph, to_properties(meta), tmp_path / "t.onnx")
    manifest = build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)
    assert {tensor.dtype for tensor in manifest.tensors} == {"float32"}
    layers = {node: layer.precision for layer in manifest.layers for node in layer.nodes}
    assert {layers[name] for name in layers if name.endswith("/conv")} == {"fp16"}


def test_half_and_uint8_inputs(tmp_path: Path) -> None:
    for name, dtype, shape in (("half", "float16", (1, 3, *SIZE)), ("uint8", "uint8", (1, *SIZE, 3))):
        graph, meta = tiny_detector()
        meta = to_half(graph, meta, half_io=True)[0] if name == "half" else to_uint8_input(graph, meta)
        path = tmp_path / f"{name}.onnx"
        write_onnx(graph, to_properties(meta), path)
        manifest = build(path, tmp_path / f"{name}.engine", RTX)
        assert (manifest.tensors[0].dtype, manifest.tensors[0].shape) == (dtype, shape)


def test_foreign_onnx_builds(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Gemm", ["x", "w"], ["y"]), onnx.helper.make_node("Relu", ["y"], ["z"])]
    weights = onnx.numpy_helper.from_array(np.ones((5, 4), np.float32), "w")
    value = onnx.helper.make_tensor_value_info
    inputs, outputs = [value("x", 1, ["n", 5])], [value("z", 1, ["n", 4])]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "g", inputs, outputs, [weights]), opset_imports=[onnx.helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "gemm.onnx")
    manifest = build(tmp_path / "gemm.onnx", tmp_path / "gemm.engine", RTX)
    assert manifest.meta is None
    assert [tensor.name for tensor in manifest.tensors] == ["x", "z"]


def test_weights_in_a_file_of_their_own_are_found(tmp_path: Path) -> None:
    model = onnx.load(write_tiny(tmp_path / "t.onnx"))
    (tmp_path / "apart").mkdir()
    onnx.save(model, tmp_path / "apart" / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    build(tmp_path / "apart" / "m.onnx", tmp_path / "m.engine", RTX)


def test_compute_capabilities_and_tuning_are_taken(tmp_path: Path) -> None:
    settings = replace(RTX, compute_capabilities=("8.6", "8.9", "12.0"), workspace_gib=1.5, opt_level=1)
    manifest = build(write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine", settings)
    plain = build(tmp_path / "t.onnx", tmp_path / "p.engine", RTX)
    assert manifest.settings == settings
    assert manifest.plan_sha256 != plain.plan_sha256


def test_idle_settings_are_mentioned(tmp_path: Path) -> None:
    notes: list[str] = []
    settings = replace(RTX, hardware_compatible=True, timing_cache=tmp_path / "timings", max_batch=16)
    build(write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine", settings, note=notes.append)
    assert len(notes) == 3
    assert any("--timing-cache is ignored" in note for note in notes)
    assert not (tmp_path / "timings").exists()


def test_verbose_hands_on_what_the_library_says(tmp_path: Path) -> None:
    notes: list[str] = []
    build(write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine", replace(RTX, verbose=True), note=notes.append)
    assert any("Opset version" in note for note in notes)


def test_rebuild_is_skipped_unless_something_changed(tmp_path: Path) -> None:
    onnx_path, engine = write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine"
    first = build(onnx_path, engine, RTX)
    notes: list[str] = []
    assert build(onnx_path, engine, replace(RTX, verbose=True), note=notes.append) == first
    assert "up to date" in notes[0]
    assert build(onnx_path, engine, RTX, force=True).built >= first.built
    assert up_to_date(onnx_path, engine, replace(RTX, opt_level=2)) is None
    assert up_to_date(onnx_path, engine, RTX)
    write_tiny(onnx_path, scale=2.0)
    assert up_to_date(onnx_path, engine, RTX) is None
    engine.write_bytes(engine.read_bytes()[:-1])
    assert up_to_date(write_tiny(onnx_path), engine, RTX) is None


@pytest.mark.parametrize("change", [{"version": "1.0.0.1"}, {"gpu": "NVIDIA T4 7.5"}, {"plan_bytes": 5}])
def test_rebuild_for_another_version_gpu_or_file(tmp_path: Path, change: dict[str, Any]) -> None:
    onnx_path, engine = write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine"
    build(onnx_path, engine, RTX)
    document = json.loads(manifest_path(engine).read_text())
    manifest_path(engine).write_text(json.dumps(document | change))
    assert up_to_date(onnx_path, engine, RTX) is None


def test_damaged_manifest_is_no_obstacle(tmp_path: Path) -> None:
    onnx_path, engine = write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine"
    manifest_path(engine).write_text("{")
    build(onnx_path, engine, RTX)
    assert read_manifest(engine)


def test_broken_contract_keeps_the_old_engine(tmp_path: Path) -> None:
    graph, meta = tiny_detector()
    write_onnx(graph, to_properties(replace(meta, names=("one", "two"))), tmp_path / "t.onnx")
    (tmp_path / "t.engine").write_bytes(b"old")
    with pytest.raises(VerificationError, match="scores is float32"):
        build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)
    assert (tmp_path / "t.engine").read_bytes() == b"old"
    assert build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX, verify=False)


def test_engine_must_not_be_the_model_or_a_folder(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "t.onnx")
    for target in (path, tmp_path):
        with pytest.raises(InputError, match="-o"):
            build(path, target, RTX)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        build(write_tiny(tmp_path / "t.onnx"), tmp_path / "nowhere" / "t.engine", RTX)


def test_missing_gpu_is_named(tmp_path: Path) -> None:
    if list_gpus():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UnsupportedError, match="no CUDA driver answers"):
        build(write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine", replace(RTX, device=1))


SCRIPT = """
import os, sys, time
from pathlib import Path
forks, fork = [], os.fork
os.fork = lambda: forks.append(1) or fork()
from trtzoo.engines.build.process.worker import build_plan
from trtzoo.engines.build.builder import BuildSettings, build
def progress(share, what):
    print("building", flush=True)
    time.sleep({pause})
build(Path(sys.argv[1]), Path(sys.argv[2]), BuildSettings("tensorrt-rtx"), progress)
print("forked" if forks else "spawned")
"""


THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
CUDA_TOUCHED = """
from types import SimpleNamespace
from trtzoo.engines.library import cuda_driver
cuda_driver.ctypes.CDLL, real = lambda name: SimpleNamespace(cuInit=lambda flags: 0), cuda_driver.ctypes.CDLL
cuda_driver._library()
cuda_driver.ctypes.CDLL = real
"""


@pytest.mark.parametrize(
    ("how", "head"),
    [("forked", ""), ("spawned", THREAD), ("spawned", CUDA_TOUCHED)],
    ids=["alone", "beside a thread", "after CUDA"],
)
def test_every_way_of_starting_the_process(tmp_path: Path, how: str, head: str) -> None:
    """CUDA does not survive a fork (error 3 in the child), even where its start left one thread."""
    script = head + SCRIPT.format(pause=0)
    arguments = [str(write_tiny(tmp_path / "t.onnx")), str(tmp_path / "t.engine")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == how
    assert read_manifest(tmp_path / "t.engine")


COMMAND = """
import os, sys
forks, fork = [], os.fork
os.fork = lambda: forks.append("numpy" in sys.modules) or fork()
from trtzoo.cli import main
code = main(["build", *sys.argv[1:], "--target", "tensorrt-rtx"])
print(code, *forks)
"""


def test_the_command_builds_an_onnx_file_in_a_fork_without_numpy(tmp_path: Path) -> None:
    """numpy starts threads; a Python of its own costs as much as many a build."""
    arguments = [str(write_tiny(tmp_path / "t.onnx")), "-o", str(tmp_path / "t.engine")]
    done = subprocess.run([sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] in ("0 False", "None False"), done.stdout + done.stderr


def test_interrupt_ends_the_build_and_leaves_nothing(tmp_path: Path) -> None:
    path, engine = write_tiny(tmp_path / "t.onnx"), tmp_path / "t.engine"
    engine.write_bytes(b"old")
    script = SCRIPT.format(pause=30)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(engine)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "building\n"
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - start < GRACE + 3
    assert "KeyboardInterrupt" in errors
    assert engine.read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.engine", "t.onnx"]


def test_builds_in_several_threads(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "t.onnx")
    threads = [threading.Thread(target=build, args=(path, tmp_path / f"{number}.engine", RTX)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({sha256_of(tmp_path / f"{number}.engine") for number in range(3)}) == 1


def test_cancelled_build_stops_at_its_next_step(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    ours, theirs = socket.socketpair()
    request = BuildRequest(str(write_tiny(tmp_path / "t.onnx")), str(tmp_path / "plan"), RTX)
    with ours, theirs, pytest.raises(UnsupportedError):
        build_plan(request, theirs, cancelled)
    assert not (tmp_path / "plan").exists()


def test_a_build_whose_parent_dies_ends_too(tmp_path: Path) -> None:
    script = SCRIPT.format(pause=30)
    arguments = [str(write_tiny(tmp_path / "t.onnx")), str(tmp_path / "t.engine")]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    end = time.monotonic() + 10
    while any(Path("/proc", number, "cmdline").exists() for number in children):
        assert time.monotonic() < end, "the building process outlived its parent"
        time.sleep(0.05)


def test_process_that_gets_no_request_ends() -> None:
    with WorkerProcess() as worker:
        start = time.monotonic()
    assert worker.wait() == 0
    assert time.monotonic() - start < GRACE


def test_thresholds_that_are_inputs_are_part_of_the_contract(tmp_path: Path) -> None:
    graph, meta = tiny_detector(None)
    meta, _ = add_nms(graph, meta, NmsSettings("plain", candidates=100), parse_target("tensorrt-rtx"))
    meta = runtime_thresholds(graph, meta, defaults=False)
    meta = to_uint8_input(graph, meta)
    write_onnx(graph, to_properties(meta), tmp_path / "t.onnx")
    manifest = build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)
    assert [(tensor.name, tensor.dtype) for tensor in manifest.tensors_of("input")] == [
        ("images", "uint8"), ("conf_thres", "float32"), ("iou_thres", "float32"),
    ]  # fmt: skip


def test_thresholds_with_defaults_are_refused_since_tensorrt_would_fix_them(tmp_path: Path) -> None:
    graph, meta = tiny_detector(None)
    meta, _ = add_nms(graph, meta, NmsSettings("plain", candidates=100), parse_target("onnxruntime"))
    meta = runtime_thresholds(graph, meta)
    write_onnx(graph, to_properties(meta), tmp_path / "t.onnx")
    with pytest.raises(InputError, match=r"conf_thres and iou_thres have defaults.*--target tensorrt-rtx"):
        build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)


@pytest.mark.parametrize("layout", ["separate", "flat", "deepstream", "ultralytics"])
def test_every_layout_keeps_its_contract(tmp_path: Path, layout: str) -> None:
    graph, meta = tiny_detector()
    meta, _ = add_nms(graph, meta, NmsSettings("plain", candidates=100), parse_target("tensorrt-rtx"), layout)
    write_onnx(graph, to_properties(meta), tmp_path / "t.onnx")
    assert build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX).tensors_of("output")
