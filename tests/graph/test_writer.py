"""The streaming writer: valid files, weights computed once, nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import pytest
from running import run_onnx
from small_graphs import scaled_graph

from trtzoo.errors import UnsupportedError
from trtzoo.graph.skeleton import load_all, read_onnx
from trtzoo.graph.weights import Weight
from trtzoo.graph.writer import write_onnx


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
