"""Files of ONNX Runtime's own quantisation: right on ONNX Runtime, refused where TensorRT would not read them."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest
from shared import WEIGHTS, needs_weights
from tiny_models import tiny_detector

from trtzoo import ConvertSettings, EndToEnd, convert
from trtzoo.contract.target import parse_target
from trtzoo.errors import UnsupportedError
from trtzoo.graph.integers import integer_operators
from trtzoo.graph_passes.precision.half import to_half
from trtzoo.graph_passes.precision.integer import refuse_integer_operators

OPERATORS = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QLinearAdd")
READERS = ("tensorrt:8.6", "tensorrt:10.3", "tensorrt:11", "tensorrt-rtx", "deepstream:7.1")


def graph_with(*operators):
    """A graph of these nodes, which is only looked at."""
    x = gs.Variable("x", np.uint8, [1])
    return gs.Graph([gs.Node(op, op, inputs=[x], outputs=[gs.Variable(op, np.uint8)]) for op in operators], inputs=[x])


@pytest.mark.parametrize("target", READERS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_tensorrt_reads_none_of_them(operator, target):
    with pytest.raises(
        UnsupportedError, match=rf"{operator}\).*--target {target} does not read; convert the float model"
    ):
        refuse_integer_operators(graph_with(operator), parse_target(target))


def test_quantize_linear_pairs_and_onnx_runtime_are_let_through():
    refuse_integer_operators(graph_with("QuantizeLinear", "DequantizeLinear"), parse_target("tensorrt:10.3"))
    refuse_integer_operators(graph_with(*OPERATORS), parse_target("onnxruntime"))
    assert integer_operators(graph_with("QLinearConv", "Conv", "ConvInteger")) == ["ConvInteger", "QLinearConv"]


def pair(zero: int = 0, kind: type = np.int8):
    """A tensor through a quantise/dequantise pair, or a constant of another type through the latter."""
    x, scale, point = (
        gs.Variable("x", np.float32, [4]),
        gs.Constant("s", np.array(0.5, np.float32)),
        gs.Constant("z", np.array(zero, kind)),
    )
    levels = gs.Variable("q", np.dtype(kind), [4])
    nodes = [gs.Node("QuantizeLinear", "q", inputs=[x, scale, point], outputs=[levels])]
    if kind is np.int32:
        nodes, levels = [], gs.Constant("bias", np.ones(4, np.int32))
    y = gs.Variable("y", np.float32, [4])
    nodes.append(gs.Node("DequantizeLinear", "d", inputs=[levels, scale, point], outputs=[y]))
    return gs.Graph(nodes, inputs=[x], outputs=[y])


@pytest.mark.parametrize("target", READERS)
@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (pair(3), "zero points other than 0"),
        (pair(128, np.uint8), "zero points"),
        (pair(0, np.int32), "biases in int32"),
    ],
    ids=["int8", "uint8", "a bias"],
)
def test_pairs_that_tensorrt_does_not_read(graph, words, target):
    with pytest.raises(UnsupportedError, match=rf"{words}.*--target {target} does not read; .*QuantizeBias=False"):
        refuse_integer_operators(graph, parse_target(target))
    refuse_integer_operators(graph, parse_target("onnxruntime"))
    refuse_integer_operators(pair(), parse_target(target))


def test_half_over_integers_is_refused():
    _, meta = tiny_detector()
    with pytest.raises(UnsupportedError, match="computes in integers"):
        to_half(graph_with("ConvInteger"), meta)


def test_half_that_changes_nothing_is_refused():
    graph, meta = tiny_detector()
    meta, report = to_half(graph, meta)
    report.require_change()
    _, report = to_half(graph, meta)
    with pytest.raises(UnsupportedError, match="changes nothing"):
        report.require_change()


@needs_weights
@pytest.mark.parametrize("name", ["yolo11n_dynamic_int8", "yolov8n-seg_dynamic_int8"])
@pytest.mark.parametrize("end2end", [EndToEnd(), None], ids=["end to end", "raw heads"])
def test_real_files(name, end2end, tmp_path):
    path = WEIGHTS / "wild" / f"{name}.onnx"
    with pytest.raises(UnsupportedError, match=r"ConvInteger.*--target tensorrt:10.3"):
        convert(path, tmp_path / "m.onnx", ConvertSettings(target="tensorrt:10.3", end2end=end2end))
    assert not (tmp_path / "m.onnx").exists()
    done = convert(path, tmp_path / "m.onnx", ConvertSettings(end2end=end2end))
    assert done.meta.precision == "int8"
