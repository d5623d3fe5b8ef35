"""The nodes that INT8 puts into a graph, one by one, and their arithmetic against numpy."""

import numpy as np
import pytest
from int8_graphs import CHAIN, ONES, conv
from small_graphs import foreign_graph, run
from tiny_models import tiny_detector

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.precision.half import to_half
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.points import QdqSettings, find_points

RNG = np.random.default_rng(7)
META = tiny_detector()[1]
WEIGHTS = {"w": RNG.normal(size=(4, 4, 1, 1)).astype(np.float32)}
IMAGE = RNG.normal(size=(1, 4, 8, 8)).astype(np.float32)


def chain(weights=WEIGHTS, opset=17):
    return foreign_graph(CHAIN, {"x": [1, 4, 8, 8]}, ["out"], weights, opset)


def quantise(graph, numbers, settings=QdqSettings()):
    return to_int8(graph, META, find_points(graph, settings), numbers)


def fake_quantised(values, scale, low=-128):
    """Round half to even, clip, and back: the ONNX standard's QuantizeLinear and DequantizeLinear."""
    return np.clip(np.rint(values / scale), low, 127) * scale


def sequence(tensor):
    """Operators on the way up from a tensor along first inputs."""
    found = []
    while tensor.inputs:
        found.append(tensor.inputs[0].op)
        tensor = tensor.inputs[0].inputs[0]
    return found[::-1]


def test_node_by_node():
    graph = chain()
    meta, report = quantise(graph, Quantisation({"x": 2.0, "a": 3.0}))
    assert meta.precision == "int8"
    assert (report.layers, report.pairs) == (2, 2)
    assert report.notes() == ("INT8: 2 layers, 2 quantised tensors, 1 kept (final layer)",)
    counts = {op: sum(node.op == op for node in graph.nodes) for op in ("QuantizeLinear", "DequantizeLinear", "Conv")}
    assert counts == {"QuantizeLinear": 2, "DequantizeLinear": 3, "Conv": 3}, "the layers share their weights"
    assert sequence(graph.outputs[0]) == [
        "QuantizeLinear", "DequantizeLinear", "Conv", "Mul",
        "QuantizeLinear", "DequantizeLinear", "Conv", "Mul", "Conv",
    ]  # fmt: skip
    first = next(node for node in graph.nodes if node.name == "ac")
    assert [tensor.inputs[0].op for tensor in first.inputs] == ["DequantizeLinear"] * 2
    assert first.inputs[1].inputs[0].attrs == {"axis": 0}
    assert first.inputs[1].inputs[0].inputs[0].dtype == np.int8


def test_arithmetic_against_numpy():
    graph = chain()
    quantise(graph, Quantisation({"x": 2.0, "a": 3.0}))
    found = run(graph, {"x": IMAGE})["out"]
    weights = WEIGHTS["w"][:, :, 0, 0]
    rounded = fake_quantised(weights, np.abs(weights).max(axis=1, keepdims=True) / 127, -127)
    y = IMAGE.reshape(4, 64)
    for threshold in (2.0, 3.0):
        y = rounded @ fake_quantised(y, threshold / 127)
        y = y / (1 + np.exp(-y))
    np.testing.assert_allclose(found.reshape(4, 64), weights @ y, rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, run(chain(), {"x": IMAGE})["out"], rtol=1e-3), "nothing was rounded"


def test_readers_share_one_pair_and_shared_weights_one_dequantiser():
    lines = [*conv("x", "a"), *conv("a", "b"), *conv("a", "c"), ("Add", ["c", "a"], ["sum"]), *conv("sum", "d"),
             ("Conv", ["d", "w"], ["l"]), ("Conv", ["b", "w"], ["r"]), ("Add", ["l", "r"], ["out"])]  # fmt: skip
    graph = foreign_graph(lines, {"x": [1, 4, 8, 8]}, ["out"], WEIGHTS)
    quantise(graph, Quantisation({"x": 2.0, "a": 3.0, "sum": 4.0}))
    readers = {node.name: node.inputs for node in graph.nodes}
    assert readers["bc"][0] is readers["cc"][0] is readers["sum"][1]
    assert readers["sum"][1].inputs[0].op == "DequantizeLinear"
    assert readers["sum"][0].inputs[0].op == "Mul", "the branch that the sum is fused with stays raw"
    assert readers["bc"][1] is readers["ac"][1]
    assert sum(node.op == "QuantizeLinear" for node in graph.nodes) == 3


