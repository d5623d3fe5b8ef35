"""Building a route's graph over tiny raw heads, and comparing what it answers with the numpy reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from nms_reference import Array, reference_rows
from raw_heads import checked, raw_graph, session

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.graph_passes.lower import lower
from trtzoo.graph_passes.nms import add_nms

TARGETS = {"plain": "onnxruntime", "onnx": "onnxruntime", "none": "onnxruntime", "static": "onnxruntime"}


def route_of(route: str) -> dict[str, Any]:
    """Settings of a route; `static` with steps for the chains of crowds that no picture has."""
    return {"route": route, "steps": 128} if route == "static" else {"route": route}


def end_to_end(
    meta: ModelMeta, settings: NmsSettings, anchors: int, opset: int = 17, layout: str = "separate"
) -> tuple[Any, ModelMeta]:
    """A session of raw heads followed by the route, lowered where it needs a plugin, and its metadata."""
    graph = raw_graph(meta, anchors, opset)
    target = parse_target(TARGETS.get(settings.route, "tensorrt:10.3"))
    meta, _ = add_nms(graph, meta, settings, target, layout)
    lower(graph, meta)
    return session(checked(graph, meta)), meta


def assert_same_rows(outputs: Mapping[str, Array], heads: Mapping[str, Array], meta: ModelMeta) -> None:
    """Every output equals the reference; masks, which are computed, to 1e-5."""
    assert meta.nms is not None
    expected = reference_rows(heads, meta.nms, meta.imgsz)
    assert outputs.keys() == expected.keys()
    for name, values in expected.items():
        assert outputs[name].dtype == values.dtype, name
        tolerance = 1e-5 if name == "det_masks" else 0
        np.testing.assert_allclose(outputs[name], values, rtol=0, atol=tolerance, err_msg=name)
