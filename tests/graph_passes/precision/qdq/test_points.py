"""Where quantise/dequantise pairs go, node by node, on graphs small enough to count by hand."""

import numpy as np
import pytest
from int8_graphs import CHAIN, ONES, conv
from small_graphs import foreign_graph

from trtzoo.errors import InputError
from trtzoo.graph_passes.precision.qdq.points import QdqSettings, Skip, find_points


def points(lines, settings=QdqSettings(), weights=ONES, shape=(1, 4, 8, 8)):
    return find_points(foreign_graph(lines, {"x": list(shape)}, ["out"], weights), settings)


def test_a_pair_on_what_each_layer_reads_and_the_last_layer_stays():
    found = points(CHAIN)
    assert found.layers == {"ac": "x", "bc": "a"}
    assert found.kept == {"out": "final layer"}
    assert found.quantised == ("x", "a")
    assert found.groups == (("x",), ("a",))
    assert not found.skips


KEPT = {
    "the first layer": (QdqSettings(keep_first=True), {"bc": "a"}, {"ac": "reads the picture", "out": "final layer"}),
    "a name": (QdqSettings(exclude=("b?",)), {"ac": "x"}, {"bc": "excluded by b?", "out": "final layer"}),
    "nothing": (QdqSettings(final_layers=True), {"ac": "x", "bc": "a", "out": "b"}, {}),
}


@pytest.mark.parametrize(("settings", "layers", "kept"), KEPT.values(), ids=KEPT)
def test_what_stays_out(settings, layers, kept):
    found = points(CHAIN, settings)
    assert (found.layers, found.kept) == (layers, kept)


DEPTHWISE = {
    "behind a depthwise layer": (4, {"bc": "behind a depthwise layer, before a final one", "out": "final layer"}),
    "behind a grouped one": (2, {"out": "final layer"}),
}


