"""ONNX Runtime sessions: quiet, and closed to what they cannot run."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_graphs import scaled_graph

from trtzoo.graph.session import first_line, open_session, run_once
from trtzoo.graph.skeleton import load_all
from trtzoo.graph.writer import write_onnx


@pytest.mark.parametrize("source", ["bytes", "file"])
def test_a_model_runs_from_bytes_and_from_a_file(source, tmp_path):
    graph = scaled_graph(np.array([1, 2, 3, 4], np.float32))
    write_onnx(graph, {}, tmp_path / "m.onnx")
    model = load_all(graph, {}).SerializeToString() if source == "bytes" else tmp_path / "m.onnx"
    outputs = run_once(model, {"images": np.ones((1, 4), np.float32)})
    assert outputs["/mul:out"].tolist() == [[1, 2, 3, 4]]


def test_nothing_is_logged_before_an_error(tmp_path, capfd):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(Exception, match="bad") as error:
        open_session(tmp_path / "bad.onnx")
    assert "\n" not in first_line(error.value)
    assert capfd.readouterr() == ("", "")


def test_errors_are_raised_and_not_printed_too(capfd):
    """What fails is told in one line by whoever opened the session; ONNX Runtime would print its own before it."""
    x, y = (onnx.helper.make_tensor_value_info(name, 1, ["n", 2]) for name in ("x", "y"))
    shape = onnx.numpy_helper.from_array(np.array([3, 3]), "shape")
    node = onnx.helper.make_node("Reshape", ["x", "shape"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [x], [y], [shape])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    with pytest.raises(Exception, match="reshape"):
        run_once(model.SerializeToString(), {"x": np.zeros((1, 2), np.float32)})
    assert capfd.readouterr().err == ""
