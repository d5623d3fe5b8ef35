"""Every golden model becomes an engine: raw and end to end, FP32 and FP16, fixed and free batch.

The engine's inputs and outputs come from the EngineInspector's report, and are held against the contract. The table of all
builds is printed at the end of the test run (conftest.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from rtx import needs_rtx
from shared import GOLDEN, golden_cases

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.outputs import TensorSpec, end2end_outputs, input_spec, raw_outputs
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.converters import read_network
from trtzoo.converters.network import Network, to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.plans.manifest import Manifest
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.graph.writer import write_onnx
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.precision.half import to_half

CASES = [path.name for path in golden_cases("") if any((path / name).exists() for name in ("model.cfg", "model.pt"))]
BATCHES = {"fixed": 2, "free": None}
SETTINGS = BuildSettings("tensorrt-rtx", max_batch=4)

pytestmark = [needs_rtx, pytest.mark.skipif(not CASES, reason="../shared/golden (reference outputs) is not here")]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("outputs", ["raw", "end2end"])
@pytest.mark.parametrize("case", CASES)
def test_builds(
    tmp_path: Path, case: str, outputs: str, precision: str, batch: str, record_property: Callable[[str, object], None]
) -> None:
    meta = convert(case, tmp_path / "m.onnx", outputs == "end2end", precision == "fp16", BATCHES[batch])
    manifest = build(tmp_path / "m.onnx", tmp_path / "m.engine", SETTINGS)
    (image,) = manifest.tensors_of("input")
    assert_fits([input_spec(meta)], [image])
    assert_fits(end2end_outputs(meta) if meta.end2end else raw_outputs(meta), manifest.tensors_of("output"))
    assert [shape[0] for shape in image.profile] == ([] if BATCHES[batch] else [1, 1, 4])
    half = [kind for kind in manifest.precision if "fp16" in kind]
    assert bool(half) == (precision == "fp16")
    record_property("engine", describe(meta, outputs, precision, batch, manifest))


def convert(case: str, path: Path, end2end: bool, half: bool, batch: int | None) -> ModelMeta:
    """Write the ONNX of a golden model."""
    graph, meta = to_graph(network(case), batch, 17)
    if half:
        meta, _ = to_half(graph, meta)
    if end2end:
        if meta.task == "classify":
            pytest.skip("a classifier has no boxes to suppress")
        settings = NmsSettings("none" if meta.nms_free else "plain", candidates=300)
        meta, _ = add_nms(graph, meta, settings, parse_target("tensorrt-rtx"))
    write_onnx(graph, to_properties(meta), path)
    return meta


@cache
def network(case: str) -> Network:
    folder = GOLDEN / case
    model = next(folder / name for name in ("model.cfg", "model.pt") if (folder / name).exists())
    return read_network(model, ReadOptions())


def assert_fits(
    specs: tuple[TensorSpec, ...] | list[TensorSpec], tensors: tuple[EngineTensor, ...] | list[EngineTensor]
) -> None:
    """Names, types and shapes as in the contract; only the batch may be free."""
    assert [tensor.name for tensor in tensors] == [spec.name for spec in specs]
    for spec, tensor in zip(specs, tensors, strict=True):
        assert tensor.dtype == spec.dtype
        assert len(tensor.shape) == len(spec.shape)
        assert -1 not in tensor.shape[1:]
        assert tensor.shape[0] == (-1 if spec.shape[0] == "batch" else spec.shape[0])
        assert all(
            isinstance(want, str) or want == have for want, have in zip(spec.shape[1:], tensor.shape[1:], strict=True)
        )


def describe(meta: ModelMeta, outputs: str, precision: str, batch: str, manifest: Manifest) -> dict[str, object]:
    """A cell of the table."""
    route = meta.nms.route if meta.nms else "raw"
    return {
        "row": f"{meta.family} {meta.task}",
        "column": f"{outputs} {precision} {batch}",
        "route": route,
        "seconds": round(sum(manifest.seconds.values()), 2),
        "layers": len(manifest.layers),
    }