@pytest.mark.parametrize(("groups", "kept"), DEPTHWISE.values(), ids=DEPTHWISE)
def test_the_layer_between_a_depthwise_and_a_final_one_stays(groups, kept):
    depthwise, *activation = conv("x", "a", "d")
    lines = [(*depthwise, {"group": groups}), *activation, *conv("a", "b"), ("Conv", ["b", "w"], ["out"])]
    weights = ONES | {"d": np.ones((4, 4 // groups, 1, 1), np.float32)}
    assert points(lines, weights=weights).kept == kept
    assert points(lines, QdqSettings(final_layers=True), weights).kept == {}


def test_a_pattern_that_matches_nothing_is_an_error():
    with pytest.raises(InputError, match="nowhere: no Conv or Gemm"):
        points(CHAIN, QdqSettings(exclude=("nowhere",)))


def test_nothing_left_is_an_error():
    with pytest.raises(InputError, match="no layer is left"):
        points(CHAIN, QdqSettings(exclude=("*",)))


def test_residual_sums_read_the_skip_through_its_own_pair():
    lines = [*conv("x", "a"), *conv("a", "b"), *conv("b", "c"), ("Add", ["c", "a"], ["sum"]), *conv("sum", "d"),
             ("Conv", ["d", "w"], ["out"])]  # fmt: skip
    found = points(lines)
    assert found.skips == (Skip("sum", 1, "a"),)
    assert found.quantised == ("x", "a", "b", "sum")


def test_a_skip_that_no_layer_reads_gets_a_pair_of_its_own():
    lines = [("MaxPool", ["x"], ["p"], {"kernel_shape": [1, 1]}), ("Relu", ["p"], ["r"]), *conv("x", "a"),
             ("Add", ["r", "a"], ["sum"]), *conv("sum", "b"), ("Conv", ["b", "w"], ["out"])]  # fmt: skip
    found = points(lines)
    assert found.skips == (Skip("sum", 0, "r"),)
    assert "r" in found.quantised


NO_SKIP = {
    "a constant": ("Add", ["a", "k"], ["sum"]),
    "two sums of the same": ("Add", ["a", "a"], ["sum"]),
    "a broadcast": ("Add", ["a", "mean"], ["sum"]),
}


@pytest.mark.parametrize("line", NO_SKIP.values(), ids=NO_SKIP)
def test_sums_that_are_no_residual_stay(line):
    lines = [
        *conv("x", "a"),
        ("GlobalAveragePool", ["a"], ["mean"]),
        line,
        *conv("sum", "b"),
        ("Conv", ["b", "w"], ["out"]),
    ]
    assert not points(lines, weights=ONES | {"k": np.ones((1, 4, 1, 1), np.float32)}).skips


def test_a_sum_behind_the_last_layer_stays():
    lines = [*conv("x", "a"), *conv("a", "b"), ("Conv", ["b", "w"], ["c"]), ("Add", ["c", "b"], ["out"])]
    assert not points(lines).skips


def test_concat_pool_and_resize_share_one_scale():
    lines = [
        *conv("x", "a"), *conv("a", "b"),
        ("MaxPool", ["a"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Resize", ["p", "", "twice"], ["r"], {"mode": "nearest"}),
        ("Concat", ["b", "r"], ["cat"], {"axis": 1}), *conv("cat", "d", "w8"), ("Conv", ["d", "w"], ["out"]),
    ]  # fmt: skip
    found = points(lines, weights=ONES | {"twice": np.array([1, 1, 2, 2], np.float32)})
    assert found.quantised == ("x", "a", "cat")
    group = found.group_of("a")
    assert group == found.group_of("cat") != found.group_of("x")
    assert set(found.groups[group]) == {"a", "b", "p", "r", "cat"}
    assert set(found.sources[group]) == {"a", "b"}


def test_split_shares_one_scale():
    lines = [*conv("x", "a"), ("Split", ["a", "halves"], ["l", "r"], {"axis": 1}), *conv("l", "b", "w2"),
             ("Concat", ["r", "b"], ["cat"], {"axis": 1}), *conv("cat", "d", "w6"), ("Conv", ["d", "w"], ["out"])]  # fmt: skip
    weights = ONES | {
        "halves": np.array([2, 2]),
        "w2": np.ones((4, 2, 1, 1), np.float32),
        "w6": np.ones((4, 6, 1, 1), np.float32),
    }
    found = points(lines, weights=weights)
    assert found.quantised == ("x", "l", "cat")
    group = found.group_of("l")
    assert set(found.groups[group]) == {"a", "l", "r", "b", "cat"}
    assert set(found.sources[group]) == {"a", "b"}


def test_ties_of_the_decode_do_not_reach_into_the_body():
    """Two final layers are joined behind the body: what they read keeps scales of its own."""
    lines = [*conv("x", "a"), *conv("a", "b"), ("Conv", ["b", "w"], ["l"]), ("Conv", ["b", "w"], ["r"]),
             ("Sigmoid", ["l"], ["ls"]), ("Concat", ["ls", "r"], ["out"], {"axis": 1})]  # fmt: skip
    assert points(lines).groups == (("x",), ("a",))


def test_transposed_convolutions_stay():
    lines = [*conv("x", "a"), ("ConvTranspose", ["a", "w"], ["t"]), *conv("t", "b"), ("Conv", ["b", "w"], ["out"])]
    found = points(lines)
    assert found.layers == {"ac": "x", "bc": "t"}


def test_gemm_is_a_layer():
    lines = [("Flatten", ["x"], ["f"]), ("Gemm", ["f", "wide"], ["g"], {"transB": 1}), ("Relu", ["g"], ["r"]),
             ("Gemm", ["r", "square"], ["out"])]  # fmt: skip
    weights = {"wide": np.ones((16, 256), np.float32), "square": np.ones((16, 8), np.float32)}
    found = points(lines, weights=weights)
    assert (found.layers, found.kept) == ({"g": "f"}, {"out": "final layer"})


def test_nodes_without_a_name_get_one():
    graph = foreign_graph(CHAIN, {"x": [1, 4, 8, 8]}, ["out"], ONES)
    for node in graph.nodes:
        node.name = ""
    assert find_points(graph).layers == {"ac": "x", "bc": "a"}
