"""Distillation: the student computes what the Q/DQ graph computes, learns, and goes on after an interruption."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from small_graphs import run
from tiny_models import tiny_detector, tiny_network

from trtzoo.converters.network import Network, to_graph
from trtzoo.converters.vocabulary.ops import Conv
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.distill import training
from trtzoo.evaluation.calibration.distill.loss import (
    Spreads,
    Values,
    certainty,
    distance,
    feature_names,
    final_names,
)
from trtzoo.evaluation.calibration.distill.settings import DistillSettings
from trtzoo.evaluation.calibration.distill.student import StudentOps, fake_quantised
from trtzoo.evaluation.calibration.distill.training import distil
from trtzoo.evaluation.calibration.judging.heads import head_error, head_outputs
from trtzoo.evaluation.calibration.pictures import PictureReader
from trtzoo.evaluation.calibration.progress import no_progress
from trtzoo.evaluation.calibration.quantise import quantise
from trtzoo.evaluation.calibration.ranges import cache
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph.weights import Weight
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.points import find_points

NETWORK = tiny_network()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(1)
    for number in range(6):
        small = random.integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(small, (48, 32), interpolation=cv2.INTER_CUBIC))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def start(files):
    """Graph, points and coarse numbers, so that there is something to win back."""
    graph, meta = tiny_detector()
    found = calibrate(
        graph, meta, "tiny", CalibrationSettings(files[0].parent, cache=None, recovery="none", held_out=0)
    )
    coarse = {name: value * 3 for name, value in found.numbers.thresholds.items()}
    return graph, meta, found.points, replace(found.numbers, thresholds=coarse)


def rounded(start, numbers):
    graph = start[0].copy()
    to_int8(graph, start[1], start[2], numbers)
    return graph


def test_the_student_computes_what_the_graph_does(start, files):
    """Every pair, the skip of the residual sum and the shared scale included: the heads agree like two float runs."""
    _, meta, points, numbers = start
    (image,) = PictureReader(meta).batches(files[:1], 1)
    student = StudentOps(points, numbers, (), (), "cpu")
    with torch.no_grad():
        heads = NETWORK.forward(student, student.start(torch.from_numpy(image)))
    student.adopt()
    expected = run(rounded(start, numbers), {"images": image})
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
    expected = run(rounded(start, student.numbers()), {"images": image})
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


def test_certainty_by_level():
    """Two anchors a place, two levels: the best probability of a place's anchors and classes."""
    meta = replace(NETWORK.meta, strides=(8, 16))
    scores = torch.zeros(1, 2 * (4 * 6 + 2 * 3), 3)
    scores[0, 4 * 6 + 7, 1] = 0.9  # level 0, anchor 1, row 1, column 1
    scores[0, 2 * 24 + 5, 2] = 0.4  # level 1, anchor 0, row 1, column 2
    seen = certainty(scores, meta, (32, 48))
    assert {level: tuple(part.shape) for level, part in seen.items()} == {(4, 6): (1, 1, 4, 6), (2, 3): (1, 1, 2, 3)}
    assert seen[4, 6][0, 0, 1, 1] == pytest.approx(0.9)
    assert seen[2, 3][0, 0, 1, 2] == pytest.approx(0.4)
    assert float(seen[4, 6].sum()) == pytest.approx(0.9)


def test_distance_weighs_what_the_teacher_sees():
    t = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    seen = {(2, 2): torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])}
    near, far = t.clone(), t.clone()
    near[..., 0, 0] += 1
    far[..., 1, 1] += 1
    features = {"b": t}
    spreads = Spreads({"b": 1.0}, {"a": 1.0})
    values = [
        float(distance(Values(features, {"a": s}), Values(features, {"a": t}), seen, spreads)) for s in (near, far)
    ]
    assert values[0] == pytest.approx(values[1] * 1.05 / 0.05, rel=1e-4)


def test_layers_in_front_of_the_ends():
    graph, _ = tiny_detector()
    assert final_names(graph) == ["/head/conv"]
    assert feature_names(graph, 1) == ["/head/conv"]
    assert feature_names(graph, 2) == ["/head/conv", "/up/conv"]


def test_learning_wins_back_most_of_the_error(start, files, tmp_path):
    graph, meta, points, numbers = start
    images = list(PictureReader(meta).batches(files, 1))
    exact = head_outputs(graph, images)

    def error(found):
        return head_error(exact, head_outputs(rounded(start, found), images))

    settings = DistillSettings(steps=60, batch=3, rate=60)
    done = distil(NETWORK, graph, points, numbers, files, settings, None, no_progress)
    found = done.numbers
    assert error(found) < 0.5 * error(numbers)
    assert done.after < 0.5 * done.before
    assert "1 pictures kept aside went from" in done.note
    assert set(found.weights) == set(found.weight_scales) == set(points.layers)
    cache.save_arrays(tmp_path / "a.npz", found)
    imported = calibrate(graph, meta, "tiny", CalibrationSettings(ranges=tmp_path / "a.npz")).numbers
    for layer, weights in found.weights.items():
        np.testing.assert_array_equal(imported.weights[layer], weights)


