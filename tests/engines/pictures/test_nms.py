"""NMS behind raw heads against greedy NMS written out pair by pair, and against the same model end to end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nms_reference import box_iou, greedy_nms, prob_iou
from raw_heads import model_meta, random_heads, run
from routes import end_to_end
from suppressions import suppression

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings, Suppression
from trtzoo.engines.pictures.nms import select
from trtzoo.engines.pictures.postprocess import decode
from trtzoo.engines.pictures.preprocess import Placement
from trtzoo.errors import InputError

SETTINGS = suppression(topk_all=20, candidates=60)

CASES: dict[str, dict[str, Any]] = {
    "single label": {},
    "multi label": {"multi_label": True},
    "class agnostic": {"class_agnostic": True},
    "agnostic and multi label": {"class_agnostic": True, "multi_label": True},
    "few candidates": {"candidates": 5, "multi_label": True},
    "more candidates than pairs": {"candidates": 3840, "multi_label": True},
    "one row": {"topk_all": 1},
    "nothing above the threshold": {"conf_thres": 0.9999},
    "everything above the threshold": {"conf_thres": 0.0, "candidates": 300},
    "low overlap": {"iou_thres": 0.05},
    "only exact copies go": {"iou_thres": 0.9999},
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [0, 8], ids=["distinct scores", "tied scores"])
@pytest.mark.parametrize("case", CASES)
def test_upright_boxes_equal_greedy_nms(case, steps, seed):
    settings = replace(SETTINGS, **CASES[case])
    heads = random_heads(np.random.default_rng(seed), model_meta(), 1, 120, steps)
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    anchors, classes = select(boxes, scores, settings)
    expected = greedy_nms(boxes, scores, settings, box_iou)
    assert list(zip(anchors.tolist(), classes.tolist(), strict=True)) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", CASES)
def test_oriented_boxes_equal_greedy_nms_by_probabilistic_iou(case, seed):
    settings = replace(SETTINGS, **CASES[case])
    heads = random_heads(np.random.default_rng(seed), model_meta("obb"), 1, 120)
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    anchors, classes = select(boxes, scores, settings)
    expected = greedy_nms(boxes, scores, settings, prob_iou)
    assert list(zip(anchors.tolist(), classes.tolist(), strict=True)) == expected


def test_two_boxes_go_by_their_overlap_written_out():
    """Two squares of 10, one moved by 5: the intersection is 50, the union 150."""
    boxes = np.float32([[0, 0, 10, 10], [5, 0, 15, 10]])
    scores = np.float32([[0.9], [0.8]])
    for threshold, kept in ((0.32, [0]), (1 / 3 + 0.001, [0, 1])):
        anchors, _ = select(boxes, scores, replace(SETTINGS, iou_thres=threshold))
        assert anchors.tolist() == kept


def test_a_suppressed_box_suppresses_nothing():
    boxes = np.float32([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    scores = np.float32([[0.9], [0.8], [0.7]])
    anchors, _ = select(boxes, scores, replace(SETTINGS, iou_thres=0.3))
    assert anchors.tolist() == [0, 2]


def fast_nms(boxes, scores, settings: Suppression) -> list[tuple[int, int]]:
    """A pair goes when any better one of its class overlaps it too much, as Ultralytics' rule for oriented boxes is written."""
    pairs = [(a, int(scores[a].argmax())) for a in range(len(scores)) if scores[a].max() > settings.conf_thres]
    pairs = sorted(pairs, key=lambda pair: -scores[pair])[: settings.candidates]

    overlaps = prob_iou(boxes)

    def stands(row: int) -> bool:
        rivals = [pair for pair in pairs[:row] if settings.class_agnostic or pair[1] == pairs[row][1]]
        return all(overlaps[anchor, pairs[row][0]] <= settings.iou_thres for anchor, _ in rivals)

    return [pairs[row] for row in range(len(pairs)) if stands(row)][: settings.topk_all]


