"""The border between network and decode is found by structure, whoever wrote the graph."""

from __future__ import annotations

import numpy as np
import pytest
from small_graphs import foreign_graph, names
from tiny_models import tiny_detector

from trtzoo.graph_passes.precision.body import find_body

RNG = np.random.default_rng(0)
W = RNG.normal(size=(8, 3, 3, 3)).astype(np.float32)
V = RNG.normal(size=(8, 8, 1, 1)).astype(np.float32)
PICTURE = {"x": [1, 3, 8, 8]}
CONV = ("Conv", ["x", "w"], ["conv"], {"pads": [1, 1, 1, 1]})


def test_our_own_detector() -> None:
    graph, _ = tiny_detector()
    body = names(find_body(graph))
    assert {"/stem/conv", "/stem/silu.sigmoid", "/stem/silu", "/down/leaky_relu", "/block/mish", "/up/resize"} <= body
    assert {"/head/conv", "/head/reshape", "/head/transpose"} <= body, "what only moves the heads goes with them"
    assert not body & {"/head/sigmoid", "/head/split", "/head/mul", "/head/concat"}


@pytest.mark.parametrize(
    ("lines", "inside"),
    [
        ([("Relu", ["conv"], ["y"])], {"y"}),
        ([("Sigmoid", ["conv"], ["s"]), ("Mul", ["conv", "s"], ["y"])], {"s", "y"}),
        ([("Sigmoid", ["conv"], ["s"]), ("Mul", ["s", "conv"], ["y"])], {"s", "y"}),
        ([("Softplus", ["conv"], ["p"]), ("Tanh", ["p"], ["t"]), ("Mul", ["conv", "t"], ["y"])], {"p", "t", "y"}),
        ([("Sigmoid", ["conv"], ["y"])], set()),
        ([("Sigmoid", ["conv"], ["s"]), ("Mul", ["s", "s"], ["y"])], set()),
        ([("Exp", ["conv"], ["s"]), ("Mul", ["conv", "s"], ["y"])], set()),
        ([("Transpose", ["conv"], ["t"], {"perm": [0, 2, 3, 1]}), ("Relu", ["t"], ["y"])], {"t"}),
    ],
    ids=["relu", "silu", "silu turned", "mish", "score", "squared score", "exponential", "moved"],
)
def test_activation_of_the_last_layer(lines: list[tuple[object, ...]], inside: set[str]) -> None:
    graph = foreign_graph([CONV, *lines], PICTURE, ["y"], {"w": W})
    assert names(find_body(graph)) == {"conv", *inside}


def test_heads_are_moved_together_only_where_that_saves_a_border() -> None:
    parts = [("Conv", ["conv", f"v{i}"], [f"head{i}"]) for i in range(2)]
    flat = [("Flatten", [f"head{i}"], [f"flat{i}"]) for i in range(2)]
    graph = foreign_graph(
        [CONV, *parts, *flat, ("Concat", ["flat0", "flat1"], ["all"], {"axis": 1}), ("Split", ["all"], ["a", "b"], {"axis": 1})],
        PICTURE, ["a", "b"], {"w": W, "v0": V, "v1": V},
    )  # fmt: skip
    assert names(find_body(graph)) == {"conv", "head0", "head1", "flat0", "flat1", "all"}


def test_a_value_that_the_decode_needs_too_is_not_moved() -> None:
    lines = [CONV, ("Flatten", ["conv"], ["flat"]), ("Exp", ["conv"], ["e"])]
    graph = foreign_graph(lines, PICTURE, ["flat", "e"], {"w": W})
    assert names(find_body(graph)) == {"conv"}


@pytest.mark.parametrize("op", ["Conv", "MatMul"])
def test_mean_over_a_softmax_is_decode(op: str) -> None:
    """Distribution focal loss, as a convolution (Ultralytics) or as a product."""
    project = np.arange(8, dtype=np.float32)
    weight = project.reshape(1, 8, 1, 1) if op == "Conv" else project.reshape(8, 1)
    order = [0, 1, 2, 3] if op == "Conv" else [0, 2, 3, 1]
    lines = [
        CONV,
        ("Softmax", ["conv"], ["p"], {"axis": 1}),
        ("Transpose", ["p"], ["t"], {"perm": order}),
        (op, ["t", "d"], ["y"]),
    ]
    graph = foreign_graph(lines, PICTURE, ["y"], {"w": W, "d": weight})
    assert names(find_body(graph)) == {"conv"}


def test_small_matrix_is_decode_and_attention_is_not() -> None:
    corners = np.eye(4, dtype=np.float32)
    lines = [
        CONV,
        ("Reshape", ["conv", "r"], ["flat"]),
        ("Transpose", ["flat"], ["turned"], {"perm": [0, 2, 1]}),
        ("MatMul", ["flat", "turned"], ["scores"]),
        ("Softmax", ["scores"], ["p"], {"axis": -1}),
        ("MatMul", ["p", "flat"], ["mixed"]),
        ("MatMul", ["mixed", "big"], ["projected"]),
        ("MatMul", ["projected", "corners"], ["y"]),
    ]
    weights = {"w": W, "r": np.array([1, 8, 64]), "big": np.ones((64, 4), np.float32), "corners": corners}
    body = names(find_body(foreign_graph(lines, PICTURE, ["y"], weights)))
    assert body == {"conv", "flat", "turned", "scores", "p", "mixed", "projected"}


def test_graph_without_weights_has_no_body() -> None:
    assert find_body(foreign_graph([("Relu", ["x"], ["y"])], PICTURE, ["y"], {})) == []