def test_tensors_of_a_group_have_one_scale():
    lines = [*conv("x", "a"), *conv("a", "b"), ("Concat", ["a", "b"], ["cat"], {"axis": 1}), *conv("cat", "d", "w8"),
             ("Conv", ["d", "w"], ["out"])]  # fmt: skip
    graph = foreign_graph(lines, {"x": [1, 4, 8, 8]}, ["out"], ONES)
    quantise(graph, Quantisation({"x": 1.0, "a": 5.0, "cat": 5.0}))
    nodes = {node.name: node for node in graph.nodes}
    scales = [float(nodes[name].inputs[0].inputs[0].inputs[1].values) for name in ("bc", "dc")]
    assert scales == [np.float32(5 / 127)] * 2


def test_given_biases_weights_and_scales_are_written():
    graph = chain()
    bias, weights = np.arange(4, dtype=np.float32), np.full((4, 4, 1, 1), 0.5, np.float32)
    numbers = Quantisation({"x": 2.0, "a": 3.0}, {"ac": bias}, {"bc": weights}, {"bc": np.full(4, 0.1, np.float32)})
    quantise(graph, numbers)
    nodes = {node.name: node for node in graph.nodes}
    np.testing.assert_array_equal(nodes["ac"].inputs[2].values, bias)
    assert len(nodes["bc"].inputs) == 2
    np.testing.assert_array_equal(nodes["bc"].inputs[1].inputs[0].inputs[0].values, np.full((4, 4, 1, 1), 5, np.int8))


def test_a_channel_without_weights_keeps_a_finite_scale():
    weights = WEIGHTS["w"].copy()
    weights[1] = 0
    graph = chain({"w": weights})
    quantise(graph, Quantisation({"x": 2.0, "a": 3.0}))
    assert np.isfinite(run(graph, {"x": IMAGE})["out"]).all()


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm_weights_have_a_scale_an_output(trans):
    weights = RNG.normal(size=(16, 8) if not trans else (8, 16)).astype(np.float32)
    lines = [("Gemm", ["x", "v"], ["g"], {"transB": trans}), ("Relu", ["g"], ["r"]), ("Gemm", ["r", "u"], ["out"])]
    graph = foreign_graph(lines, {"x": [2, 16]}, ["out"], {"v": weights, "u": np.eye(8, 8, dtype=np.float32)})
    quantise(graph, Quantisation({"x": 2.0}))
    scales = next(node for node in graph.nodes if node.name == "g").inputs[1].inputs[0].inputs[1].values
    np.testing.assert_allclose(scales, np.abs(weights).max(axis=trans) / 127, rtol=1e-6)
    assert run(graph, {"x": RNG.normal(size=(2, 16)).astype(np.float32)})["out"].shape == (2, 8)


@pytest.mark.parametrize("route", ["plain", "static"])
def test_before_and_after_nms_the_same_pairs(route):
    placed = []
    for end2end in (False, True):
        graph, meta = tiny_detector()
        if end2end:
            meta, _ = add_nms(graph, meta, NmsSettings(route), parse_target("onnxruntime"), "separate")
        points = find_points(graph)
        to_int8(graph, meta, points, Quantisation(dict.fromkeys(points.quantised, 4.0)))
        placed.append(([node.name for node in graph.nodes if node.op == "QuantizeLinear"], points))
    assert placed[0] == placed[1]
    assert placed[0][0]


ERRORS = {
    "a missing range": ({"x": 2.0}, 17, InputError, "1 tensors have no range, the first is a"),
    "a range of zero": ({"x": 2.0, "a": 0.0}, 17, InputError, "the range of a is 0.0"),
    "a range without end": ({"x": 2.0, "a": np.inf}, 17, InputError, "the range of a is inf"),
    "an old opset": ({"x": 2.0, "a": 3.0}, 12, UnsupportedError, "opset 13 or later, the graph has 12"),
}


@pytest.mark.parametrize(("thresholds", "opset", "error", "message"), ERRORS.values(), ids=ERRORS)
def test_what_is_refused(thresholds, opset, error, message):
    with pytest.raises(error, match=message):
        quantise(chain(opset=opset), Quantisation(thresholds))


def test_quantising_twice_is_refused():
    graph = chain()
    quantise(graph, Quantisation({"x": 2.0, "a": 3.0}))
    with pytest.raises(InputError, match="already"):
        find_points(graph)


def test_a_graph_in_half_is_refused():
    graph, meta = tiny_detector()
    to_half(graph, meta)
    with pytest.raises(InputError, match="FP16 already"):
        find_points(graph)