@pytest.mark.parametrize("more", [{}, {"class_agnostic": True}, {"topk_all": 3}, {"iou_thres": 0.1}], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_fast_nms_of_oriented_boxes(more, seed):
    settings = replace(SETTINGS, fast=True, **more)
    heads = random_heads(np.random.default_rng(seed), model_meta("obb"), 1, 120)
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    anchors, classes = select(boxes, scores, settings)
    assert list(zip(anchors.tolist(), classes.tolist(), strict=True)) == fast_nms(boxes, scores, settings)
    assert len(anchors) <= len(select(boxes, scores, replace(settings, fast=False))[0])


def test_under_fast_nms_a_suppressed_box_suppresses_all_the_same():
    boxes = np.float32([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    scores = np.float32([[0.9], [0.8], [0.7]])
    anchors, _ = select(boxes, scores, replace(SETTINGS, iou_thres=0.3, fast=True))
    assert anchors.tolist() == [0]


def test_route_static_with_one_step_is_fast_nms():
    """The graph's rows are the same, and without that step it is refused."""
    meta, settings = (
        model_meta("obb"),
        NmsSettings("static", iou_thres=0.3, conf_thres=0.1, topk_all=60, steps=1, fast=True),
    )
    heads = random_heads(np.random.default_rng(0), meta, 1, 120)
    outputs = run(end_to_end(meta, settings, 120)[0], heads)
    rows = outputs["det_boxes"][0, : outputs["num_dets"][0, 0]]
    anchors, _ = select(heads["boxes"][0], heads["scores"][0], meta.suppression(settings))
    np.testing.assert_allclose(rows, heads["boxes"][0][anchors], rtol=1e-6)
    greedy, _ = select(heads["boxes"][0], heads["scores"][0], meta.suppression(replace(settings, fast=False)))
    assert 0 < len(rows) < len(greedy)
    for other in (replace(settings, steps=2), replace(settings, route="plain", steps=None)):
        with pytest.raises(InputError, match="fast NMS in a graph is --nms static with --nms-steps 1"):
            end_to_end(meta, other, 120)


def test_equal_scores_go_to_the_lower_anchor_then_the_lower_class():
    boxes = np.tile(np.float32([[0, 0, 10, 10]]), (3, 1)) + np.float32([[0], [100], [200]])
    scores = np.full((3, 2), 0.5, np.float32)
    anchors, classes = select(boxes, scores, replace(SETTINGS, multi_label=True))
    assert list(zip(anchors, classes, strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    anchors, classes = select(boxes, scores, SETTINGS)
    assert list(zip(anchors, classes, strict=True)) == [(0, 0), (1, 0), (2, 0)]


def test_a_score_equal_to_the_threshold_is_no_candidate():
    boxes, scores = np.float32([[0, 0, 1, 1], [5, 5, 6, 6]]), np.float32([[0.25], [0.2500001]])
    assert select(boxes, scores, SETTINGS)[0].tolist() == [1]


def test_without_suppression_the_best_rows_are_the_answer():
    heads = random_heads(np.random.default_rng(0), model_meta(), 1, 90)
    scores = heads["scores"][0]
    anchors, classes = select(heads["boxes"][0], scores, SETTINGS, suppress=False)
    best = np.argsort(-scores.max(1))[: SETTINGS.topk_all]
    assert anchors.tolist() == best.tolist()
    assert classes.tolist() == scores[best].argmax(1).tolist()
    fewer = replace(SETTINGS, candidates=5)
    assert select(heads["boxes"][0], scores, fewer, suppress=False)[0].tolist() == best.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 1e6, 3e38, -3e38, np.inf], ids=str)
@pytest.mark.parametrize("task", ["detect", "obb"])
def test_degenerate_and_huge_boxes_give_an_answer_without_warnings(task, value):
    heads = random_heads(np.random.default_rng(0), model_meta(task), 1, 30)
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    boxes[::3, 2:4] = value
    boxes[1::3, :4] = value
    anchors, _ = select(boxes, scores, SETTINGS)
    ordinary = [anchor for anchor in anchors if anchor % 3 == 2]
    assert ordinary


@pytest.mark.parametrize("value", [0.0, 1e6, 3e38, -3e38, np.inf], ids=str)
def test_degenerate_and_huge_boxes_equal_greedy_nms(value):
    heads = random_heads(np.random.default_rng(0), model_meta(), 1, 30)
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    boxes[::3, 2:] = value
    boxes[1::3] = value
    anchors, classes = select(boxes, scores, SETTINGS)
    assert list(zip(anchors.tolist(), classes.tolist(), strict=True)) == greedy_nms(boxes, scores, SETTINGS, box_iou)


PLACEMENT = Placement((480, 640), (0.1, 0.1), (0.0, 0.0))

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "detect": ("detect", {}),
    "detect, multi label": ("detect", {"multi_label": True}),
    "detect, class agnostic": ("detect", {"class_agnostic": True}),
    "pose": ("pose", {}),
    "segment": ("segment", {}),
    "obb": ("obb", {}),
    "obb, class agnostic": ("obb", {"class_agnostic": True}),
}


@pytest.mark.parametrize("layout", ["separate", "flat", "ultralytics"])
@pytest.mark.parametrize("form", FORMS)
def test_raw_heads_and_the_graphs_rows_give_the_same_detections(form, layout):
    task, more = FORMS[form]
    settings = replace(SETTINGS, **more)
    raw_meta = model_meta(task)
    runtime, meta = end_to_end(raw_meta, NmsSettings("plain", topk_all=20, candidates=60, **more), 100, layout=layout)
    for seed, steps in enumerate((0, 0, 10)):
        heads = random_heads(np.random.default_rng(seed), raw_meta, 2, 100, steps)
        outputs = run(runtime, heads)
        for image in range(2):
            assert_same(outputs, meta, heads, raw_meta, image, settings)


def assert_same(
    outputs: dict[str, Any], meta: ModelMeta, heads: dict[str, Any], raw: ModelMeta, image: int, settings: Suppression
) -> None:
    """Equal rows; masks, which the graph cuts to their boxes at prototype resolution, equal but for one pixel of that."""
    ours, graph = (decode(values, image, PLACEMENT, m, settings) for values, m in ((heads, raw), (outputs, meta)))
    assert len(ours) > 1
    np.testing.assert_array_equal(ours.scores, graph.scores)
    np.testing.assert_array_equal(ours.classes, graph.classes)
    np.testing.assert_allclose(ours.boxes, graph.boxes, atol=1e-3)
    if ours.keypoints is not None:
        np.testing.assert_array_equal(ours.keypoints, graph.keypoints)
    if ours.masks is not None:
        assert (ours.masks != graph.masks).mean() < (1e-4 if meta.layout == "ultralytics" else 0.05)
