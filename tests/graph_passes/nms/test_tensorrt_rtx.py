"""TensorRT-RTX parses and builds the portable routes of every task, and their outputs are free in the batch only."""

from __future__ import annotations

from typing import Any

import pytest
from raw_heads import model_meta, raw_graph

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.nms import add_nms

try:
    import tensorrt_rtx as trt
except ImportError:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")


@pytest.fixture(scope="module")
def builder() -> Any:
    return trt.Builder(trt.Logger(trt.Logger.ERROR))


@pytest.mark.parametrize("batch", [None, 2], ids=["free batch", "batch 2"])
@pytest.mark.parametrize("route", ["plain", "static", "none"])
@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
def test_builds_without_a_gpu(builder: Any, task: str, route: str, batch: int | None) -> None:
    meta = model_meta(task, 3, batch=batch, nms_free=route == "none")
    graph = raw_graph(meta, 300)
    add_nms(graph, meta, NmsSettings(route=route, multi_label=True), parse_target("tensorrt-rtx"))
    network = builder.create_network()
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    assert parser.parse(load_all(graph, {}).SerializeToString()), [
        str(parser.get_error(index)) for index in range(parser.num_errors)
    ]
    for index in range(network.num_outputs):
        output = network.get_output(index)
        assert output.shape[0] == (batch or -1)
        assert -1 not in tuple(output.shape)[1:], output.name
    assert builder.build_serialized_network(network, _config(builder, network)) is not None


def _config(builder: Any, network: Any) -> Any:
    """For one GPU generation, so that no GPU is needed, with batches of 1 to 8 where the batch is free."""
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        entry = network.get_input(index)
        shapes = [(size, *tuple(entry.shape)[1:]) for size in (1, 1, 8)]
        profile.set_shape(entry.name, *shapes if entry.shape[0] == -1 else [tuple(entry.shape)] * 3)
    config.add_optimization_profile(profile)
    return config