def test_what_does_not_help_is_not_used(start, files, monkeypatch):
    """Rates that let the loss rise: the numbers of the start come back, and the note says so."""
    monkeypatch.setattr(training, "SCALE_RATE", 5.0)
    done = distil(
        NETWORK, start[0], start[2], start[3], files, DistillSettings(steps=3, batch=1, rate=100), None, no_progress
    )
    assert not done.after < done.before, "it may even be no number"
    assert done.numbers is start[3]
    assert "is not used" in done.note


def test_the_last_biases_are_judged_too(start, files):
    """Biases that are off by one are what comes back, and what the pictures kept aside are judged with."""
    settings = DistillSettings(steps=1, batch=1, rate=1e-3)

    def spoil(numbers):
        return replace(numbers, biases={layer: values + 1 for layer, values in numbers.biases.items()})

    plain, spoilt = (
        distil(NETWORK, *start_and_points(start), files, settings, None, no_progress, *how) for how in ((), (spoil,))
    )
    assert spoilt.before == plain.before
    assert spoilt.after > 10 * plain.after
    for layer, values in plain.learned.biases.items():
        np.testing.assert_allclose(spoilt.learned.biases[layer], values + 1, atol=1e-6)


def start_and_points(start):
    return start[0], start[2], start[3]


def test_spreads_are_those_of_all_pictures_together():
    parts = [torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(seed)) + seed for seed in range(3)]
    found = Spreads.of(Values({"f": part}, {"h": 2 * part}) for part in parts)
    whole = torch.cat(parts).var(correction=0)
    assert found.features["f"] == pytest.approx(float(whole), rel=1e-5)
    assert found.heads["h"] == pytest.approx(4 * float(whole), rel=1e-5)


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


class StoppedError(Exception):
    """An interruption."""


def test_an_interrupted_run_goes_on_where_it_was(start, files, tmp_path, monkeypatch):
    settings = DistillSettings(steps=6, batch=2, save_every=2)
    whole = distil(NETWORK, start[0], start[2], start[3], files, settings, None, no_progress)
    checkpoint = tmp_path / "deep" / "run.pt"
    real, steps = training._Run.step, []

    def step(self, loss):
        if len(steps) == 5:
            raise StoppedError
        steps.append(self.done)
        return real(self, loss)

    monkeypatch.setattr(training._Run, "step", step)
    with pytest.raises(StoppedError):
        distil(NETWORK, start[0], start[2], start[3], files, settings, checkpoint, no_progress)
    assert checkpoint.is_file()
    steps.clear()
    resumed = distil(NETWORK, start[0], start[2], start[3], files, settings, checkpoint, no_progress)
    assert steps == [4, 5]
    assert not checkpoint.exists()
    assert resumed.after == pytest.approx(whole.after, rel=1e-5)
    assert resumed.before == whole.before
    for layer, weights in whole.numbers.weights.items():
        np.testing.assert_allclose(resumed.numbers.weights[layer], weights, atol=1e-7)
    assert resumed.numbers.thresholds == pytest.approx(whole.numbers.thresholds, rel=1e-6)


def test_from_settings_to_a_cached_archive(start, files, tmp_path):
    graph, meta = tiny_detector()
    how = CalibrationSettings(
        files[0].parent, cache=tmp_path, held_out=0, recovery="distill", distill=DistillSettings(2, 2)
    )
    first = quantise(graph, meta, "tiny", how, network=NETWORK).calibration
    again = quantise(tiny_detector()[0], meta, "tiny", how, network=NETWORK).calibration
    assert first.cache == again.cache
    assert first.cache.suffix == ".npz"
    assert again.cached
    assert again.numbers.thresholds == first.numbers.thresholds
    assert "kept aside went from" in first.notes[-1]
    assert again.notes[-1] == first.notes[-1], "what was told is told again"


def test_refusals(start, files, tmp_path):
    graph, meta = tiny_detector()
    how = CalibrationSettings(files[0].parent, cache=None, held_out=0, recovery="distill")
    with pytest.raises(UnsupportedError, match=r"original weights \(.pt or .cfg\)"):
        quantise(graph, meta, "tiny", how)
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(InputError, match="no picture can be read"):
        distil(NETWORK, start[0], start[2], start[3], [tmp_path / "a.png"], DistillSettings(), None, no_progress)
    for wrong in ({"steps": 0}, {"batch": 0}, {"rate": 0.0}):
        with pytest.raises(InputError, match="out of range"):
            DistillSettings(**wrong)
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match="holds no ranges"):
        cache.load_arrays(tmp_path / "b.npz")
