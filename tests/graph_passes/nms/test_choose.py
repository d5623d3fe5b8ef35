"""Which route `auto` takes for a target, and which pairs are refused with what reason."""

from __future__ import annotations

from typing import Any

import pytest
from raw_heads import model_meta, raw_graph

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError, ModelError, UnsupportedError
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.nms.choose import choose


@pytest.mark.parametrize(
    ("target", "task", "more", "route"),
    [
        ("onnxruntime", "detect", {}, "plain"),
        ("onnxruntime", "obb", {}, "plain"),
        ("tensorrt-rtx", "detect", {}, "plain"),
        ("tensorrt:8.6", "detect", {}, "efficient"),
        ("tensorrt:10.3", "detect", {}, "efficient"),
        ("tensorrt:10.3", "detect", {"class_agnostic": True}, "efficient"),
        ("tensorrt:10.3", "detect", {"conf_thres": 0.001}, "plain"),
        ("tensorrt:10.3", "pose", {}, "static"),
        ("tensorrt:10.3", "segment", {}, "static"),
        ("tensorrt:8.5", "obb", {}, "static"),
        ("tensorrt:8.6", "pose", {"topk_all": 300}, "static"),
        ("tensorrt:8.6", "pose", {"topk_all": 301}, "plain"),
        ("tensorrt:8.6", "pose", {"candidates": 1024}, "static"),
        ("tensorrt:8.6", "pose", {"candidates": 1025}, "plain"),
        ("tensorrt:8.6", "pose", {"conf_thres": 0.001}, "plain"),
        ("tensorrt:11", "pose", {"conf_thres": 0.001}, "plain"),
        ("tensorrt:11", "detect", {}, "static"),
        ("tensorrt:8.5", "detect", {"class_agnostic": True}, "static"),
        ("tensorrt:8.6", "detect", {"class_agnostic": True}, "static"),
        ("tensorrt:8.2", "detect", {}, "efficient"),
        ("tensorrt:8.2", "detect", {"class_agnostic": True}, "efficient-idx"),
        ("tensorrt:8.2", "pose", {}, "efficient-idx"),
        ("deepstream:7.1", "detect", {}, "efficient"),
        ("deepstream:6.3", "pose", {}, "plain"),
    ],
)
def test_auto(target: str, task: str, more: dict[str, Any], route: str) -> None:
    chosen, reason = choose(model_meta(task), NmsSettings(**more), parse_target(target))
    assert chosen == route
    assert reason.startswith(f"--nms auto chose {route} for {parse_target(target)}: ")
    assert "\n" not in reason


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt-rtx", "tensorrt:8.2", "tensorrt:11"])
def test_auto_leaves_nms_free_heads_alone(target: str) -> None:
    assert choose(model_meta(nms_free=True), NmsSettings(), parse_target(target))[0] == "none"


@pytest.mark.parametrize(
    ("route", "target", "task", "more", "message"),
    [
        ("plain", "tensorrt:8.2", "detect", {}, r"TensorRT 8\.5.*use --nms efficient"),
        ("efficient", "tensorrt:10.3", "pose", {}, "no indices.*pose.*use --nms static"),
        ("efficient", "tensorrt-rtx", "detect", {}, "no EfficientNMS_TRT plugin; use --nms plain"),
        ("efficient", "onnxruntime", "detect", {}, "no EfficientNMS_TRT plugin; use --nms plain"),
        ("efficient", "tensorrt:8.5", "detect", {"class_agnostic": True}, r"up to TensorRT 8\.6\.0.*use --nms static"),
        ("efficient", "tensorrt:8.6", "detect", {"class_agnostic": True}, r"up to TensorRT 8\.6\.0.*use --nms static"),
        ("efficient-idx", "tensorrt:11", "pose", {}, "gone from TensorRT 11; use --nms static"),
        ("efficient-idx", "tensorrt:10.3", "obb", {}, "upright.*use --nms static"),
        ("efficient-idx", "tensorrt-rtx", "pose", {}, "no EfficientNMS_ONNX_TRT plugin"),
        ("onnx", "tensorrt-rtx", "detect", {}, "no kernel for it; use --nms plain"),
        ("onnx", "tensorrt:8.4", "pose", {}, r"8\.5.*use --nms efficient-idx"),
        ("onnx", "onnxruntime", "obb", {}, "upright boxes only; use --nms plain"),
        ("none", "tensorrt:10.3", "detect", {}, "several boxes an object.*use --nms efficient"),
    ],
)
def test_impossible_pairs_are_refused_with_what_would_work(
    route: str, target: str, task: str, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        choose(model_meta(task), NmsSettings(route=route, **more), parse_target(target))


def test_where_nothing_works_the_task_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"no NMS route does obb on tensorrt:8\.2"):
        choose(model_meta("obb"), NmsSettings(), parse_target("tensorrt:8.2"))


@pytest.mark.parametrize(("route", "target", "word"), [
    ("efficient-idx", "tensorrt:10.16", "10.16 drops"), ("efficient", "tensorrt:11", "deprecated"),
    ("efficient", "tensorrt:10.3", "as asked"),
])  # fmt: skip
def test_a_route_on_its_way_out_is_given_with_a_caution(route: str, target: str, word: str) -> None:
    assert word in choose(model_meta(), NmsSettings(route=route), parse_target(target))[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"topk_all": 0}, "--topk-all 0"),
        ({"topk_all": 3841}, "--topk-all 3841"),
        ({"candidates": 5000}, "--nms-candidates 5000"),
        ({"conf_thres": 1.0}, "--conf-thres"),
        ({"conf_thres": -0.1}, "--conf-thres"),
        ({"conf_thres": float("nan")}, "--conf-thres"),
        ({"iou_thres": -0.1}, "--iou-thres"),
        ({"iou_thres": 1.5}, "--iou-thres"),
        ({"route": "fast"}, "--nms fast is not a route"),
    ],
)
def test_settings_out_of_range_are_refused(more: dict[str, Any], message: str) -> None:
    meta = model_meta()
    graph = raw_graph(meta, 10)
    with pytest.raises(InputError, match=message):
        add_nms(graph, meta, NmsSettings(**more), parse_target("onnxruntime"))


def test_an_end_to_end_graph_gets_no_second_nms() -> None:
    meta = model_meta()
    graph = raw_graph(meta, 10)
    meta, _ = add_nms(graph, meta, NmsSettings(), parse_target("onnxruntime"))
    with pytest.raises(ModelError, match="lacks boxes, scores"):
        add_nms(graph, meta, NmsSettings(), parse_target("onnxruntime"))


@pytest.mark.parametrize(
    ("shape", "message"),
    [(["batch", "A", 4], "only the batch free"), (["batch", 10, 5], "expected"), (["batch", 9, 4], "disagree")],
    ids=["free anchors", "box width", "anchors"],
)
def test_raw_heads_that_break_the_contract_are_refused(shape: list[int | str], message: str) -> None:
    meta = model_meta()
    graph = raw_graph(meta, 10)
    graph.outputs[0].shape = shape
    with pytest.raises(ModelError, match=message):
        add_nms(graph, meta, NmsSettings(), parse_target("onnxruntime"))
