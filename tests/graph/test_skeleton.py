"""Graphs with lazy weights: read, copied, asked for their values, written back."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from running import run_onnx
from small_graphs import scaled_graph

from trtzoo.errors import InputError
from trtzoo.graph.skeleton import constant, read_onnx, weight_of
from trtzoo.graph.weights import Weight
from trtzoo.graph.writer import write_onnx


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


def test_a_copied_graph_is_as_lazy_as_the_first(tmp_path):
    loads = []
    values = np.arange(4, dtype=np.float32)
    graph = scaled_graph(Weight((4,), np.dtype(np.float32), lambda: loads.append(1) or values)).copy()
    assert not loads
    write_onnx(graph, {}, tmp_path / "m.onnx")
    assert len(loads) == 1
    assert run_onnx(tmp_path / "m.onnx", np.ones((1, 4), np.float32))["/mul:out"].tolist() == [values.tolist()]


@pytest.mark.parametrize("change", ["in place", "replaced"])
def test_values_that_a_pass_changes_are_what_is_written(change, tmp_path):
    graph = scaled_graph(Weight.of(np.ones(4, np.float32)))
    factor = graph.tensors()["factor"]
    if change == "in place":
        factor.values[:] = 3
    else:
        factor.values = np.full(4, 3, np.float32)
    write_onnx(graph, {}, tmp_path / "m.onnx")
    assert run_onnx(tmp_path / "m.onnx", np.ones((1, 4), np.float32))["/mul:out"].tolist() == [[3, 3, 3, 3]]
