"""The student computes what the Q/DQ graph computes, and what it learned is written so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from int8_graphs import rounded_graph
from small_graphs import run
from tiny_models import tiny_network

from trtzoo.converters.network import Network, to_graph
from trtzoo.converters.vocabulary.ops import Conv
from trtzoo.errors import UnsupportedError
from trtzoo.evaluation.calibration.distill.student import StudentOps, fake_quantised
from trtzoo.evaluation.calibration.pictures import PictureReader
from trtzoo.graph.weights import Weight
from trtzoo.graph_passes.precision.qdq.insert import Quantisation
from trtzoo.graph_passes.precision.qdq.points import find_points

NETWORK = tiny_network()


def test_the_student_computes_what_the_graph_does(start, files):
    """Every pair, the skip of the residual sum and the shared scale included: the heads agree like two float runs."""
    _, meta, points, numbers = start
    (image,) = PictureReader(meta).batches(files[:1], 1)
    student = StudentOps(points, numbers, (), (), "cpu")
    with torch.no_grad():
        heads = NETWORK.forward(student, student.start(torch.from_numpy(image)))
    student.adopt()
    expected = run(rounded_graph(*start[:3], numbers), {"images": image})
    for name, values in heads.items():
        np.testing.assert_allclose(values.numpy(), expected[name], rtol=1e-3, atol=1e-3)
    assert points.skips, "the case has a residual sum"


def test_what_was_learned_is_written_as_it_was_computed(start, files):
    _, meta, points, numbers = start
    (image,) = PictureReader(meta).batches(files[:1], 1)
    student = StudentOps(points, numbers, (), (), "cpu")
    with torch.no_grad():
        NETWORK.forward(student, student.start(torch.from_numpy(image)))
        student.adopt()
        for value in student.learned().values():
            value += 0.03 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        heads = NETWORK.forward(student, student.start(torch.from_numpy(image)))
    expected = run(rounded_graph(*start[:3], student.numbers()), {"images": image})
    for name, values in heads.items():
        np.testing.assert_allclose(values.numpy(), expected[name], rtol=1e-3, atol=2e-3)


def test_a_graph_of_another_network_is_refused(start):
    points = replace(start[2], layers={**start[2].layers, "/elsewhere/conv": "images"})
    student = StudentOps(points, start[3], (), (), "cpu")
    with torch.no_grad():
        NETWORK.forward(student, student.start(torch.zeros(1, 3, 32, 48)))
    with pytest.raises(UnsupportedError, match="/elsewhere/conv, which the graph has"):
        student.adopt()


def test_gradients_of_rounding():
    """Learned step size (Esser et al. 2020, equation 3): round(x/s) - x/s inside, the bound outside; inputs pass inside only."""
    x = torch.tensor([0.26, -0.9, 100.0, -100.0], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    values = fake_quantised(x, scale, -128)
    assert values.tolist() == [0.5, -1.0, 63.5, -64.0]
    inside = []
    for value in values:
        (slope,) = torch.autograd.grad(value, scale, retain_graph=True)
        inside.append(float(slope))
    np.testing.assert_allclose(inside, [1 - 0.52, -2 + 1.8, 127, -128], atol=1e-5)
    values.sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]


def test_a_layer_without_a_bias_learns_one():
    """Its corrected bias is where learning starts, and what was learned reaches the graph."""

    def forward(ops, image):
        random = np.random.default_rng(0)
        weights = [Weight.of(random.normal(0, 0.5, (4, 3 if not n else 4, 1, 1)).astype(np.float32)) for n in range(2)]
        with ops.scope("body"):
            x = ops.silu(ops.conv2d(image, Conv(weights[0], None)))
        boxes = ops.transpose(ops.reshape(ops.conv2d(x, Conv(weights[1], None)), (4, -1)), (0, 2, 1))
        return {"boxes": boxes, "scores": ops.slice(boxes, 2, 0, 3)}

    network = Network(tiny_network().meta, forward)
    graph, _ = to_graph(network, 1, 17)
    points = find_points(graph)
    bias = np.array([0.1, -0.2, 0.3, 0.4], np.float32)
    student = StudentOps(points, Quantisation({"images": 1.0}, {"/body/conv": bias}), (), (), "cpu")
    with torch.no_grad():
        network.forward(student, student.start(torch.rand(1, 3, 32, 48)))
    student.adopt()
    assert "/body/conv.bias" in student.learned()
    np.testing.assert_array_equal(student.numbers().biases["/body/conv"], bias)
