"""Thresholds changed in a finished graph, and made inputs of it: the rows are those of a graph built with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from raw_heads import checked, model_meta, random_heads, raw_graph, run, session
from routes import TARGETS, assert_same_rows

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph_passes.layouts import apply_layout
from trtzoo.graph_passes.lower import lower
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.thresholds import runtime_thresholds, set_thresholds

ROUTES = ["plain", "onnx", "efficient-idx", "efficient", "none"]


def end_to_end(route: str) -> tuple[Any, ModelMeta]:
    meta = model_meta(nms_free=route == "none")
    graph = raw_graph(meta, 80)
    target = parse_target(TARGETS.get(route, "tensorrt:10.3"))
    settings = NmsSettings(route=route, topk_all=40, candidates=80)
    meta, _ = add_nms(graph, meta, settings, target)
    return graph, meta


def heads_of(meta: ModelMeta) -> dict[str, Any]:
    return random_heads(np.random.default_rng(0), meta, 3, 80)


@pytest.mark.parametrize("lower_first", [False, True], ids=["then lowered", "lowered before"])
@pytest.mark.parametrize("route", ROUTES[:4])
def test_changed_thresholds_act_and_are_recorded(route: str, lower_first: bool) -> None:
    graph, meta = end_to_end(route)
    if lower_first:
        lower(graph, meta)
    meta = set_thresholds(graph, meta, conf_thres=0.6, iou_thres=0.2)
    assert meta.nms == NmsSettings(route=route, topk_all=40, candidates=80, conf_thres=0.6, iou_thres=0.2)
    lower(graph, meta)
    heads = heads_of(meta)
    assert_same_rows(run(session(checked(graph, meta)), heads), heads, meta)


def test_one_threshold_can_be_changed_alone() -> None:
    graph, meta = end_to_end("none")
    meta = set_thresholds(graph, meta, conf_thres=0.8)
    assert meta.nms is not None
    outputs = run(session(checked(graph, meta)), heads_of(meta))
    used = np.arange(40) < outputs["num_dets"]
    assert (outputs["det_scores"][used] > 0.8).all()
    assert not outputs["det_scores"][~used].any()


@pytest.mark.parametrize("route", ["plain", "onnx"])
def test_runtime_thresholds_are_inputs(route: str) -> None:
    graph, meta = end_to_end(route)
    meta = runtime_thresholds(graph, meta)
    runtime = session(checked(graph, meta))
    assert [(item.name, item.shape) for item in runtime.get_inputs()][2:] == [("conf_thres", [1]), ("iou_thres", [1])]
    heads = heads_of(meta)
    assert meta.nms is not None
    for conf, iou in ((0.25, 0.45), (0.7, 0.1), (0.0, 1.0)):
        given = {"in_boxes": heads["boxes"], "in_scores": heads["scores"]}
        given |= {"conf_thres": np.array([conf], np.float32), "iou_thres": np.array([iou], np.float32)}
        names = [item.name for item in runtime.get_outputs()]
        outputs = dict(zip(names, runtime.run(names, given), strict=True))
        assert_same_rows(outputs, heads, replace(meta, nms=replace(meta.nms, conf_thres=conf, iou_thres=iou)))


def test_an_nms_free_graph_has_only_a_score_threshold_as_input() -> None:
    graph, meta = end_to_end("none")
    runtime_thresholds(graph, meta)
    assert [tensor.name for tensor in graph.inputs][2:] == ["conf_thres"]


def test_thresholds_can_be_changed_in_another_layout() -> None:
    graph, meta = end_to_end("plain")
    meta = apply_layout(graph, meta, "flat")
    meta = set_thresholds(graph, meta, conf_thres=0.9)
    rows = run(session(checked(graph, meta)), heads_of(meta))["output"]
    assert (rows[..., 4][rows[..., 4] > 0] > np.float32(0.9)).all()


def test_what_cannot_be_changed_is_refused() -> None:
    graph, meta = end_to_end("plain")
    with pytest.raises(InputError, match="--conf-thres 2"):
        set_thresholds(graph, meta, conf_thres=2)
    with pytest.raises(UnsupportedError, match="raw heads"):
        set_thresholds(raw_graph(model_meta(), 5), model_meta(), conf_thres=0.5)
    changed = runtime_thresholds(graph, meta)
    with pytest.raises(UnsupportedError, match="graph inputs"):
        set_thresholds(graph, changed, conf_thres=0.5)
    graph, meta = end_to_end("none")
    with pytest.raises(UnsupportedError, match="NMS-free"):
        set_thresholds(graph, meta, iou_thres=0.5)
    graph, meta = end_to_end("efficient")
    with pytest.raises(UnsupportedError, match="attributes; use --nms plain"):
        runtime_thresholds(graph, meta)
