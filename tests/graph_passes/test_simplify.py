"""Simplification by onnxsim: fewer nodes, the same outputs, clear errors, and nothing to do in our own graphs."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from shared import golden_cases

from trtzoo.converters import read_network
from trtzoo.converters.network import to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import MissingDependencyError, UnsupportedError, VerificationError
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes import simplify as simplify_pass
from trtzoo.graph_passes.simplify import simplify

CASES = [case for prefix in ("y5_", "tipose_", "ul_", "dk_") for case in golden_cases(prefix)]


def exported(shape=("batch", 3, 8, 8)):
    """A convolution, its normalisation as a node of its own, and a shape computed at run time, as exporters leave it.

    images . Conv . BatchNormalization . Reshape(Concat(Gather(Shape(images)), [-1])) . Identity
    """
    graph = gs.Graph(opset=17)
    random = np.random.default_rng(2)
    image, out = gs.Variable("images", np.float32, list(shape)), gs.Variable("out", np.float32, ["batch", "n"])
    made = [gs.Variable(f"made{number}", np.int64 if number in (2, 3, 4) else np.float32) for number in range(6)]
    values = [random.random(size, np.float32) for size in ((4, 3, 3, 3), 4, 4, 4, 4)]
    weights = [gs.Constant(f"weight{number}", value) for number, value in enumerate(values)]
    first, rest = gs.Constant("first", np.array([0])), gs.Constant("rest", np.array([-1]))
    graph.nodes = [
        gs.Node("Conv", inputs=[image, weights[0]], outputs=[made[0]]),
        gs.Node("BatchNormalization", inputs=[made[0], *weights[1:]], outputs=[made[1]]),
        gs.Node("Shape", inputs=[image], outputs=[made[2]]),
        gs.Node("Gather", inputs=[made[2], first], outputs=[made[3]]),
        gs.Node("Concat", inputs=[made[3], rest], outputs=[made[4]], attrs={"axis": 0}),
        gs.Node("Reshape", inputs=[made[1], made[4]], outputs=[made[5]]),
        gs.Node("Identity", inputs=[made[5]], outputs=[out]),
    ]
    graph.inputs, graph.outputs = [image], [out]
    return graph


def outputs(graph, images):
    import onnxruntime

    model = load_all(graph, {}).SerializeToString()
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def test_a_graph_becomes_smaller_and_computes_the_same():
    pytest.importorskip("onnxsim")
    graph = exported()
    simplified, report = simplify(graph)
    assert "BatchNormalization" not in [node.op for node in simplified.nodes]
    assert len(simplified.nodes) == report.nodes_after < report.nodes_before == len(graph.nodes)
    images = np.random.default_rng(3).random((5, 3, 8, 8), np.float32)
    np.testing.assert_allclose(outputs(simplified, images), outputs(graph, images), rtol=1e-5, atol=1e-5)
    assert report.difference <= simplify_pass.TOLERANCE
    assert "7 to" in str(report)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_our_own_graphs_are_already_as_small(case):
    onnxsim = pytest.importorskip("onnxsim")
    model = next(path for path in case.iterdir() if path.suffix in (".pt", ".cfg"))
    size = None if model.suffix == ".cfg" else np.load(case / "expected.npz")["images"].shape[2:]
    graph, _ = to_graph(read_network(model, ReadOptions(img_size=size)), None, 17)
    ours = load_all(graph, {})
    simplified, _ = onnxsim.simplify(ours)
    assert len(simplified.graph.node) >= len(ours.graph.node), removed(ours, simplified)


def removed(ours, simplified):
    left = {node.name for node in simplified.graph.node}
    return [f"{node.op_type} {node.name}" for node in ours.graph.node if node.name not in left]


def test_a_simplifier_that_changes_the_result_is_caught(monkeypatch):
    def spoil(model):
        spoilt = onnx.ModelProto()
        spoilt.CopyFrom(model)
        weight = next(tensor for tensor in spoilt.graph.initializer if tensor.name == "weight0")
        weight.raw_data = (onnx.numpy_helper.to_array(weight) * np.float32(1.01)).tobytes()
        return spoilt

    monkeypatch.setattr(simplify_pass, "_run_onnxsim", spoil)
    with pytest.raises(VerificationError, match=r"changed the output out: it moves by .*allowed 1e-04"):
        simplify(exported())


def test_without_onnxsim_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxsim", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'trtzoo\[simplify\]'"):
        simplify(exported())


def test_a_free_height_is_refused():
    pytest.importorskip("onnxsim")
    with pytest.raises(UnsupportedError, match=r"axis 2 of the input images has no fixed length .*--img-size"):
        simplify(exported(("batch", 3, "height", 8)))


def test_a_graph_that_onnx_runtime_cannot_run_is_refused():
    pytest.importorskip("onnxsim")
    graph = exported()
    graph.nodes[-1].op, graph.nodes[-1].domain = "EfficientNMS_TRT", "trt.plugins"
    graph.import_domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("trt.plugins", 1)]
    with pytest.raises(UnsupportedError, match="leave out --simplify"):
        simplify(graph)
