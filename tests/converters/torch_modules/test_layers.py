"""Torch's own layers against torch."""

from __future__ import annotations

import numpy as np
import pytest
from running import largest_error

from trtzoo.converters.torch_modules.layers import TORCH_LAYERS
from trtzoo.errors import UnsupportedError

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
