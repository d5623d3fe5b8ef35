"""Every operation of the vocabulary: both interpreters give the same numbers, and OnnxOps knows the shape."""

from __future__ import annotations

import numpy as np
import pytest
from running import run_onnx

from trtzoo.contract.choices import OPSETS
from trtzoo.contract.outputs import TensorSpec
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.converters.vocabulary.ops import UNARY, BatchNorm, Conv
from trtzoo.converters.vocabulary.torch_ops import TorchOps
from trtzoo.errors import ModelError, UnsupportedError
from trtzoo.graph.skeleton import load_all
from trtzoo.graph.weights import Weight

RNG = np.random.default_rng(7)


def weight(*shape: int) -> Weight:
    return Weight.of(RNG.normal(0, 0.5, shape).astype(np.float32))


def norm(channels: int) -> BatchNorm:
    variance = Weight.of(RNG.uniform(0.2, 2, channels).astype(np.float32))
    return BatchNorm(weight(channels), weight(channels), weight(channels), variance, 1e-5)


PLAIN, BIASED = Conv(weight(6, 8, 3, 3)), Conv(weight(6, 8, 1, 1), weight(6))
STRIDED = Conv(weight(6, 8, 3, 5), weight(6), norm(6), stride=(2, 1), pads=(1, 2, 1, 2))
LOPSIDED = Conv(weight(8, 1, 3, 3), None, norm(8), stride=(2, 2), pads=(0, 1, 1, 0), groups=8)
DILATED = Conv(weight(4, 4, 3, 3), weight(4), dilation=(2, 3), pads=(2, 3, 2, 3), groups=2)
UP, UP_NORM = (
    Conv(weight(8, 5, 2, 2), weight(5), stride=(2, 2)),
    Conv(weight(8, 5, 4, 4), None, norm(5), (2, 2), (1, 1, 1, 1)),
)
FREE_NORM, FACTOR, MATRIX = norm(8), weight(1, 8, 1, 1).load(), weight(12, 3).load()
DENSE = weight(5, 8 * 10 * 12), weight(5)

OPERATIONS = {
    "conv2d": lambda ops, x: ops.conv2d(x, PLAIN),
    "conv2d with bias": lambda ops, x: ops.conv2d(x, BIASED),
    "conv2d with batch norm and stride": lambda ops, x: ops.conv2d(x, STRIDED),
    "depthwise conv2d with lopsided pads": lambda ops, x: ops.conv2d(x, LOPSIDED),
    "grouped and dilated conv2d": lambda ops, x: ops.conv2d(x, DILATED),
    "conv_transpose2d": lambda ops, x: ops.conv_transpose2d(x, UP),
    "conv_transpose2d with batch norm and pads": lambda ops, x: ops.conv_transpose2d(x, UP_NORM),
    "linear": lambda ops, x: ops.linear(ops.flatten(x), *DENSE),
    "max_pool": lambda ops, x: ops.max_pool(x, (3, 2), (2, 1), (1, 0, 1, 1)),
    "avg_pool": lambda ops, x: ops.avg_pool(x, (3, 3), (2, 2), (1, 1, 0, 1)),
    "avg_pool that counts pads": lambda ops, x: ops.avg_pool(x, (3, 3), (2, 2), (1, 1, 1, 1), count_pads=True),
    "global_avg_pool": lambda ops, x: ops.global_avg_pool(x),
    "resize_nearest": lambda ops, x: ops.resize_nearest(x, 3),
    "pad": lambda ops, x: ops.pad(x, (0, 1, 2, 3), 0.5),
    "concat": lambda ops, x: ops.concat([x, ops.mul(x, 2.0)], 2),
    "split": lambda ops, x: ops.split(x, (3, 5), 1)[1],
    "slice": lambda ops, x: ops.slice(x, 3, 1, 100, 2),
    "reshape": lambda ops, x: ops.reshape(x, (4, -1, 12)),
    "transpose": lambda ops, x: ops.transpose(x, (0, 2, 3, 1)),
    "matmul with a constant": lambda ops, x: ops.matmul(x, MATRIX),
    "matmul of two tensors": lambda ops, x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))),
    "softmax": lambda ops, x: ops.softmax(x, 1),
    "reduce mean": lambda ops, x: ops.reduce("mean", x, (2, 3)),
    "reduce sum": lambda ops, x: ops.reduce("sum", x, (1,)),
    "reduce max": lambda ops, x: ops.reduce("max", x, (1,)),
    "batch_norm": lambda ops, x: ops.batch_norm(x, FREE_NORM),
    "silu": lambda ops, x: ops.silu(x),
    "mish": lambda ops, x: ops.mish(ops.mul(x, 10.0)),
    "clip": lambda ops, x: ops.clip(x, -0.5, 0.25),
    "constant minus tensor": lambda ops, x: ops.sub(1.0, x),
    "division by a constant": lambda ops, x: ops.div(x, np.abs(FACTOR) + 1),
    "power": lambda ops, x: ops.binary("pow", ops.unary("abs", x), 1.5),
    "maximum of tensors": lambda ops, x: ops.binary("max", x, ops.unary("neg", x)),
} | {
    name: (lambda ops, x, name=name: ops.unary(name, ops.unary("abs", x) if name in ("log", "sqrt") else x))
    for name in UNARY
    if name not in ("leaky_relu", "elu", "clip")
} | {name: (lambda ops, x, name=name: ops.unary(name, x, alpha=0.3)) for name in ("leaky_relu", "elu")}  # fmt: skip


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (batch, 8, 10, 12)).astype(np.float32)


