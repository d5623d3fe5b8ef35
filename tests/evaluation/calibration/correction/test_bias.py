"""Bias correction: the formula against numpy, and that the textbook form is worse where SiLU makes it worse."""

import numpy as np
import pytest
from int8_graphs import conv
from small_graphs import foreign_graph, run
from tiny_models import tiny_detector

from trtzoo.evaluation.calibration.correction import bias
from trtzoo.evaluation.calibration.correction.bias import corrected_biases
from trtzoo.evaluation.calibration.correction.lockstep import LayerwiseRun
from trtzoo.evaluation.calibration.judging.heads import head_error, head_outputs
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.layers import Activation, activation_of
from trtzoo.graph_passes.precision.qdq.points import find_points

META = tiny_detector()[1]


def silu(y):
    return y / (1 + np.exp(-y))


ACTIVATIONS = {
    "silu": ([("Sigmoid", ["c"], ["s"]), ("Mul", ["s", "c"], ["out"])], Activation("silu")),
    "mish": ([("Softplus", ["c"], ["p"]), ("Tanh", ["p"], ["t"]), ("Mul", ["c", "t"], ["out"])], Activation("mish")),
    "relu": ([("Relu", ["c"], ["out"])], Activation("relu")),
    "leaky": ([("LeakyRelu", ["c"], ["out"], {"alpha": 0.25})], Activation("leaky_relu", 0.25)),
    "none": ([("Exp", ["c"], ["out"])], Activation()),
    "a gate of something else": ([("Sigmoid", ["c"], ["s"]), ("Mul", ["s", "x"], ["out"])], Activation()),
}


@pytest.mark.parametrize(("lines", "expected"), ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activations_are_known_by_structure(lines, expected):
    weights = {"w": np.ones((4, 4, 1, 1), np.float32)}
    graph = foreign_graph([("Conv", ["x", "w"], ["c"]), *lines], {"x": [1, 4, 2, 2]}, ["out"], weights)
    assert activation_of(graph.nodes[0]) == expected


RNG = np.random.default_rng(11)
CHAIN = [*conv("x", "a", "w1"), *conv("a", "b", "w2"), ("Conv", ["b", "w3"], ["out"])]
WEIGHTS = {name: RNG.normal(0, 0.6, size=(8, 8, 1, 1)).astype(np.float32) for name in ("w1", "w2", "w3")}
IMAGES = [RNG.normal(size=(1, 8, 16, 16)).astype(np.float32) for _ in range(4)]


def chain():
    return foreign_graph(CHAIN, {"x": [1, 8, 16, 16]}, ["out"], WEIGHTS)


def fake(values, threshold):
    scale = threshold / 127
    return np.clip(np.rint(values / scale), -128, 127) * scale


def test_the_formula_layer_by_layer_against_numpy():
    """sum(SiLU'(y)^2 e) / sum(SiLU'(y)^2), and the second layer sees the first one corrected."""
    graph = chain()
    numbers = Quantisation({"x": 1.5, "a": 1.0})
    found = corrected_biases(graph, META, find_points(graph), numbers, IMAGES)
    exact = quantised = np.concatenate([image.reshape(8, -1) for image in IMAGES], axis=1)
    for name, weights, threshold in (("ac", "w1", 1.5), ("bc", "w2", 1.0)):
        kernel = WEIGHTS[weights][:, :, 0, 0]
        rounded = (
            np.rint(kernel / (np.abs(kernel).max(axis=1, keepdims=True) / 127))
            * np.abs(kernel).max(axis=1, keepdims=True)
            / 127
        )
        y, q = kernel @ exact, rounded @ fake(quantised, threshold)
        gate = 1 / (1 + np.exp(-y))
        weight = (gate * (1 + y * (1 - gate))) ** 2
        shift = (weight * (y - q)).sum(axis=1) / weight.sum(axis=1)
        np.testing.assert_allclose(found[name], shift, rtol=2e-3, atol=2e-4)
        exact, quantised = silu(y), silu(q + shift[:, None])
    assert set(found) == {"ac", "bc"}, "the final layer is left alone"


def error_behind(graph, biases, numbers):
    rounded = graph.copy()
    to_int8(rounded, META, find_points(graph), Quantisation(numbers.thresholds, biases))
    return head_error(head_outputs(graph, IMAGES), head_outputs(rounded, IMAGES))


def test_the_textbook_form_is_worse_on_a_silu_network(monkeypatch):
    """Most places lie far below zero, where the input is cut off: the mean error comes from where SiLU is flat."""
    random = np.random.default_rng(2)
    images = [np.abs(random.normal(size=(1, 8, 32, 32))).astype(np.float32) for _ in range(4)]
    for image in images:
        image[:, :, :, 4:] *= -3
    weights = {name: np.abs(random.normal(0, 0.3, size=(8, 8, 1, 1))).astype(np.float32) for name in WEIGHTS}
    graph = foreign_graph(CHAIN, {"x": [1, 8, 32, 32]}, ["out"], weights)
    points, numbers = find_points(graph), Quantisation({"x": 2.0, "a": 8.0})
    exact = head_outputs(graph, images)

    def error(biases):
        rounded = graph.copy()
        to_int8(rounded, META, points, Quantisation(numbers.thresholds, biases))
        return head_error(exact, head_outputs(rounded, images))

    weighted = error(corrected_biases(graph, META, points, numbers, images))
    monkeypatch.setattr(bias, "derivative_of", lambda activation: np.ones_like)
    textbook = error(corrected_biases(graph, META, points, numbers, images))
    assert weighted < 0.8 * error({})
    assert textbook > 10 * error({})


def test_layers_without_a_bias_get_one_and_others_keep_theirs():
    graph = chain()
    points, numbers = find_points(graph), Quantisation({"x": 1.5, "a": 1.0})
    shifts = corrected_biases(graph, META, points, numbers, IMAGES)
    biased = foreign_graph(
        [("Conv", ["x", "w1", "bias"], ["ac"]), *CHAIN[1:]],
        {"x": [1, 8, 16, 16]},
        ["out"],
        WEIGHTS | {"bias": np.zeros(8, np.float32)},
    )
    same = corrected_biases(biased, META, find_points(biased), numbers, IMAGES)
    np.testing.assert_allclose(same["ac"], shifts["ac"], atol=1e-6)
    assert error_behind(graph, shifts, numbers) < error_behind(graph, {}, numbers)


def test_layerwise_is_the_whole_network():
    """Every cut's tensor, over branches, equals what one session computes."""
    graph, _ = tiny_detector()
    graph.toposort()
    cuts = [node.name for node in graph.nodes if node.op == "Conv"]
    images = [RNG.random((1, 3, *META.imgsz)).astype(np.float32) for _ in range(2)]
    layers = [[array.copy() for array in layer] for layer in LayerwiseRun(graph, cuts, images).layers()]
    whole = graph.copy()
    tensors = whole.tensors()
    outputs = {node.name: node.outputs[0].name for node in graph.nodes}
    whole.outputs = [tensors[outputs[cut]] for cut in cuts]
    for tensor in whole.outputs:
        tensor.dtype = np.dtype(np.float32)
    for picture, image in enumerate(images):
        for layer, (name, expected) in zip(layers, run(whole.cleanup(), {"images": image}).items(), strict=True):
            np.testing.assert_allclose(layer[picture], expected, rtol=1e-4, atol=1e-5, err_msg=name)
