"""Frames as a camera gives them lead to the same heads as prepared pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_graphs import foreign_graph, run
from tiny_models import SIZE, tiny_detector

from trtzoo.contract.meta import Preprocess
from trtzoo.contract.outputs import input_spec
from trtzoo.contract.properties import from_properties, to_properties
from trtzoo.errors import UnsupportedError
from trtzoo.graph_passes.precision.half import to_half
from trtzoo.graph_passes.uint8_input import to_uint8_input

FRAMES = np.random.default_rng(2).integers(0, 256, (2, *SIZE, 3), np.uint8)
"""[B, H, W, C], blue, green, red."""

PREPARED = np.ascontiguousarray((FRAMES[..., ::-1] / np.float32(255)).transpose(0, 3, 1, 2)).astype(np.float32)


@pytest.mark.parametrize("half", ["", "before", "after"])
@pytest.mark.parametrize("colour", ["bgr", "rgb"])
@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("batch", [2, None])
def test_same_heads(batch: int | None, layout: str, colour: str, half: str) -> None:
    graph, meta = tiny_detector(batch)
    expected = run(graph, {"images": PREPARED})
    if half == "before":
        meta, _ = to_half(graph, meta)
    meta = to_uint8_input(graph, meta, layout, colour)
    if half == "after":
        meta, _ = to_half(graph, meta)
    frames = FRAMES if colour == "bgr" else FRAMES[..., ::-1]
    frames = frames if layout == "hwc" else frames.transpose(0, 3, 1, 2)
    outputs = run(graph, {"images": np.ascontiguousarray(frames)})
    tolerance = {"atol": 0.1} if half else {"rtol": 1e-4, "atol": 1e-5}
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, **tolerance)


def test_a_network_that_counts_to_255_gets_the_frames_as_they_are() -> None:
    graph, meta = tiny_detector(2)
    expected = run(graph, {"images": PREPARED * 255})
    to_uint8_input(graph, replace(meta, preprocess=Preprocess(scale=255.0)))
    for name, values in run(graph, {"images": FRAMES}).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-3)


def test_metadata_says_so_and_survives_the_file() -> None:
    graph, meta = tiny_detector()
    meta = to_uint8_input(graph, meta)
    again = from_properties(to_properties(meta), "m.onnx")
    assert again.preprocess.colour == "bgr"
    spec = input_spec(again)
    assert (spec.name, spec.dtype, spec.shape) == ("images", "uint8", (1, *SIZE, 3))


def test_colours_are_turned_only_where_they_differ() -> None:
    for own, given, turned in (("rgb", "bgr", True), ("bgr", "bgr", False), ("rgb", "rgb", False)):
        graph, meta = tiny_detector()
        to_uint8_input(graph, replace(meta, preprocess=Preprocess(colour=own)), "chw", given)
        assert any(node.op == "Gather" for node in graph.nodes) == turned


def test_one_channel_has_no_colour() -> None:
    weights = {"w": np.ones((1, 1, 1, 1), np.float32)}
    graph = foreign_graph([("Conv", ["images", "w"], ["y"])], {"images": [1, 1, 4, 4]}, ["y"], weights)
    meta = replace(tiny_detector()[1], channels=1, imgsz=(4, 4), preprocess=Preprocess(colour="gray"))
    meta = to_uint8_input(graph, meta)
    assert meta.preprocess.colour == "gray"
    frames = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(run(graph, {"images": frames})["y"].ravel(), np.arange(16) / 255, rtol=1e-6)


def test_four_channels_have_no_colours_to_turn() -> None:
    weights = {"w": np.ones((1, 4, 1, 1), np.float32)}
    graph = foreign_graph([("Conv", ["images", "w"], ["y"])], {"images": [1, 4, 4, 4]}, ["y"], weights)
    with pytest.raises(UnsupportedError, match="4 channels"):
        to_uint8_input(graph, replace(tiny_detector()[1], channels=4))


def test_input_that_is_no_picture() -> None:
    graph = foreign_graph([("Relu", ["x"], ["y"])], {"x": [2, 5]}, ["y"], {})
    with pytest.raises(UnsupportedError, match=r"x float32\[2, 5\]|x float32"):
        to_uint8_input(graph, tiny_detector()[1])


def test_twice_is_refused() -> None:
    graph, meta = tiny_detector()
    meta = to_uint8_input(graph, meta)
    with pytest.raises(UnsupportedError, match="uint8"):
        to_uint8_input(graph, meta)
