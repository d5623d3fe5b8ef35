"""Every planted fault is found, and named with its stage or layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from colour_network import STRETCH, colour_network, picture_with, write
from onnx import numpy_helper
from tiny_models import write_tiny

from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.contract.properties import to_properties
from trtzoo.converters.network import Network, to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.converters.vocabulary.ops import BatchNorm, Conv
from trtzoo.engines.pictures.preprocess import prepare
from trtzoo.evaluation.subjects import Subject
from trtzoo.evaluation.verification.inputs import canonical, compare_inputs
from trtzoo.evaluation.verification.results import VerifyResults
from trtzoo.evaluation.verification.run import verify
from trtzoo.graph.weights import Weight
from trtzoo.pipeline import write_model

NOISE = {"noise": np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)}
SQUARES = {"squares": picture_with([(0, 1), (9, 0), (14, 2), (21, 1)])}


def subject(path: Path) -> Subject:
    return Subject(path, path.name, None, "cpu", False, ReadOptions())


def compare(reference: Path, candidate: Path, pictures=SQUARES, **how) -> VerifyResults:
    return verify(subject(reference), subject(candidate), pictures, **how)


def spoilt(path: Path, layer: str, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """A copy of an ONNX file in which the weight of a layer is another one."""
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.name == layer)
    weight = next(one for one in model.graph.initializer if one.name == node.input[1])
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(weight))), weight.name))
    onnx.save(model, path.with_name("spoilt.onnx"))
    return path.with_name("spoilt.onnx")


def swapped(first: int, second: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(weight: np.ndarray) -> np.ndarray:
        order = list(range(len(weight)))
        order[first], order[second] = second, first
        return weight[order]

    return change


@pytest.mark.parametrize(
    ("layer", "change"),
    [
        ("/stem/conv", lambda weight: weight.transpose(0, 1, 3, 2)),
        ("/block/conv", lambda weight: weight.transpose(1, 0, 2, 3)),
        ("/down/conv", swapped(2, 5)),
        ("/head/conv", lambda weight: weight * 1.01),
    ],
    ids=["transposed kernel", "transposed channels", "swapped channels", "a scale"],
)
def test_a_layer_of_other_weights_is_named(tmp_path, layer, change):
    good = write_tiny(tmp_path / "good.onnx")
    done = compare(good, spoilt(good, layer, change), NOISE, bisect=True)
    assert not done.passed
    assert done.layer.name == layer
    assert {fault.stage for fault in done.faults} <= {"network", "detections"}
    assert f"{layer} is the first of 5 layers that differs" in done.faults[-1].text


def test_the_same_file_has_no_faults(tmp_path):
    good = write_tiny(tmp_path / "good.onnx")
    done = compare(good, good, NOISE, bisect=True)
    assert (done.passed, done.faults, done.layer) == (True, (), None)
    assert [(one.name, one.largest, one.cosine) for one in done.outputs] == [
        ("boxes", 0, pytest.approx(1)),
        ("scores", 0, pytest.approx(1)),
    ]


def normalised(epsilon: float) -> Network:
    """Two convolutions with batch normalisation, the second of which has this epsilon and small variances."""
    meta = ModelMeta("ultralytics", "classify", ("a", "b", "c"), (), (32, 32), preprocess=STRETCH)
    rng = np.random.default_rng(1)

    def conv(inside: int, out: int, eps: float) -> Conv:
        norm = [
            Weight.of(values.astype(np.float32)) for values in (rng.uniform(1, 2, out), *rng.normal(0, 0.1, (2, out)))
        ]
        variance = Weight.of(rng.uniform(0.001, 0.01, out).astype(np.float32))
        weight = Weight.of(rng.normal(0, 0.1, (out, inside, 3, 3)).astype(np.float32))
        return Conv(
            weight, batch_norm=BatchNorm(norm[0], norm[1], norm[2], variance, eps), stride=(2, 2), pads=(1, 1, 1, 1)
        )

    convs = conv(3, 8, 1e-5), conv(8, 3, epsilon)

    def forward(ops, images):
        with ops.scope("first"):
            x = ops.silu(ops.conv2d(images, convs[0]))
        with ops.scope("second"):
            x = ops.conv2d(x, convs[1])
        return {"probs": ops.softmax(ops.reshape(ops.global_avg_pool(x), (3,)), axis=1)}

    return Network(meta, forward)


def as_onnx(network: Network, path: Path) -> Path:
    graph, meta = to_graph(network, 1, 17)
    write_model(graph, to_properties(meta), path, meta)
    return path


def test_a_wrong_epsilon_of_a_batch_normalisation(tmp_path):
    good, bad = (as_onnx(normalised(eps), tmp_path / f"{eps}.onnx") for eps in (1e-5, 1e-3))
    done = compare(good, bad, NOISE, bisect=True)
    assert done.layer.name == "/second/conv"
    assert done.layer.before == "/first/conv"
    assert "probs are off by up to" in done.faults[0].text


def test_a_letterbox_off_by_one_pixel():
    """DarkNet rounds the letterboxed width down, the others to the nearest: 90 and 91 pixels of 96, and one pixel of offset."""
    boxed = Preprocess(resize="letterbox")
    metas = [colour_network(family=family, preprocess=boxed).meta for family in ("ultralytics", "darknet")]
    picture = np.random.default_rng(0).integers(0, 256, (50, 71, 3), np.uint8)
    _, _, difference, fault = compare_inputs(picture, *metas)
    assert difference > 0.1
    assert fault.stage == "preprocess"
    assert "+1 pixels to the right, +0 down" in fault.text


def test_a_preparation_off_by_one_pixel():
    """The same, where only the pixels tell: the reference is a framework's own function."""
    meta = colour_network().meta
    picture = SQUARES["squares"]

    def prepares(picture):
        return np.roll(canonical(prepare(picture, meta)[0], meta), 1, axis=2)

    assert compare_inputs(picture, meta, meta, lambda one: canonical(prepare(one, meta)[0], meta))[3] is None
    fault = compare_inputs(picture, meta, meta, prepares)[3]
    assert (fault.stage, "most at row 0, column" in fault.text) == ("preprocess", True)