@pytest.mark.parametrize("opset", [OPSETS.start, 17, 18, OPSETS.stop - 1])
@pytest.mark.parametrize("name", OPERATIONS)
def test_both_interpreters_agree(name, opset):
    x = images(2)
    onnx_ops, torch_ops = OnnxOps(TensorSpec("images", "float32", ("batch", *x.shape[1:])), opset), TorchOps()
    made = OPERATIONS[name](onnx_ops, onnx_ops.input)
    shape = onnx_ops.shape(made)
    result = run_onnx(load_all(onnx_ops.finish({"out": made}), {}).SerializeToString(), x)["out"]
    expected = OPERATIONS[name](torch_ops, torch_ops.begin(x)).numpy()
    assert result.shape == (len(x), *shape)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_batch_norm_is_folded_exactly():
    conv = Conv(weight(3, 2, 1, 1), weight(3), norm(3))
    folded, bias = conv.folded()
    scale, offset, mean, variance = (
        w.load().astype(np.float64)
        for w in (conv.batch_norm.scale, conv.batch_norm.bias, conv.batch_norm.mean, conv.batch_norm.variance)
    )
    factor = scale / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(folded.load(), conv.weight.load() * factor.reshape(3, 1, 1, 1), rtol=1e-7)
    np.testing.assert_allclose(bias.load(), (conv.bias.load() - mean) * factor + offset, rtol=1e-6, atol=1e-7)


def test_folding_leaves_the_weights_that_it_was_given_alone():
    conv = Conv(weight(3, 2, 1, 1), None, norm(3))
    before = conv.weight.load().copy()
    conv.folded()[0].load()
    np.testing.assert_array_equal(conv.weight.load(), before)


def test_names_say_where_they_come_from():
    ops = OnnxOps(TensorSpec("images", "float32", (1, 8, 10, 12)))
    with ops.scope("model.22"), ops.scope("cv2"):
        made = ops.silu(ops.conv2d(ops.input, PLAIN))
    graph = ops.finish({"out": made})
    assert [node.name for node in graph.nodes] == [
        "/model.22/cv2/conv",
        "/model.22/cv2/silu.sigmoid",
        "/model.22/cv2/silu",
    ]
    assert graph.nodes[0].inputs[1].name == "/model.22/cv2/conv.weight"


def test_an_output_that_is_the_input_or_used_twice_gets_a_node_of_its_own():
    ops = OnnxOps(TensorSpec("images", "float32", (1, 8, 10, 12)))
    made = ops.sigmoid(ops.input)
    graph = ops.finish({"a": made, "b": made, "c": ops.input})
    assert [tensor.name for tensor in graph.outputs] == ["a", "b", "c"]
    x = images(1)
    outputs = run_onnx(load_all(graph, {}).SerializeToString(), x)
    np.testing.assert_array_equal(outputs["a"], outputs["b"])
    np.testing.assert_array_equal(outputs["c"], x)


MISFITS = {
    "channels": (lambda ops: ops.conv2d(ops.input, Conv(weight(4, 7, 1, 1))), "8 input channels do not fit weights"),
    "concat": (lambda ops: ops.concat([ops.input, ops.resize_nearest(ops.input, 2)]), "cannot join shapes"),
    "reshape": (lambda ops: ops.reshape(ops.input, (7, 11)), "cannot reshape"),
    "split": (lambda ops: ops.split(ops.input, (1, 2)), "cannot cut 8 into"),
    "add": (lambda ops: ops.add(ops.input, np.ones((1, 3, 1, 1))), "do not fit"),
    "window": (lambda ops: ops.max_pool(ops.input, (99, 99), (1, 1)), "does not fit into 10 pixels"),
}


@pytest.mark.parametrize(("build", "message"), MISFITS.values(), ids=MISFITS)
def test_shapes_that_do_not_fit_are_named(build, message):
    with pytest.raises(ModelError, match=message):
        build(OnnxOps(TensorSpec("images", "float32", (1, 8, 10, 12))))


@pytest.mark.parametrize("opset", [13, 21])
def test_other_opsets_are_refused(opset):
    with pytest.raises(UnsupportedError, match="choose 14 to 20"):
        OnnxOps(TensorSpec("images", "float32", (1, 8, 10, 12)), opset)


def test_a_padding_of_zero_wins_over_negative_values_in_a_pool_after_it():
    """ONNX Runtime (to 1.31) and onnxsim merge the two if the value is exactly zero, and then padding never wins."""
    x = -np.abs(images(2)) - 1
    ops = OnnxOps(TensorSpec("images", "float32", ("batch", *x.shape[1:])))
    made = ops.max_pool(ops.pad(ops.input, (0, 0, 1, 1)), (2, 2), (1, 1))
    graph = ops.finish({"out": made})
    value = next(node.inputs[2].values for node in graph.nodes if node.op == "Pad")
    assert value > 0 and np.float32(1) + value == 1
    result = run_onnx(load_all(graph, {}).SerializeToString(), x)["out"]
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    corners = [padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]] for dy in (0, 1) for dx in (0, 1)]
    np.testing.assert_allclose(result, np.max(corners, axis=0), atol=1e-6)
    assert np.abs(result[:, :, -1]).max() < 1e-6
