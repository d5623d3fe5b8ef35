"""Attention blocks that no model of the framework's default yamls has, each alone against the framework's own module."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the original framework")
pytest.importorskip("ultralytics", reason="needs the original framework: pip install ultralytics")

from ultralytics.nn.modules import block  # noqa: E402
from ultralytics_blocks import assert_like_torch, graph_of, randomise, record_of  # noqa: E402

from trtzoo.converters.ultralytics.blocks import BLOCKS  # noqa: E402

MODULES = {
    "C2fPSA": lambda: block.C2fPSA(128, 128, 2),
    "PSABlock without shortcuts": lambda: block.PSABlock(32, num_heads=2, shortcut=False),
    "Attention of one head": lambda: block.Attention(16, num_heads=1),
    "A2C2f without areas": lambda: block.A2C2f(16, 64, 1, area=1),
    "A2C2f with a weighed shortcut": lambda: block.A2C2f(64, 64, 2, area=4, residual=True),
    "A2C2f of C3k": lambda: block.A2C2f(16, 64, 1, a2=False),
    "Attention of four heads": lambda: block.Attention(64, num_heads=4, attn_ratio=0.25),
    "AAttn of bands": lambda: block.AAttn(64, 2, area=4),
}


@pytest.mark.parametrize("name", MODULES)
def test_block(name, tmp_path):
    module = MODULES[name]()
    channels = next(inner.in_channels for inner in module.modules() if hasattr(inner, "in_channels"))
    assert_like_torch(module, BLOCKS, channels, tmp_path)


def test_attention_scales_its_query_in_the_weights(tmp_path):
    """The projection, two products, the softmax, a depthwise convolution, the output: no node for the scale."""
    graph = graph_of(record_of(randomise(block.Attention(64, 2)), tmp_path / "module.pt"), BLOCKS, (64, 8, 8))
    operations = [node.op for node in graph.nodes]
    assert "Mul" not in operations
    assert operations.count("MatMul") == 2


def test_feature_map_that_areas_do_not_divide(tmp_path):
    from trtzoo.errors import UnsupportedError

    record = record_of(randomise(block.AAttn(64, 2, area=4)), tmp_path / "module.pt")
    with pytest.raises(UnsupportedError, match=r"a 3x3 feature map in 4 areas"):
        graph_of(record, BLOCKS, (64, 3, 3))
