"""Layers whose values do not fit into half are found on pictures, and then the half graph is right."""

from __future__ import annotations

import numpy as np
import pytest
from small_graphs import Array, foreign_graph, run
from tiny_models import SIZE, tiny_detector

from trtzoo.engines.pictures.overflow import find_overflow
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.precision.half import to_half

PICTURES = np.random.default_rng(4).random((3, 1, 3, *SIZE)).astype(np.float32)


def share_that_differs(found: Array, expected: Array) -> float:
    """By more than a tenth of a pixel, or by being no number; values so large make a few sigmoids flip."""
    return float(np.mean(~(np.abs(found - expected) < 0.1)))


def test_nothing_to_find() -> None:
    graph, _ = tiny_detector()
    before = load_all(graph, {}).SerializeToString()
    assert find_overflow(graph, PICTURES) == {}
    assert load_all(graph, {}).SerializeToString() == before, "the graph itself is not touched"


def test_layer_that_overflows_stays_in_single() -> None:
    graph, meta = tiny_detector(scale=1e5)
    expected = run(graph, {"images": PICTURES[0]})
    kept = find_overflow(graph, PICTURES)
    assert {"/down/conv", "/down/leaky_relu", "/block/conv"} <= set(kept)
    assert "/stem/conv" not in kept
    assert all("beyond 65504" in reason for reason in kept.values())
    to_half(graph, meta, kept)
    outputs = run(graph, {"images": PICTURES[0]})
    assert share_that_differs(outputs["boxes"], expected["boxes"]) < 0.005


def test_layers_around_the_overflow_stay_in_single_too() -> None:
    """The reader of a value beyond half would get infinity from its cast."""
    weights = {name: np.full((8, 8, 1, 1), value, np.float32) for name, value in (("a", 100), ("b", 1000), ("c", 1e-3))}
    lines = [("Conv", [x, w], [y]) for x, w, y in (("x", "a", "first"), ("first", "b", "large"), ("large", "c", "y"))]
    graph = foreign_graph(lines, {"x": [1, 8, 2, 2]}, ["y"], weights)
    picture = np.full((1, 8, 2, 2), 0.1, np.float32)
    kept = find_overflow(graph, [picture])
    assert set(kept) == {"large", "y"}
    expected = run(graph, {"x": picture})["y"]
    to_half(graph, tiny_detector()[1], kept)
    np.testing.assert_allclose(run(graph, {"x": picture})["y"], expected, rtol=1e-3)


def test_the_worst_picture_counts() -> None:
    weights = {"w": np.full((1, 1, 1, 1), 3.0, np.float32)}
    graph = foreign_graph([("Conv", ["x", "w"], ["y"])], {"x": [1, 1, 2, 2]}, ["y"], weights)
    pictures = [np.full((1, 1, 2, 2), value, np.float32) for value in (1, -9, 2)]
    assert find_overflow(graph, pictures, limit=26) == {"y": "y reaches 27, beyond 26"}
    assert find_overflow(graph, pictures, limit=27) == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_count_as_overflow(value: float) -> None:
    weights = {"w": np.full((1, 1, 1, 1), value, np.float32)}
    graph = foreign_graph([("Conv", ["x", "w"], ["y"])], {"x": [1, 1, 2, 2]}, ["y"], weights)
    assert set(find_overflow(graph, [np.ones((1, 1, 2, 2), np.float32)])) == {"y"}
