"""The streaming writer: valid files, lazy weights, nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from running import run_onnx

from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph.onnx_graph import GraphEditor, constant, load_all, read_onnx, weight_of, write_onnx
from trtzoo.graph.weights import Weight


def scaled_graph(weight) -> gs.Graph:
    """images [B, 4] * weight [4]."""
    x = gs.Variable("images", dtype=np.float32, shape=["batch", 4])
    graph = gs.Graph(inputs=[x], opset=17)
    editor = GraphEditor(graph)
    factor = editor.constant("factor", weight)
    out = editor.node("Mul", [x, factor], "/mul", shapes=[["batch", 4]], dtypes=[np.float32])
    graph.outputs = out
    return graph


def test_the_file_is_valid_and_computes_with_its_lazy_weight(tmp_path):
    values = np.arange(4, dtype=np.float32)
    path = tmp_path / "m.onnx"
    write_onnx(scaled_graph(Weight(values.shape, values.dtype, lambda: values)), {"key": "value"}, path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"key": "value"}
    assert model.ir_version == 8
    np.testing.assert_array_equal(run_onnx(path, np.ones((2, 4), np.float32))["/mul:out"], [values, values])


def test_streaming_gives_the_same_model_as_serialising_in_memory(tmp_path):
    values = np.random.default_rng(0).random(4, np.float32)
    write_onnx(scaled_graph(Weight.of(values)), {"a": "b"}, tmp_path / "m.onnx")
    assert onnx.load(tmp_path / "m.onnx") == load_all(scaled_graph(Weight.of(values)), {"a": "b"})


def test_a_weight_is_computed_once_and_only_when_written(tmp_path):
    calls = []
    weight = Weight((4,), np.dtype(np.float32), lambda: calls.append(1) or np.ones(4, np.float32))
    graph = scaled_graph(weight)
    assert not calls
    write_onnx(graph, {}, tmp_path / "m.onnx")
    assert len(calls) == 1


def test_properties_may_come_late(tmp_path):
    ready = threading.Event()
    values = np.ones(4, np.float32)

    def load():
        ready.set()
        return values

    def properties():
        assert ready.wait(10)
        return {"late": "yes"}

    write_onnx(scaled_graph(Weight((4,), values.dtype, load)), properties, tmp_path / "m.onnx")
    assert read_onnx(tmp_path / "m.onnx")[1] == {"late": "yes"}


def test_a_failing_weight_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    broken = Weight((4,), np.dtype(np.float32), lambda: np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"promised float32\[4\] but loaded as 12 bytes"):
        write_onnx(scaled_graph(broken), {}, path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_more_than_protobuf_holds_is_refused_before_it_is_written(tmp_path):
    huge = Weight((2**29, 1), np.dtype(np.float32), lambda: pytest.fail("must not be loaded"))
    with pytest.raises(UnsupportedError, match="above the 2 GiB"):
        write_onnx(scaled_graph(huge), {}, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_names_are_unique():
    graph = gs.Graph(opset=17)
    editor = GraphEditor(graph)
    x = gs.Variable("x", dtype=np.float32, shape=[1])
    first, second = (editor.node("Relu", [x], "/relu", shapes=[[1]], dtypes=[np.float32])[0] for _ in range(2))
    assert [node.name for node in graph.nodes] == ["/relu", "/relu_1"]
    assert first.name != second.name


def test_a_graph_that_is_read_back_keeps_its_weights(tmp_path):
    values = np.random.default_rng(0).random(4, np.float32)
    write_onnx(scaled_graph(Weight.of(values)), {}, tmp_path / "a.onnx")
    graph, properties = read_onnx(tmp_path / "a.onnx")
    np.testing.assert_array_equal(weight_of(graph.tensors()["factor"]).load(), values)
    write_onnx(graph, properties, tmp_path / "b.onnx")
    assert run_onnx(tmp_path / "b.onnx", np.ones((1, 4), np.float32))["/mul:out"].tolist() == [values.tolist()]


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x08garbage", b"PK\x03\x04zip", b"\x00" * 64], ids=["empty", "cut", "zip", "zeros"]
)
def test_what_is_no_onnx_is_refused(content, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.onnx"):
        read_onnx(tmp_path / "bad.onnx")


def test_missing_external_weights_are_named(tmp_path):
    write_onnx(scaled_graph(Weight.of(np.ones(4, np.float32))), {}, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    with pytest.raises(InputError, match="external data"):
        read_onnx(tmp_path / "m.onnx")


def test_lazy_constants_in_subgraphs_are_written_too(tmp_path):
    condition = gs.Variable("condition", dtype=bool, shape=[])
    x = gs.Variable("images", dtype=np.float32, shape=[4])
    graph = gs.Graph(inputs=[x, condition], opset=17)
    branches = []
    for name, factor in (("then", 2), ("else", 3)):
        branch = gs.Graph(opset=17, name=name)
        values = np.full(4, factor, np.float32)
        out = gs.Variable(f"{name}_out", dtype=np.float32, shape=[4])
        weight = constant(f"{name}_factor", Weight.of(values))
        branch.nodes.append(gs.Node("Mul", f"{name}_mul", inputs=[x, weight], outputs=[out]))
        branch.outputs = [out]
        branches.append(branch)
    out = gs.Variable("out", dtype=np.float32, shape=[4])
    attributes = {"then_branch": branches[0], "else_branch": branches[1]}
    graph.nodes.append(gs.Node("If", "if", attrs=attributes, inputs=[condition], outputs=[out]))
    graph.outputs = [out]
    write_onnx(graph, {}, tmp_path / "m.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
