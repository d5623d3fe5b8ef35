"""Half precision: the network proper, nothing else, and the numbers stay what they were as far as half can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from small_graphs import foreign_graph, run
from tiny_models import SIZE, tiny_detector

from trtzoo.contract.choices import RouteChoice
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import UnsupportedError
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.precision.half import to_half
from trtzoo.graph_passes.thresholds import runtime_thresholds

RNG = np.random.default_rng(1)
IMAGES = RNG.random((2, 3, *SIZE)).astype(np.float32)
W = RNG.normal(0, 0.2, size=(8, 3, 3, 3)).astype(np.float32)
CONV = ("Conv", ["x", "w"], ["conv"], {"pads": [1, 1, 1, 1]})
META = tiny_detector()[1]


def kinds(graph: gs.Graph) -> dict[str, Any]:
    """Node name -> type of its first output."""
    return {node.name: node.outputs[0].dtype for node in graph.nodes}


def convolution_types(graph: gs.Graph) -> set[Any]:
    return {tensor.dtype for node in graph.nodes if node.op == "Conv" for tensor in (*node.inputs, *node.outputs)}


@pytest.mark.parametrize("opset", [14, 17, 20])
def test_detector(opset: int) -> None:
    graph, meta = tiny_detector(2, opset)
    before = run(graph, {"images": IMAGES})
    meta, report = to_half(graph, meta)
    after = run(graph, {"images": IMAGES})
    assert meta.precision == "fp16"
    assert report.kept == ()
    assert report.casts == 2, "one behind the input, one in front of the decode"
    assert convolution_types(graph) == {np.dtype(np.float16)}
    assert kinds(graph)["/up/resize"] == np.float16
    assert kinds(graph)["/head/sigmoid"] == np.float32
    np.testing.assert_allclose(after["boxes"], before["boxes"], atol=0.05)
    np.testing.assert_allclose(after["scores"], before["scores"], atol=2e-3)
    assert {array.dtype for array in after.values()} == {np.dtype(np.float32)}


def test_weights_take_half_the_space_and_are_rounded_not_clipped() -> None:
    graph, meta = tiny_detector()
    weights = {tensor.name: tensor.raw_data for tensor in load_all(graph, {}).graph.initializer}
    to_half(graph, meta)
    for tensor in load_all(graph, {}).graph.initializer:
        original = tensor.name.removesuffix(".half")
        if original != tensor.name and original in weights:
            values = np.frombuffer(weights[original], np.float32).astype(np.float16)
            assert tensor.raw_data == values.tobytes()


@pytest.mark.parametrize("route", ["plain", "static"])
@pytest.mark.parametrize("first", ["half", "nms"])
def test_before_or_after_nms(first: str, route: RouteChoice) -> None:
    settings, target = NmsSettings(route, conf_thres=0.05, topk_all=10, candidates=100), parse_target("onnxruntime")
    graph, meta = tiny_detector(None)
    add_nms(graph, meta, settings, target)
    before = run(graph, {"images": IMAGES})
    graph, meta = tiny_detector(None)
    if first == "half":
        meta, _ = to_half(graph, meta)
        meta, _ = add_nms(graph, meta, settings, target)
    else:
        meta, _ = add_nms(graph, meta, settings, target)
        meta, _ = to_half(graph, meta)
    after = run(graph, {"images": IMAGES})
    assert (meta.precision, meta.end2end) == ("fp16", True)
    assert all(tensor.dtype != np.float16 for node in graph.nodes if "/nms" in node.name for tensor in node.outputs)
    assert list(after) == ["num_dets", "det_boxes", "det_scores", "det_classes"]
    np.testing.assert_array_equal(after["num_dets"], before["num_dets"])
    np.testing.assert_allclose(after["det_scores"], before["det_scores"], atol=2e-3)


def test_half_input() -> None:
    graph, meta = tiny_detector(2)
    before = run(graph, {"images": IMAGES})
    meta, report = to_half(graph, meta, half_io=True)
    assert report.casts == 1
    assert (meta.input_dtype, meta.input_axes) == ("float16", "chw")
    after = run(graph, {"images": IMAGES.astype(np.float16)})
    np.testing.assert_allclose(after["scores"], before["scores"], atol=2e-3)


def test_half_input_of_an_integer_graph_is_refused() -> None:
    graph, meta = tiny_detector()
    graph.inputs[0].dtype = np.dtype(np.uint8)
    with pytest.raises(UnsupportedError, match="--half-io"):
        to_half(graph, meta, half_io=True)


def test_nodes_that_are_to_stay() -> None:
    graph, meta = tiny_detector(2)
    before = run(graph, {"images": IMAGES})
    _, report = to_half(graph, meta, {"/block/conv": "it overflows", "not there": "ignored"})
    assert report.kept == (("/block/conv", "it overflows"),)
    assert kinds(graph)["/block/conv"] == np.float32
    assert kinds(graph)["/up/conv"] == np.float16
    np.testing.assert_allclose(run(graph, {"images": IMAGES})["scores"], before["scores"], atol=2e-3)
    assert any("/block/conv stays in single: it overflows" in note for note in report.notes())


def test_weight_beyond_half_stays_in_single() -> None:
    large = W.copy()
    large[0, 0, 0, 0] = 70000
    graph = foreign_graph([CONV, ("Relu", ["conv"], ["y"])], {"x": [1, 3, 8, 8]}, ["y"], {"w": large})
    _, report = to_half(graph, META)
    assert report.kept == (("conv", "its constant w reaches 70000, beyond 65504"),)
    assert convolution_types(graph) == {np.dtype(np.float32)}


def test_epsilon_that_half_would_lose_stays_in_single() -> None:
    lines = [CONV, ("Add", ["conv", "eps"], ["a"]), ("Conv", ["a", "v"], ["y"])]
    weights = {"w": W, "eps": np.float32(1e-9), "v": np.ones((4, 8, 1, 1), np.float32)}
    _, report = to_half(foreign_graph(lines, {"x": [1, 3, 8, 8]}, ["y"], weights), META)
    assert report.kept == (("a", "its constant eps is 1e-09, which half rounds to 0"),)


def test_operator_without_a_half_form_stays_in_single() -> None:
    lines = [CONV, ("Celu", ["conv"], ["c"]), ("Conv", ["c", "v"], ["y"])]
    graph = foreign_graph(lines, {"x": [1, 3, 8, 8]}, ["y"], {"w": W, "v": np.ones((4, 8, 1, 1), np.float32)})
    feed = {"x": RNG.random((1, 3, 8, 8)).astype(np.float32)}
    before = run(graph, feed)
    _, report = to_half(graph, META)
    assert report.kept == (("c", "Celu has no half form in opset 17"),)
    np.testing.assert_allclose(run(graph, feed)["y"], before["y"], rtol=1e-2, atol=1e-2)


def test_constant_that_both_sides_use() -> None:
    lines = [
        CONV,
        ("Mul", ["conv", "two"], ["m"]),
        ("Conv", ["m", "v"], ["c"]),
        ("Exp", ["c"], ["e"]),
        ("Mul", ["e", "two"], ["y"]),
    ]
    weights = {"w": W, "two": np.float32(2), "v": np.full((4, 8, 1, 1), 0.01, np.float32)}
    graph = foreign_graph(lines, {"x": [1, 3, 8, 8]}, ["y"], weights)
    feed = {"x": RNG.random((1, 3, 8, 8)).astype(np.float32)}
    before = run(graph, feed)
    to_half(graph, META)
    np.testing.assert_allclose(run(graph, feed)["y"], before["y"], rtol=1e-2)


def test_feature_map_that_is_also_an_output() -> None:
    lines = [CONV, ("Relu", ["conv"], ["features"]), ("Conv", ["features", "v"], ["c"]), ("Exp", ["features"], ["y"])]
    weights = {"w": W, "v": np.full((4, 8, 1, 1), 0.01, np.float32)}
    graph = foreign_graph(lines, {"x": [1, 3, 8, 8]}, ["features", "c", "y"], weights)
    feed = {"x": RNG.random((1, 3, 8, 8)).astype(np.float32)}
    before = run(graph, feed)
    _, report = to_half(graph, META)
    after = run(graph, feed)
    assert list(after) == ["features", "c", "y"]
    assert report.casts == 3, "the output and the decode share a cast"
    for name, values in before.items():
        assert after[name].dtype == np.float32
        np.testing.assert_allclose(after[name], values, rtol=1e-2, atol=1e-3)


def loop_graph() -> gs.Graph:
    """A Loop behind the network whose body uses a tensor of the graph around it."""
    value, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    body = onnx.helper.make_graph(
        [node("Add", ["state", "conv"], ["next"]), node("Identity", ["go"], ["goes"])], "body",
        [value("round", 7, []), value("go", 9, []), value("state", 1, [1, 8, 8, 8])],
        [value("goes", 9, []), value("next", 1, [1, 8, 8, 8])],
    )  # fmt: skip
    lines = [CONV, ("Exp", ["conv"], ["start"]), ("Loop", ["trips", "on", "start"], ["y"], {"body": body})]
    weights = {"w": W, "trips": np.array(3), "on": np.array(True)}
    graph = foreign_graph(lines, {"x": [1, 3, 8, 8]}, ["y"], weights)
    graph.outputs[0].shape = [1, 8, 8, 8]
    return graph


def test_loop_gets_what_it_was_written_for() -> None:
    graph, feed = loop_graph(), {"x": RNG.random((1, 3, 8, 8)).astype(np.float32)}
    before = run(graph, feed)
    to_half(graph, META)
    assert convolution_types(graph) == {np.dtype(np.float16)}
    np.testing.assert_allclose(run(graph, feed)["y"], before["y"], rtol=1e-2, atol=1e-2)


def test_plugin_behind_the_network_gets_floats() -> None:
    graph, meta = tiny_detector()
    boxes, scores = graph.outputs
    outputs = [gs.Variable(name, np.dtype(np.float32), None) for name in ("n", "b", "s", "c")]
    graph.nodes.append(gs.Node("EfficientNMS_TRT", "nms", inputs=[boxes, scores], outputs=outputs))
    graph.outputs = outputs
    to_half(graph, meta)
    plugin = next(node for node in graph.nodes if node.op == "EfficientNMS_TRT")
    assert {tensor.dtype for tensor in plugin.inputs} == {np.dtype(np.float32)}
    assert [tensor.name for tensor in graph.outputs] == ["n", "b", "s", "c"]


def test_graph_without_weights_is_left_alone() -> None:
    graph = foreign_graph([("Relu", ["x"], ["y"])], {"x": [2]}, ["y"], {})
    _, report = to_half(graph, META)
    assert (report.converted, report.casts, len(graph.nodes)) == (0, 0, 1)


def test_twice_is_once() -> None:
    graph, meta = tiny_detector(2)
    to_half(graph, meta)
    first = run(graph, {"images": IMAGES})
    _, report = to_half(graph, meta)
    assert report.casts == 0
    np.testing.assert_array_equal(run(graph, {"images": IMAGES})["scores"], first["scores"])


def test_thresholds_that_are_inputs_stay_single() -> None:
    graph, meta = tiny_detector(None)
    meta, _ = add_nms(graph, meta, NmsSettings("plain", candidates=100), parse_target("onnxruntime"))
    meta = runtime_thresholds(graph, meta)
    to_half(graph, meta, half_io=True)
    assert {tensor.name: tensor.dtype for tensor in graph.inputs} == {
        "images": np.float16, "conf_thres": np.float32, "iou_thres": np.float32,
    }  # fmt: skip
