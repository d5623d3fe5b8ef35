"""The walk over a checkpoint's modules, and torch's own layers against torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from running import largest_error

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
from ultralytics_blocks import graph_of, randomise, record_of, run_onnx_block, run_torch_block  # noqa: E402

LAYERS = {
    "convolution": nn.Conv2d(4, 6, 3, 2, 1),
    "convolution, all geometry different": nn.Conv2d(4, 8, (3, 5), (2, 1), (1, 3), (1, 2), groups=2, bias=False),
    "convolution, padding same": nn.Conv2d(4, 6, (4, 3), padding="same", dilation=(1, 2)),
    "convolution, padding valid": nn.Conv2d(4, 6, 3, padding="valid"),
    "transposed convolution": nn.ConvTranspose2d(4, 6, 2, 2),
    "transposed convolution, output padding": nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1),
    "transposed convolution, grouped": nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=4),
    "batch normalisation": nn.BatchNorm2d(4, eps=1e-3),
    "convolution and batch normalisation": nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
    "nested containers": nn.Sequential(nn.Sequential(nn.Conv2d(4, 6, 1), nn.SiLU()), nn.Sequential(nn.Conv2d(6, 2, 1))),
    "max pooling": nn.MaxPool2d(5, 1, 2),
    "max pooling, stride of the kernel": nn.MaxPool2d((3, 2)),
    "max pooling, last window partial": nn.MaxPool2d(3, 2, ceil_mode=True),
    "max pooling, no window in the padding": nn.MaxPool2d(2, 3, 1, ceil_mode=True),
    "mean pooling": nn.AvgPool2d(3, 2, 1),
    "mean pooling, padding not counted": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "mean of all": nn.AdaptiveAvgPool2d(1),
    "head of a classifier": nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(), nn.Linear(4, 3)),
    "upsampling": nn.Upsample(scale_factor=2.0),
    "upsampling by a pair": nn.Upsample(scale_factor=(3, 3), mode="nearest"),
    "padding before pooling of negative values": nn.Sequential(
        nn.Softplus(), nn.Hardtanh(-1e4, 0.1), nn.Conv2d(4, 4, 1), nn.ZeroPad2d((0, 1, 2, 1)), nn.MaxPool2d(2, 1)
    ),
    "one padding for all sides": nn.ZeroPad2d(1),
    "identity": nn.Identity(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "leaky relu": nn.LeakyReLU(0.1),
    "prelu, a slope a channel": nn.PReLU(4, 0.3),
    "prelu, one slope": nn.PReLU(),
    "elu": nn.ELU(0.7),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "gelu by tanh": nn.GELU("tanh"),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardtanh": nn.Hardtanh(-0.5, 1.5),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding=.same")
@pytest.mark.parametrize("name", LAYERS)
def test_layer_of_torch(name, tmp_path):
    module = randomise(LAYERS[name])
    x = np.random.default_rng(1).normal(0, 3, (2, 4, 8, 10)).astype(np.float32)
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(x).double()).numpy()
    record = record_of(module.float(), tmp_path / "module.pt")
    for values in (run_onnx_block(record, TORCH_LAYERS, x), run_torch_block(record, TORCH_LAYERS, x)):
        assert values.shape == expected.shape
        assert largest_error(values, expected) < 3e-6


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Upsample(scale_factor=2, mode="bilinear"), "mode='bilinear'"),
        (nn.Upsample(scale_factor=1.5), "scale_factor=1.5"),
        (nn.Upsample(size=(8, 8)), "scale_factor=None"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "pads with 'reflect'"),
        (nn.ConvTranspose2d(4, 4, 3, 2, 0, output_padding=1), "more output padding than padding"),
        (nn.MaxPool2d(3, dilation=2), "dilated max pooling"),
        (nn.AvgPool2d(3, ceil_mode=True), "ceil_mode"),
        (nn.AdaptiveAvgPool2d(7), "more than one pixel"),
        (nn.RReLU(), "does not know the module class torch.nn.modules.activation.RReLU"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_layer_that_is_not_converted(module, message, tmp_path):
    with pytest.raises(UnsupportedError, match=message) as raised:
        graph_of(record_of(module, tmp_path / "module.pt"), TORCH_LAYERS, (4, 8, 8))
    assert "export ONNX with the framework" in str(raised.value)


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
