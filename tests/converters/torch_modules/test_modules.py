"""The walk over a checkpoint's modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trtzoo.contract.outputs import TensorSpec
from trtzoo.converters.checkpoint.reader import Record
from trtzoo.converters.torch_modules.blocks import strided_conv
from trtzoo.converters.torch_modules.layers import TORCH_LAYERS
from trtzoo.converters.torch_modules.modules import (
    Walker,
    batch_norm_of,
    integer,
    layer_sources,
    merged_conv,
    number,
    pair,
    run_layers,
)
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.converters.vocabulary.ops import BatchNorm, Conv
from trtzoo.errors import ModelError, UnsupportedError
from trtzoo.graph.weights import Weight

torch = pytest.importorskip("torch", reason="torch is the reference of its own layers")

from torch import nn  # noqa: E402
from ultralytics_blocks import graph_of, randomise, record_of  # noqa: E402


def test_names_follow_the_modules(tmp_path):
    """A container joins the names of what it holds with a dot; everything else is a scope."""
    module = nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 1), nn.SiLU()), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    graph = graph_of(record_of(module, tmp_path / "module.pt"), TORCH_LAYERS, (4, 8, 8))
    assert [node.name for node in graph.nodes] == [
        "/m.0.0/conv", "/m.0.1/silu.sigmoid", "/m.0.1/silu", "/m.1/conv",
    ]  # fmt: skip


def layer(name, sources=-1):
    return Record(f"test.{name}", attributes={"f": sources})


def test_layers_read_the_layers_they_name():
    """Each layer appends its name to what it read; relative, absolute and several sources; the image is layer -1."""
    layers = [
        layer("a"),
        layer("b"),
        layer("c", -2),
        layer("d", [-1, 0]),
        layer("e", [1, 3, -1]),
        layer("head", [4, 2]),
    ]

    def write(walker, module, x):
        return f"{module.class_name}({x if isinstance(x, str) else ','.join(x)})"

    walker = Walker(OnnxOps(TensorSpec("images", "float32", (1, 3, 4, 4))), dict.fromkeys("abcde", write))
    a, b = "a(image)", "b(a(image))"
    c = f"c({a})"
    d = f"d({c},{a})"
    assert run_layers(walker, layers, "image") == [f"e({b},{d},{d})", c]


@pytest.mark.parametrize("sources", [5, [0, 5], -7, "x", [None], [0.5], True, []])
def test_sources_that_do_not_come_before(sources):
    with pytest.raises(ModelError, match=r"layer model.5 .*must be one before it"):
        layer_sources(layer("a", sources), 5)


def test_unknown_class_names_the_layer():
    walker = Walker(OnnxOps(TensorSpec("images", "float32", (1, 3, 4, 4))), {})
    with pytest.raises(UnsupportedError, match=r"layer model.0: .*class test.a; add one function for a to"):
        run_layers(walker, [layer("a"), layer("head")], walker.ops.input)


def test_a_full_path_goes_before_a_class_name():
    walker = Walker(None, {"a": lambda *_: "name", "test.a": lambda *_: "path"})
    assert walker.run(layer("a"), None) == "path"
    assert walker.run(Record("other.a"), None) == "name"


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (number, "x"),
        (number, None),
        (integer, 1.5),
        (integer, float("nan")),
        (pair, (1, 2, 3)),
        (pair, "xy"),
        (pair, 0.5),
        (pair, -1),
        (integer, -1),
    ],
)
def test_attribute_of_a_wrong_kind(read, value):
    with pytest.raises(ModelError, match=r"'k' of test.a is .*not a"):
        read(Record("test.a", attributes={"k": value}), "k", 1)


def random_conv(kernel, pads=(0, 0, 0, 0), **others):
    generator = np.random.default_rng(kernel)
    out = 4
    norm = BatchNorm(*(Weight.of(generator.uniform(0.5, 1.5, out).astype(np.float32)) for _ in range(4)), 1e-5)
    weight = Weight.of(generator.normal(size=(out, 4, kernel, kernel)).astype(np.float32))
    return Conv(weight, batch_norm=norm, pads=pads, **others)


def run_conv(conv, x):
    weight, bias = (None if part is None else torch.from_numpy(part.load()) for part in conv.folded())
    top, left, bottom, right = conv.pads
    padded = nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom))
    return nn.functional.conv2d(padded, weight, bias, conv.stride).numpy()


def test_merged_convolutions_give_the_sum():
    x = np.random.default_rng(0).normal(size=(1, 4, 9, 9)).astype(np.float32)
    convs = [random_conv(1), random_conv(3, (1, 1, 1, 1)), replace(random_conv(5, (2, 2, 2, 2)), batch_norm=None)]
    np.testing.assert_allclose(run_conv(merged_conv(convs), x), sum(run_conv(conv, x) for conv in convs), atol=2e-5)


@pytest.mark.parametrize("order", [((0, 0), (1, 0), (0, 1), (1, 1)), ((0, 0), (0, 1), (1, 0), (1, 1))])
def test_convolution_after_space_to_depth_is_one_of_twice_the_stride(order):
    x = np.random.default_rng(0).normal(size=(1, 3, 12, 16)).astype(np.float32)
    deep = np.concatenate([x[:, :, row::2, column::2] for row, column in order], axis=1)
    weight = Weight.of(np.random.default_rng(1).normal(size=(5, 12, 3, 3)).astype(np.float32))
    conv = Conv(weight, pads=(1, 1, 1, 1))
    np.testing.assert_allclose(run_conv(strided_conv(conv, order), x), run_conv(conv, deep), atol=1e-5)


def test_a_batch_normalisation_that_does_not_say_has_torchs_epsilon(tmp_path):
    module = randomise(nn.BatchNorm2d(4))
    norm = batch_norm_of(record_of(module, tmp_path / "m.pt"))
    assert norm.epsilon == nn.BatchNorm2d(4).eps
    del module.__dict__["eps"]
    assert batch_norm_of(record_of(module, tmp_path / "m.pt")).epsilon == nn.BatchNorm2d(4).eps
