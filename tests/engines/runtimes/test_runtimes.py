"""Opening model files: every kind with the runtime that fits, plugins lowered in memory, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from colour_network import NAMES, SETTINGS, cells, colour_network, picture_with, write
from darknet_files import write_model as write_darknet

from trtzoo import Predictor, ReadOptions, open_runtime
from trtzoo.engines.runtimes.onnxruntime import OnnxRuntime
from trtzoo.engines.runtimes.open import open_onnx
from trtzoo.engines.runtimes.torch import TorchRuntime
from trtzoo.errors import InputError, MissingDependencyError, TrtZooError, UnsupportedError
from trtzoo.graph.session import open_session


@pytest.mark.parametrize("route", ["efficient", "efficient-idx"])
def test_plugins_are_lowered_in_memory_and_that_is_said(route, tmp_path):
    path = write(tmp_path, colour_network(), None, route, target="tensorrt:10.3")
    before = path.read_bytes()
    lines: list[str] = []
    found = Predictor(open_runtime(path, note=lines.append), SETTINGS)([picture_with([(5, 1), (9, 2)])])[0]
    np.testing.assert_array_equal(found.boxes, cells((64, 96))[[5, 9]])
    assert len(lines) == 1
    assert re.match(r".*model.onnx: EfficientNMS_\w*TRT .* became standard operators", lines[0])
    assert path.read_bytes() == before


def test_a_graph_of_standard_operators_is_not_read_twice(tmp_path, monkeypatch, capsys):
    path = write(tmp_path, colour_network(), None, "plain")
    monkeypatch.setattr("trtzoo.graph.skeleton.read_onnx", None)
    assert open_onnx(path)[1] == []
    assert capsys.readouterr().err == ""


def test_a_lowered_graph_keeps_its_metadata(tmp_path):
    path = write(tmp_path, colour_network(), 2, "efficient", target="tensorrt:10.3")
    runtime, phrases = open_onnx(path, where="the model")
    assert runtime.meta.nms is not None and runtime.meta.nms.route == "efficient"
    assert runtime.meta.batch == 2
    assert len(phrases) == 1


def other_plugin(folder: Path, properties: bool = True) -> Path:
    path = write(folder, colour_network(), 1, "efficient", target="tensorrt:10.3")
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "EfficientNMS_TRT":
            node.op_type = "BatchedNMS_TRT"
    if not properties:
        del model.metadata_props[:]
    onnx.save(model, path)
    return path


def test_another_plugin_is_named(tmp_path):
    with pytest.raises(UnsupportedError, match=r"model.onnx holds an operator .*BatchedNMS_TRT.*run only on TensorRT"):
        open_runtime(other_plugin(tmp_path))


@pytest.mark.parametrize("route", ["plain", "efficient", None])
def test_an_onnx_file_of_others_must_be_converted_first(route, tmp_path):
    path = write(tmp_path, colour_network(), 1, route, target="tensorrt:10.3")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"model.onnx carries no trtzoo metadata; run `trtzoo convert .*` on it first"):
        open_runtime(path)
    with pytest.raises(InputError, match="no trtzoo metadata"):
        open_runtime(other_plugin(tmp_path, properties=False))


DAMAGES = {
    "truncated": lambda data: data[: len(data) // 2],
    "random bytes": lambda data: bytes(np.random.default_rng(0).integers(0, 256, 500, np.uint8)),
    "a page of the web": lambda data: b"<html>not found</html>",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_onnx_file_is_an_error_of_one_line(damage, tmp_path):
    path = write(tmp_path, colour_network())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrtZooError, match=r"model\.onnx") as caught:
        open_runtime(path)
    assert "\n" not in str(caught.value)


BAD_IMAGES = {
    "another size": np.zeros((1, 3, 64, 64), np.float32),
    "another batch": np.zeros((2, 3, 64, 96), np.float32),
    "another type": np.zeros((1, 3, 64, 96), np.float64),
    "one axis short": np.zeros((3, 64, 96), np.float32),
}


@pytest.mark.parametrize("images", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_images_that_do_not_fit_are_refused(images, tmp_path):
    runtime = OnnxRuntime(write(tmp_path, colour_network()))
    with pytest.raises(InputError, match=r"model.onnx does not run on images \["):
        runtime.infer(images)


def test_a_gpu_that_onnxruntime_cannot_use_is_explained(tmp_path):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime can use a GPU")
    with pytest.raises(MissingDependencyError, match="pip install onnxruntime-gpu"):
        open_runtime(write(tmp_path, colour_network()), device="cuda:0")


def test_closing_twice_does_no_harm(tmp_path):
    runtime = OnnxRuntime(write(tmp_path, colour_network()))
    runtime.close()
    runtime.close()


@pytest.mark.parametrize("backend", [None, "onnxruntime", "torch"])
def test_a_cfg_is_converted_in_memory(backend, tmp_path):
    cfg = write_darknet(tmp_path)
    runtime = open_runtime(cfg, backend)
    assert isinstance(runtime, TorchRuntime if backend == "torch" else OnnxRuntime)
    images = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)
    outputs = runtime.infer(images)
    expected = open_runtime(cfg).infer(images)
    assert list(outputs) == ["boxes", "scores"]
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.cfg", "model.weights"]


REFUSED = {
    "torch on ONNX": ("torch", r"model.onnx: the torch backend runs a .cfg or a .pt, not an onnx file; use --backend"),
    "TensorRT on ONNX": ("tensorrt", r"model.onnx is no engine; build one with `trtzoo build`"),
}


@pytest.mark.parametrize(("backend", "message"), REFUSED.values(), ids=REFUSED)
def test_a_backend_that_does_not_fit_the_file_is_refused(backend, message, tmp_path):
    path = write(tmp_path, colour_network())
    with pytest.raises(InputError, match=message):
        open_runtime(path, backend)


def test_a_finished_model_takes_other_class_names(tmp_path):
    path = write(tmp_path, colour_network(), 1, "plain")
    (tmp_path / "three.names").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    assert open_runtime(path, read=ReadOptions(names=tmp_path / "three.names")).meta.names == ("rot", "grün", "blau")
    assert open_runtime(path, read=ReadOptions(img_size=(64, 96))).meta.names == NAMES


SETTLED = {
    "another size": (ReadOptions(img_size=(64, 64)), r"was converted for an input of 64x96 .*leave --img-size out"),
    "weights": (ReadOptions(weights=Path("a.weights")), "is converted already; leave --weights and --head out"),
    "a head": (ReadOptions(head="one2many"), "is converted already; leave --weights and --head out"),
}


@pytest.mark.parametrize(("options", "message"), SETTLED.values(), ids=SETTLED)
def test_what_only_a_conversion_can_change_is_refused(options, message, tmp_path):
    path = write(tmp_path, colour_network())
    with pytest.raises(InputError, match=message):
        open_runtime(path, read=options)


def test_another_number_of_names_is_refused(tmp_path):
    path = write(tmp_path, colour_network())
    (tmp_path / "two.names").write_text("a\nb\n")
    with pytest.raises(InputError, match="holds 2 names, but the model has 3 classes"):
        open_runtime(path, read=ReadOptions(names=tmp_path / "two.names"))


def test_weights_alone_are_refused(tmp_path):
    weights = write_darknet(tmp_path).with_suffix(".weights")
    with pytest.raises(InputError, match=r"give the .cfg"):
        open_runtime(weights)


def test_the_names_of_runtimes_say_where_they_run(tmp_path):
    assert open_runtime(write(tmp_path, colour_network())).name == "onnxruntime CPU"
    assert open_runtime(write_darknet(tmp_path), "torch").name == "torch CPU"


def test_thresholds_are_not_asked_of_a_graph_that_has_its_own(tmp_path):
    runtime = OnnxRuntime(write(tmp_path, colour_network(), 1, "plain"))
    images = np.ones((1, 3, 64, 96), np.float32)
    usual, other = runtime.infer(images), runtime.infer(images, replace(SETTINGS, conf_thres=0.99999999, topk_all=1))
    for name, values in usual.items():
        np.testing.assert_array_equal(values, other[name])


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cuda:0", 0)])
def test_threads_are_shared_out_on_a_cpu_only(device, threads, tmp_path, monkeypatch):
    """What a GPU's session leaves to the CPU may take all cores."""
    path, opened = write(tmp_path, colour_network()), []

    def session(model, **how):
        opened.append(how["threads"])
        return open_session(model, threads=how["threads"])

    monkeypatch.setattr("trtzoo.engines.runtimes.onnxruntime._providers", lambda device: [])
    monkeypatch.setattr("trtzoo.engines.runtimes.onnxruntime.open_session", session)
    OnnxRuntime(path, device, threads=1)
    assert opened == [threads]
