"""ONNX Runtime sessions: quiet, and closed to what they cannot run."""

from __future__ import annotations

import numpy as np
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
