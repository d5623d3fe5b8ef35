"""Which types the layers of an engine compute in, on TensorRT 8.5 to 11: those of the graph, held against the ONNX file itself."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from fake_gpu import OLD, VERSIONS, flags_of, install, made
from tiny_models import tiny_detector, write_tiny

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.engines.build.builder import BuildSettings
from trtzoo.errors import UnsupportedError
from trtzoo.graph.writer import write_onnx
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.precision.half import to_half


def write_half(path: Path) -> Path:
    graph, meta = tiny_detector()
    meta, _ = to_half(graph, meta)
    write_onnx(graph, to_properties(meta), path)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_precision_is_that_of_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """8.x takes half wherever it may once it is allowed: decode stays in single since each layer is held to the graph's types."""
    install(monkeypatch, version)
    path = write_half(tmp_path / "t.onnx")
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    words = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16"}
    wanted = {node.name: words[kinds[node.output[0]]] for node in graph.node if kinds.get(node.output[0]) in words}
    found = {layer.name: layer.precision.rpartition(" ")[2] for layer in made(path).layers}
    assert {name: found[name] for name in wanted} == wanted
    assert set(wanted.values()) == {"fp16", "fp32"}
    assert wanted["/head/conv"] == "fp16"
    assert flags_of(path) >= {"FP16", "OBEY_PRECISION_CONSTRAINTS"} if version in OLD else not flags_of(path) & {"FP16"}


@pytest.mark.parametrize("version", OLD)
def test_what_joins_in_half_is_left_free_and_in_single_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """8.6.0 has no kernels around a layer that joins tensors and is held to half (yolo11n-pose, yolov8n-seg, yolo26n)."""
    install(monkeypatch, version)
    value, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    nodes = [
        node("Cast", ["x"], ["h"], "to_half", to=onnx.TensorProto.FLOAT16),
        node("Concat", ["h", "h"], ["hh"], "join_half", axis=1),
        node("Cast", ["hh"], ["s"], "to_single", to=onnx.TensorProto.FLOAT),
        node("Concat", ["s", "x"], ["y"], "join_single", axis=1),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1, 4])], [value("y", 1, [1, 12])])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "j.onnx")
    layers = {layer.name: layer for layer in made(tmp_path / "j.onnx").layers}
    assert "OBEY_PRECISION_CONSTRAINTS" in flags_of(tmp_path / "j.onnx")
    assert (layers["join_half"].writes, layers["join_single"].writes) == (("fp16",), ("fp32",))


@pytest.mark.parametrize("version", OLD)
def test_where_no_kernel_keeps_to_the_types_they_are_a_preference_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """For what else a version has no kernels where it has to obey."""
    install(monkeypatch, version, loose=True)
    path, notes = write_half(tmp_path / "t.onnx"), list[str]()
    made(path, note=notes.append)
    assert flags_of(path) >= {"FP16", "PREFER_PRECISION_CONSTRAINTS"}
    assert "OBEY_PRECISION_CONSTRAINTS" not in flags_of(path)
    (note,) = notes
    assert "no kernel that keeps to the graph's types for {ForeignNode[nms.conf_thres" in note
    assert "write half now: /head/" in note
    with pytest.raises(UnsupportedError, match="Could not find any implementation"):
        made(write_tiny(tmp_path / "single.onnx"))


@pytest.mark.parametrize("version", VERSIONS)
def test_quantised_graphs_are_built_in_int8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, version)
    value, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "scale", "zero"], ["q"], "q"),
        node("DequantizeLinear", ["q", "scale", "zero"], ["d"], "d"),
        node("Relu", ["d"], ["y"], "relu"),
    ]
    constants = [onnx.helper.make_tensor("scale", 1, [], [0.5]), onnx.helper.make_tensor("zero", 3, [], [0])]
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1, 4])], [value("y", 1, [1, 4])], constants)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "q.onnx")
    made(tmp_path / "q.onnx")
    assert ("INT8" in flags_of(tmp_path / "q.onnx")) == (version in OLD)


@pytest.mark.parametrize("version", VERSIONS)
def test_free_shapes_hide_no_more_precision_than_they_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Before 11 the inspector tells none; the weights tell what they can."""
    install(monkeypatch, version)
    precision = made(write_tiny(tmp_path / "t.onnx", None)).precision
    assert set(precision) == ({"fp32"} if version.startswith("11") else {"fp32", "unknown"})
    assert precision["fp32"] >= 5, "the convolutions"


@pytest.mark.parametrize("version", VERSIONS)
def test_plugins_keep_to_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Left free, 8.6.0 ran EfficientNMS in half under --half: boxes moved by 1.9 pixels."""
    install(monkeypatch, version)
    graph, meta = tiny_detector()
    meta, _ = add_nms(graph, meta, NmsSettings("efficient"), parse_target("tensorrt:8.5"))
    meta, _ = to_half(graph, meta)
    write_onnx(graph, to_properties(meta), tmp_path / "t.onnx")
    layers = {layer.kind: layer for layer in made(tmp_path / "t.onnx").layers}
    assert (layers["Plugin_V2"].reads, layers["Plugin_V2"].writes) == (("fp32",), ("fp32", "int32"))


@pytest.mark.parametrize("version", VERSIONS)
def test_tf32_is_on_unless_it_is_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, version)
    path = write_tiny(tmp_path / "t.onnx")
    assert made(path).settings.tf32
    assert "TF32" in flags_of(path)
    made(path, BuildSettings(tf32=False))
    assert "TF32" not in flags_of(path)
