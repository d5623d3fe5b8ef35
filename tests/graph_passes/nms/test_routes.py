"""Every route and task on ONNX Runtime against greedy NMS in numpy: set, order, counts, padding, for any batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nms_reference import Array
from raw_heads import MASKS, checked, model_meta, random_heads, raw_graph, run, session
from routes import assert_same_rows, end_to_end, route_of

from trtzoo.contract.nms import GraphNms, NmsSettings
from trtzoo.contract.outputs import end2end_outputs
from trtzoo.contract.target import parse_target
from trtzoo.graph_passes.lower import lower
from trtzoo.graph_passes.nms import add_nms

SETTINGS = NmsSettings(route="plain", iou_thres=0.45, conf_thres=0.25, topk_all=20, candidates=60)
SUPPRESSING = ["plain", "static", "onnx", "efficient-idx"]

CASES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "one class": (1, 100, {}),
    "single label": (3, 100, {}),
    "multi label": (3, 100, {"multi_label": True}),
    "class agnostic": (3, 100, {"class_agnostic": True}),
    "agnostic and multi label": (3, 100, {"class_agnostic": True, "multi_label": True}),
    "fewer anchors than rows": (2, 7, {}),
    "one anchor": (2, 1, {}),
    "more candidates than anchors": (2, 100, {"candidates": 3840}),
    "few candidates": (3, 100, {"candidates": 5, "multi_label": True}),
    "one row": (3, 100, {"topk_all": 1}),
    "nothing above the threshold": (3, 100, {"conf_thres": 0.999}),
    "everything above the threshold": (3, 100, {"conf_thres": 0.0, "candidates": 300, "multi_label": True}),
    "several blocks of candidates": (1, 700, {"candidates": 700, "topk_all": 300, "conf_thres": 0.1}),
    "only exact copies go": (3, 100, {"iou_thres": 0.9999}),
}


@pytest.mark.parametrize("route", SUPPRESSING)
@pytest.mark.parametrize("steps", [0, 8], ids=["distinct scores", "tied scores"])
@pytest.mark.parametrize("case", CASES)
def test_detect_equals_greedy_nms(case: str, steps: int, route: str) -> None:
    classes, anchors, more = CASES[case]
    meta = model_meta(classes=classes)
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route), **more), anchors)
    for batch in (1, 2, 8):
        heads = random_heads(np.random.default_rng(batch), meta, batch, anchors, steps)
        assert_same_rows(run(runtime, heads), heads, meta)


@pytest.mark.parametrize("route", [*SUPPRESSING, "efficient"])
def test_an_iou_threshold_of_zero_lets_go_what_overlaps_at_all(route: str) -> None:
    """In a row: two boxes that share a strip, one that only touches the second, one far away."""
    lefts, scores = np.array([0, 9, 19, 40], np.float32), np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    boxes = np.stack([lefts, lefts * 0, lefts + 10, lefts * 0 + 10], 1)[None]
    runtime, _ = end_to_end(model_meta(classes=1), replace(SETTINGS, **route_of(route), iou_thres=0.0), 4)
    outputs = run(runtime, {"boxes": boxes, "scores": scores[None, :, None]})
    assert outputs["det_scores"][0, : outputs["num_dets"][0, 0]].tolist() == scores[[0, 2, 3]].tolist()


@pytest.mark.parametrize("route", SUPPRESSING)
@pytest.mark.parametrize("task", ["pose", "segment"])
@pytest.mark.parametrize("classes", [1, 4])
def test_keypoints_and_masks_follow_their_boxes(task: str, route: str, classes: int) -> None:
    meta = model_meta(task, classes)
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route)), 90)
    for batch in (1, 3):
        heads = random_heads(np.random.default_rng(batch), meta, batch, 90)
        assert_same_rows(run(runtime, heads), heads, meta)


@pytest.mark.parametrize("route", ["plain", "static"])
@pytest.mark.parametrize("more", [{}, {"class_agnostic": True}, {"multi_label": True}, {"iou_thres": 0.1}], ids=str)
def test_rotated_boxes_are_suppressed_by_their_probabilistic_iou(more: dict[str, Any], route: str) -> None:
    meta = model_meta("obb", 3)
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route), **more), 150)
    for batch in (1, 4):
        heads = random_heads(np.random.default_rng(batch), meta, batch, 150)
        assert_same_rows(run(runtime, heads), heads, meta)


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
@pytest.mark.parametrize("more", [{}, {"multi_label": True}, {"topk_all": 70}], ids=str)
def test_nms_free_heads_keep_their_best_rows(task: str, more: dict[str, Any]) -> None:
    meta = model_meta(task, 3, nms_free=True)
    runtime, meta = end_to_end(meta, replace(SETTINGS, route="none", **more), 50)
    heads = random_heads(np.random.default_rng(0), meta, 3, 50, steps=20)
    outputs = run(runtime, heads)
    rows = settings_without_suppression(meta.nms)
    assert_same_rows(outputs, heads, replace(meta, nms=rows))


def settings_without_suppression(settings: GraphNms | None) -> GraphNms:
    """Greedy NMS that suppresses nothing, over as many candidates as there are rows."""
    assert settings is not None
    return replace(settings, iou_thres=1.0, candidates=settings.topk_all)


def test_identities_planted_in_keypoints_name_the_anchors_of_the_rows() -> None:
    meta = model_meta("pose", 2)
    runtime, meta = end_to_end(meta, SETTINGS, 120)
    heads = random_heads(np.random.default_rng(5), meta, 4, 120)
    anchors = np.arange(120)[None, :, None, None] + 1000 * np.arange(4)[:, None, None, None]
    heads["keypoints"] = np.broadcast_to(anchors, heads["keypoints"].shape).astype(np.float32)
    outputs = run(runtime, heads)
    for image in range(4):
        for row in range(int(outputs["num_dets"][image, 0])):
            identity = int(outputs["det_kpts"][image, row, 0, 0])
            assert identity // 1000 == image
            np.testing.assert_array_equal(outputs["det_boxes"][image, row], heads["boxes"][image, identity % 1000])
            assert outputs["det_scores"][image, row] == heads["scores"][image, identity % 1000].max()


@pytest.mark.parametrize("multi_label", [False, True], ids=["single label", "multi label"])
@pytest.mark.parametrize("conf_thres", [0.25, 0.001, 0.0], ids=["usual", "below 0.007", "zero"])
def test_the_efficient_plugin_gives_the_same_rows_at_any_threshold(conf_thres: float, multi_label: bool) -> None:
    meta = model_meta(classes=3)
    settings = replace(
        SETTINGS, route="efficient", conf_thres=conf_thres, multi_label=multi_label, topk_all=100, candidates=3840
    )
    runtime, meta = end_to_end(meta, settings, 80)
    for batch in (1, 3):
        heads = random_heads(np.random.default_rng(batch), meta, batch, 80)
        heads["scores"] *= heads["scores"] > 0.7
        assert_same_rows(run(runtime, heads), heads, meta)


def test_interleaved_repeated_and_missing_plugin_rows_are_regrouped_by_image() -> None:
    """The plugin node is cut out and its rows are made up as the kernel may write them: any order, tail repeated."""
    meta, anchors = model_meta(classes=2), 40
    settings = replace(SETTINGS, route="efficient-idx", topk_all=8)
    graph = raw_graph(meta, anchors)
    meta, _ = add_nms(graph, meta, settings, parse_target("tensorrt:10.3"))
    plugin = next(node for node in graph.nodes if node.op == "EfficientNMS_ONNX_TRT")
    rows = plugin.outputs[0]
    plugin.outputs.clear()
    graph.inputs.append(rows)
    rows.name = "in_rows"
    graph.cleanup()
    runtime = session(checked(graph, meta))
    heads = random_heads(np.random.default_rng(1), meta, 3, anchors)
    order = np.argsort(-heads["scores"].max(2), axis=1, kind="stable")
    written = [(1, 0, 4), (0, 0, 2), (1, 0, 0), (2, 1, 5), (0, 1, 7)]
    packed = np.array(written + [written[-1]] * (3 * 8 - len(written)), np.int32)
    outputs = run(runtime, {**heads, "rows": packed})
    assert outputs["num_dets"].ravel().tolist() == [2, 2, 1]
    for image, ranks in ((0, [2, 7]), (1, [0, 4]), (2, [5])):
        expected = heads["boxes"][image][order[image, ranks]]
        np.testing.assert_array_equal(outputs["det_boxes"][image, : len(ranks)], expected)
    empty = run(runtime, {**heads, "rows": np.full((24, 3), -1, np.int32)})
    assert all(not values.any() for values in empty.values())


@pytest.mark.parametrize("opset", range(14, 21))
@pytest.mark.parametrize("batch", [None, 2], ids=["free batch", "batch 2"])
@pytest.mark.parametrize("task", ["pose", "segment", "obb"])
def test_outputs_keep_the_contract_at_every_opset(task: str, opset: int, batch: int | None) -> None:
    meta = model_meta(task, batch=batch)
    runtime, meta = end_to_end(meta, replace(SETTINGS, multi_label=True), 50, opset)
    types = {"int32": "tensor(int32)", "float32": "tensor(float)"}
    expected = [(spec.name, types[spec.dtype], list(spec.shape)) for spec in end2end_outputs(meta, MASKS[1:])]
    assert [(item.name, item.type, item.shape) for item in runtime.get_outputs()] == expected


@pytest.mark.parametrize("route", ["plain", "static", "onnx", "efficient", "efficient-idx", "none"])
def test_a_fixed_batch_works_like_a_free_one(route: str) -> None:
    meta = model_meta(batch=3, nms_free=route == "none")
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route)), 60)
    heads = random_heads(np.random.default_rng(0), meta, 3, 60)
    free, _ = end_to_end(replace(meta, batch=None, nms=None), replace(SETTINGS, **route_of(route)), 60)
    fixed_rows, free_rows = run(runtime, heads), run(free, heads)
    for name in fixed_rows:
        np.testing.assert_array_equal(fixed_rows[name], free_rows[name])


def test_a_classifier_passes_through() -> None:
    meta = model_meta("classify", 4)
    graph = raw_graph(meta, 1)
    after, reason = add_nms(graph, meta, SETTINGS, parse_target("onnxruntime"))
    assert after == meta
    assert [tensor.name for tensor in graph.outputs] == ["probs"]
    assert "classifier" in reason


def no_nan(outputs: dict[str, Array]) -> bool:
    return not any(np.isnan(values).any() for values in outputs.values())


@pytest.mark.parametrize("route", SUPPRESSING)
@pytest.mark.parametrize("value", [0.0, 1e6, 3e38, -3e38, np.inf], ids=str)
def test_degenerate_and_huge_boxes_give_no_nan(value: float, route: str) -> None:
    meta = model_meta("segment", 2)
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route)), 30)
    heads = random_heads(np.random.default_rng(0), meta, 2, 30)
    heads["boxes"][:, ::3, 2:] = value
    heads["boxes"][:, 1::3] = value
    outputs = run(runtime, heads)
    assert no_nan(outputs)
    assert_same_rows(outputs, heads, meta)


@pytest.mark.parametrize("route", ["plain", "static"])
@pytest.mark.parametrize("value", [0.0, 1e6, 3e38, np.inf], ids=str)
def test_degenerate_and_huge_rotated_boxes_give_no_nan(value: float, route: str) -> None:
    meta = model_meta("obb", 2)
    runtime, meta = end_to_end(meta, replace(SETTINGS, **route_of(route)), 30)
    heads = random_heads(np.random.default_rng(0), meta, 2, 30)
    heads["boxes"][:, ::3, 2:4] = value
    heads["boxes"][:, 1::3, :4] = value
    outputs = run(runtime, heads)
    assert no_nan(outputs)
    assert (outputs["num_dets"] > 0).all()


def test_lowering_leaves_other_routes_alone() -> None:
    meta = model_meta()
    graph = raw_graph(meta, 20)
    meta, _ = add_nms(graph, meta, SETTINGS, parse_target("onnxruntime"))
    assert lower(graph, meta) == []