def test_colours_in_reverse_order_in_the_metadata(tmp_path):
    (tmp_path / "bgr").mkdir()
    good = write(tmp_path, colour_network())
    bad = write(tmp_path / "bgr", colour_network(preprocess=replace(STRETCH, colour="bgr")))
    done = compare(good, bad)
    assert done.input_difference == 0
    assert (done.faults[0].stage, "takes its colours in reverse order" in done.faults[0].text) == ("network", True)


def test_colours_in_reverse_order_in_the_preparation():
    meta, picture = colour_network().meta, SQUARES["squares"]
    fault = compare_inputs(picture, meta, meta, lambda one: canonical(prepare(one, meta)[0], meta)[::-1])[3]
    assert (fault.stage, "colours in reverse order" in fault.text) == ("preprocess", True)


def test_colours_in_reverse_order_in_the_network(tmp_path):
    good = write_tiny(tmp_path / "good.onnx")
    done = compare(good, spoilt(good, "/stem/conv", lambda weight: weight[:, ::-1]), NOISE)
    assert done.input_difference == 0
    assert (done.faults[0].stage, "takes its colours in reverse order" in done.faults[0].text) == ("network", True)


def reordered(name: str, task: str, order: list[int]) -> Network:
    """The colour network with a head's classes or keypoints in another order."""
    network = colour_network(task)

    def forward(ops, images):
        heads = dict(network.forward(ops, images))
        heads[name] = ops.concat([ops.slice(heads[name], 2, place, place + 1) for place in order], axis=2)
        return heads

    return replace(network, forward=forward)


@pytest.mark.parametrize("route", [None, "plain"], ids=["raw heads", "end to end"])
def test_shifted_classes(tmp_path, route):
    (tmp_path / "bad").mkdir()
    good = write(tmp_path, colour_network(), route=route)
    bad = write(tmp_path / "bad", reordered("scores", "detect", [2, 0, 1]), route=route)
    texts = [fault.text for fault in compare(good, bad).faults]
    expected = "class 0 is found as 1" if route else "the scores have their classes in another order: shifted by 1"
    assert any(expected in text for text in texts), texts


@pytest.mark.parametrize("route", [None, "plain"], ids=["raw heads", "end to end"])
def test_keypoints_in_another_order(tmp_path, route):
    (tmp_path / "bad").mkdir()
    good = write(tmp_path, reordered("keypoints", "pose", [0, 1]), route=route)
    network = colour_network("pose")

    def forward(ops, images):
        heads = dict(network.forward(ops, images))
        first, second = (ops.slice(heads["keypoints"], 2, place, place + 1) for place in (0, 1))
        heads["keypoints"] = ops.concat([second, first], axis=2)
        return heads

    bad = write(tmp_path / "bad", replace(network, forward=forward), route=route)
    texts = [fault.text for fault in compare(good, bad).faults]
    assert any("in another order: shifted by 1" in text and "keypoint" in text for text in texts), texts


def test_other_names_of_the_same_classes(tmp_path):
    (tmp_path / "bad").mkdir()
    good, bad = (
        write(tmp_path, colour_network()),
        write(tmp_path / "bad", colour_network(names=("red", "blue", "green"))),
    )
    (fault,) = compare(good, bad).faults
    assert fault.text == "2 classes have other names: class 1 is 'green' and 'blue'"
