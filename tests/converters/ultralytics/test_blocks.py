"""Blocks that no model of the framework's default yamls has, each alone against the framework's own module."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the original framework")
pytest.importorskip("ultralytics", reason="needs the original framework: pip install ultralytics")

from ultralytics.nn.modules import block, conv  # noqa: E402
from ultralytics_blocks import assert_like_torch, graph_of, randomise, record_of  # noqa: E402

from trtzoo.converters.ultralytics.blocks import BLOCKS  # noqa: E402

MODULES = {
    "C1": lambda: block.C1(16, 16, 2),
    "C2": lambda: block.C2(16, 16, 2),
    "C3x": lambda: block.C3x(16, 16, 2),
    "C3TR": lambda: block.C3TR(16, 32, 2),
    "TransformerBlock with another width": lambda: block.TransformerBlock(16, 32, 4, 1),
    "C3f": lambda: block.C3f(16, 16, 2, shortcut=True),
    "BottleneckCSP": lambda: block.BottleneckCSP(16, 24, 2),
    "RepC3": lambda: block.RepC3(16, 24, 2),
    "RepC3 with an identity at its end": lambda: block.RepC3(16, 16, 1),
    "ELAN1": lambda: block.ELAN1(16, 24, 16, 8),
    "HGStem": lambda: block.HGStem(16, 8, 12),
    "HGBlock": lambda: block.HGBlock(16, 8, 16, n=3, shortcut=True),
    "HGBlock of light convolutions": lambda: block.HGBlock(16, 8, 24, n=2, lightconv=True),
    "ResNetLayer": lambda: block.ResNetLayer(16, 4, s=2, n=2),
    "Focus": lambda: conv.Focus(16, 12, 3),
    "Conv2": lambda: conv.Conv2(16, 12, 3, 2),
    "Conv2 in groups": lambda: conv.Conv2(16, 12, 5, g=4),
    "RepConv": lambda: conv.RepConv(16, 12),
    "RepConv with an identity branch": lambda: conv.RepConv(16, 16, bn=True),
    "RepConv with an identity branch, in groups": lambda: conv.RepConv(16, 16, g=4, bn=True),
    "ConvTranspose": lambda: conv.ConvTranspose(16, 12),
    "ConvTranspose without normalisation": lambda: conv.ConvTranspose(16, 12, bn=False),
    "DWConvTranspose2d": lambda: conv.DWConvTranspose2d(16, 16, 4, 2, 1),
    "SPP": lambda: block.SPP(16, 12, (3, 5)),
    "SPPF with a shortcut": lambda: block.SPPF(16, 16, 3, 2, shortcut=True),
    "RepVGGDW": lambda: block.RepVGGDW(16),
    "CIB": lambda: block.CIB(16, 16, lk=True),
}


@pytest.mark.parametrize("name", MODULES)
def test_block(name, tmp_path):
    module = MODULES[name]()
    channels = next(inner.in_channels for inner in module.modules() if hasattr(inner, "in_channels"))
    assert_like_torch(module, BLOCKS, channels // 4 if isinstance(module, conv.Focus) else channels, tmp_path)


@pytest.mark.parametrize(
    "make", [lambda: conv.RepConv(16, 16, bn=True), lambda: block.RepVGGDW(16), lambda: conv.Conv2(16, 16)]
)
def test_branches_become_one_convolution(make, tmp_path):
    graph = graph_of(record_of(randomise(make()), tmp_path / "module.pt"), BLOCKS, (16, 8, 8))
    assert [node.op for node in graph.nodes] == ["Conv", "Sigmoid", "Mul"]
