"""The operators that only passes use: the type and shape that the emitter promises are those that ONNX Runtime makes."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest
from small_graphs import run

from trtzoo.errors import ModelError
from trtzoo.graph.emitter import Emitter

X = np.random.default_rng(0).normal(0, 1, (2, 5, 4)).astype(np.float32)
INDICES = np.array([[3, 0], [1, 1]], np.int64)


def rows(emit, x):
    return emit.gather_rows(x, emit.constant("indices", INDICES))


def elements(emit, x):
    column = emit.squeeze(emit.slice(x, 2, 1, 2), 2)
    return emit.gather_elements(column, emit.constant("indices", INDICES))


def doubled(emit, x):
    """x * 2 ** 3, by a loop that ends itself."""

    def body(inner, state):
        count, value = state
        go_on = inner.binary("Less", count, np.array(2, np.int64))
        return [go_on, inner.binary("Mul", value, np.array(2, np.float32))]

    return emit.loop(10, [x], body, "double")[0]


CASES = {
    "less": (lambda e, x: e.binary("Less", x, np.array(0, np.float32)), lambda x: x < 0),
    "where": (
        lambda e, x: e.where(e.binary("Greater", x, np.zeros(1, np.float32)), x, np.array(9, np.float32)),
        lambda x: np.where(x > 0, x, 9),
    ),
    "cast": (lambda e, x: e.cast(x, np.int32), lambda x: x.astype(np.int32)),
    "clip": (lambda e, x: e.clip(x, -0.5, 0.25), lambda x: x.clip(-0.5, 0.25)),
    "sum of one axis": (lambda e, x: e.reduce("ReduceSum", x, 1), lambda x: x.sum(1, keepdims=True)),
    "mean of two axes": (lambda e, x: e.reduce("ReduceMean", x, (1, 2), keep=False), lambda x: x.mean((1, 2))),
    "maximum without its axis": (lambda e, x: e.reduce("ReduceMax", x, 2, keep=False), lambda x: x.max(2)),
    "any": (
        lambda e, x: e.any(e.cast(e.binary("Greater", x, np.array(9, np.float32)), np.float32)),
        lambda x: (x > 9).any(),
    ),
    "argmax": (lambda e, x: e.argmax(x, 2), lambda x: x.argmax(2)),
    "best two": (lambda e, x: e.topk(x, 2)[0], lambda x: -np.sort(-x, axis=-1)[..., :2]),
    "where the least is": (lambda e, x: e.topk(x, 1, largest=False)[1], lambda x: x.argmin(-1)[..., None]),
    "rows by index": (rows, lambda x: np.stack([x[0][[3, 0]], x[1][[1, 1]]])),
    "elements by index": (elements, lambda x: np.stack([x[0, [3, 0], 1], x[1, [1, 1], 1]])),
    "a new axis": (lambda e, x: e.unsqueeze(x, 1), lambda x: x[:, None]),
    "reshape": (lambda e, x: e.reshape(x, (2, -1)), lambda x: x.reshape(2, 2, 10)),
    "columns": (lambda e, x: e.columns(x)[2], lambda x: x[..., 2:3]),
    "every second": (lambda e, x: e.slice(x, 1, 0, 99, step=2), lambda x: x[:, ::2]),
    "zeros behind": (lambda e, x: e.pad_end(x, 1, 3), lambda x: np.pad(x, ((0, 0), (0, 3), (0, 0)))),
    "no zeros behind": (lambda e, x: e.pad_end(x, 1, 0), lambda x: x),
    "counting": (lambda e, x: e.binary("Add", x, e.arange(4, np.float32)), lambda x: x + np.arange(4)),
    "loop": (doubled, lambda x: x * 8),
}


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize(("build", "expected"), CASES.values(), ids=CASES)
def test_it_makes_what_it_promises(build, expected, opset):
    x = gs.Variable("x", dtype=np.dtype(np.float32), shape=["batch", 5, 4])
    graph = gs.Graph(inputs=[x], opset=opset)
    made = build(Emitter(graph, "/test"), x)
    if made is x:
        made = Emitter(graph, "/end").unary("Identity", x)
    graph.outputs = [made]
    wanted = np.asarray(expected(X))
    [values] = run(graph, {"x": X}).values()
    np.testing.assert_allclose(values, wanted, rtol=1e-6)
    assert values.dtype == made.dtype
    promised = [len(X) if length == "batch" else length for length in made.shape]
    assert list(values.shape) == promised


def test_names_lie_under_the_scope_unless_they_begin_with_a_slash():
    x = gs.Variable("x", dtype=np.dtype(np.float32), shape=[1])
    graph = gs.Graph(inputs=[x], opset=17)
    emit = Emitter(graph, "/nms")
    for name in (None, "keep", "/model.0/keep"):
        emit.unary("Relu", x, name)
    assert [node.name for node in graph.nodes] == ["/nms/relu", "/nms/keep", "/model.0/keep"]


MISFITS = {
    "join": (
        lambda e, x: e.concat([x, e.transpose(x, (0, 2, 1))], 1),
        r"/t/concat: cannot join shapes \(5, 4\), \(4, 5\)",
    ),
    "cut": (lambda e, x: e.split(x, [1, 2], 1), r"/t/split: cannot cut 5 into \[1, 2\]"),
    "add": (lambda e, x: e.binary("Add", x, np.ones(3, np.float32)), "/t/add: shapes .* do not fit"),
    "reshape": (lambda e, x: e.reshape(x, (3, -1)), "/t/reshape: cannot reshape"),
}


@pytest.mark.parametrize(("build", "message"), MISFITS.values(), ids=MISFITS)
def test_shapes_that_do_not_fit_name_the_node(build, message):
    x = gs.Variable("x", dtype=np.dtype(np.float32), shape=["batch", 5, 4])
    with pytest.raises(ModelError, match=message):
        build(Emitter(gs.Graph(inputs=[x], opset=17), "/t"), x)
