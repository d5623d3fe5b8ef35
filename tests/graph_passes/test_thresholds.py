"""Thresholds changed in a finished graph, and made inputs of it: the rows are those of a graph built with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_heads import checked, model_meta, random_heads, raw_graph, run, session
from routes import TARGETS, assert_same_rows
from suppressions import graph_nms

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph.skeleton import load_all, read_onnx
from trtzoo.graph.writer import write_onnx
from trtzoo.graph_passes.layouts.dressing import apply_layout
from trtzoo.graph_passes.lower import lower
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.thresholds import runtime_thresholds, set_thresholds

ROUTES = ["plain", "static", "onnx", "efficient-idx", "efficient", "none"]
TARGET = parse_target("onnxruntime")


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
@pytest.mark.parametrize("route", ROUTES[:-1])
def test_changed_thresholds_act_and_are_recorded(route: str, lower_first: bool) -> None:
    graph, meta = end_to_end(route)
    if lower_first:
        lower(graph, meta)
    meta = set_thresholds(graph, meta, conf_thres=0.6, iou_thres=0.2)
    assert meta.nms == graph_nms(route, topk_all=40, candidates=80, conf_thres=0.6, iou_thres=0.2)
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


def rows_at(runtime: Any, heads: dict[str, Any], conf: Any = None, iou: Any = None) -> dict[str, np.ndarray]:
    """Rows under thresholds, a scalar or one an image; what is None is left out."""
    given = {"in_boxes": heads["boxes"], "in_scores": heads["scores"]}
    for name, value in (("conf_thres", conf), ("iou_thres", iou)):
        if value is not None:
            given[name] = np.broadcast_to(np.asarray(value, np.float32).reshape(-1, 1), (np.size(value), 1))
    names = [item.name for item in runtime.get_outputs()]
    return dict(zip(names, runtime.run(names, given), strict=True))


@pytest.mark.parametrize("route", ["plain", "static"])
@pytest.mark.parametrize("defaults", [True, False])
def test_runtime_thresholds_are_inputs(defaults: bool, route: str) -> None:
    graph, meta = end_to_end(route)
    meta = runtime_thresholds(graph, meta, defaults)
    runtime = session(checked(graph, meta))
    found = [*runtime.get_inputs(), *runtime.get_overridable_initializers()]
    shapes = [(item.name, item.shape) for item in found][2:]
    assert sorted(shapes) == [("conf_thres", ["thresholds", 1]), ("iou_thres", ["thresholds", 1])]
    heads = heads_of(meta)
    assert meta.nms is not None
    for conf, iou in ((0.25, 0.45), (0.7, 0.1), (0.0, 1.0)):
        outputs = rows_at(runtime, heads, [conf] * 3, [iou] * 3)
        assert_same_rows(outputs, heads, replace(meta, nms=replace(meta.nms, conf_thres=conf, iou_thres=iou)))


@pytest.mark.parametrize("route", ["plain", "static"])
def test_every_image_has_its_own_thresholds(route: str) -> None:
    graph, meta = end_to_end(route)
    runtime = session(checked(graph, runtime_thresholds(graph, meta)))
    heads, pairs = heads_of(meta), [(0.25, 0.45), (0.7, 0.1), (0.0, 1.0)]
    together = rows_at(runtime, heads, *zip(*pairs, strict=True))
    for row, pair in enumerate(pairs):
        alone = rows_at(runtime, {name: array[row : row + 1] for name, array in heads.items()}, *pair)
        for name, array in alone.items():
            np.testing.assert_array_equal(together[name][row : row + 1], array)


@pytest.mark.parametrize("batch", [None, 3])
def test_thresholds_with_defaults_may_be_left_out(batch: int | None, tmp_path: Path) -> None:
    meta = replace(model_meta(), batch=batch)
    graph = raw_graph(meta, 80)
    meta, _ = add_nms(graph, meta, NmsSettings("plain", conf_thres=0.5, iou_thres=0.3, candidates=80), TARGET)
    meta = runtime_thresholds(graph, meta)
    write_onnx(graph, to_properties(meta), tmp_path / "m.onnx")
    again, properties = read_onnx(tmp_path / "m.onnx")
    runtime = session(load_all(again, properties))
    heads = heads_of(meta)
    assert_same_rows(rows_at(runtime, heads), heads, meta)
    assert meta.nms is not None
    other = replace(meta, nms=replace(meta.nms, conf_thres=0.8))
    assert_same_rows(rows_at(runtime, heads, conf=[0.8] * 3), heads, other)


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
    for route in ("efficient", "efficient-idx", "onnx"):
        graph, meta = end_to_end(route)
        with pytest.raises(UnsupportedError, match="one threshold for all images of a batch; use --nms plain"):
            runtime_thresholds(graph, meta)
        lower(graph, meta)
        with pytest.raises(UnsupportedError, match="use --nms plain"):
            runtime_thresholds(graph, meta)
