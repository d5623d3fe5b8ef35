"""Lowered EfficientNMS nodes against what NVIDIA's own CUDA kernels answered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest
from nms_reference import Array
from raw_heads import checked, model_meta, raw_graph, run, session
from shared import GOLDEN, needs_golden

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import UnsupportedError
from trtzoo.graph_passes.lower import lower, needs_lowering
from trtzoo.graph_passes.nms import add_nms

FOLDER = GOLDEN / "efficientnms"
CASES = json.loads((FOLDER / "cases.json").read_text()) if FOLDER.is_dir() else []
BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
META = model_meta()


def plugin_graph(op: str, attrs: dict[str, Any], boxes: Array, scores: Array, domain: str = "TRT") -> gs.Graph:
    """A graph of one plugin node with a free batch."""
    entries = {"in_boxes": boxes, "in_scores": scores}
    inputs = [gs.Variable(name, values.dtype, ["batch", *values.shape[1:]]) for name, values in entries.items()]
    kinds = [np.int32, boxes.dtype, boxes.dtype, np.int32] if op == "EfficientNMS_TRT" else [np.int32]
    outputs = [gs.Variable(f"out{index}", np.dtype(kind)) for index, kind in enumerate(kinds)]
    node = gs.Node(op, "plugin", attrs=attrs, inputs=inputs, outputs=outputs, domain=domain)
    return gs.Graph([node], inputs, outputs, opset=17, name="plugin")


def lowered(op: str, attrs: dict[str, Any], boxes: Array, scores: Array) -> list[Array]:
    graph = plugin_graph(op, attrs, boxes, scores)
    assert lower(graph) == [f"{op} 'plugin' became standard operators"]
    return list(run(session(checked(graph, META)), {"boxes": boxes, "scores": scores}).values())


def golden(case: dict[str, Any]) -> dict[str, Array]:
    arrays = dict(np.load(FOLDER / f"{case['name']}.npz"))
    if case["half"]:
        arrays |= {name: arrays[name].astype(np.float16) for name in ("boxes", "scores")}
    return arrays


def grouped_by_score(boxes: Array, scores: Array, classes: Array) -> list[tuple[float, list[tuple[float, ...]]]]:
    """Rows of one image: each score with its rows in a fixed order, since equal scores have no order on the GPU."""
    return [
        (float(score), sorted((*map(float, boxes[i]), float(classes[i])) for i in np.flatnonzero(scores == score)))
        for score in np.unique(scores)[::-1]
    ]


@needs_golden
@BY_NAME
def test_rows_equal_those_of_the_cuda_kernel(case: dict[str, Any]) -> None:
    arrays = golden(case)
    attrs = {
        "score_threshold": case["score_threshold"], "iou_threshold": case["iou_threshold"],
        "max_output_boxes": case["max_output_boxes"], "background_class": -1, "score_activation": 0,
        "class_agnostic": case["class_agnostic"], "box_coding": case["box_coding"],
    }  # fmt: skip
    count, boxes, scores, classes = lowered("EfficientNMS_TRT", attrs, arrays["boxes"], arrays["scores"])
    np.testing.assert_array_equal(count[:, 0], arrays["num_detections"])
    np.testing.assert_array_equal(scores, arrays["detection_scores"])
    for image in range(len(count)):
        ours = grouped_by_score(boxes[image], scores[image], classes[image])
        theirs = [arrays[f"detection_{name}"][image] for name in ("boxes", "scores", "classes")]
        assert ours == grouped_by_score(*theirs)


@needs_golden
@BY_NAME
def test_indices_equal_those_of_the_cuda_kernel_as_sets_of_each_image(case: dict[str, Any]) -> None:
    arrays = golden(case)
    attrs = {
        "score_threshold": case["score_threshold"], "iou_threshold": case["iou_threshold"],
        "max_output_boxes_per_class": case["max_output_boxes"], "center_point_box": case["box_coding"],
    }  # fmt: skip
    rows = lowered("EfficientNMS_ONNX_TRT", attrs, arrays["boxes"], arrays["scores"])[0]
    expected = arrays["onnx_selected_indices"]
    assert rows.shape == expected.shape
    assert set(map(tuple, rows)) == set(map(tuple, expected))
    if case["onnx_rows_stable_over_5_runs"] and len(arrays["boxes"]) == 1 and not case["half"]:
        np.testing.assert_array_equal(rows, expected)


def small_case(batch: int = 2, anchors: int = 30, classes: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 60, (batch, anchors, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 50, (batch, anchors, 2))], 2).astype(np.float32)
    return boxes, rng.uniform(0, 1, (batch, anchors, classes)).astype(np.float32)


def test_unused_index_rows_repeat_the_last_one_and_are_minus_one_when_nothing_is_found() -> None:
    boxes, scores = small_case(batch=3)
    scores[1] = 0
    attrs = {"score_threshold": 0.9, "iou_threshold": 0.5, "max_output_boxes_per_class": 20, "center_point_box": 0}
    rows = lowered("EfficientNMS_ONNX_TRT", attrs, boxes, scores)[0]
    used = len(np.unique(rows, axis=0))
    assert rows.shape == (60, 3)
    assert used < 60
    assert (rows[used - 1 :] == rows[used - 1]).all()
    assert 1 not in rows[:, 0]
    nothing = lowered("EfficientNMS_ONNX_TRT", attrs, boxes, scores * 0)[0]
    assert (nothing == -1).all()


def test_a_background_class_is_never_reported() -> None:
    boxes, scores = small_case()
    attrs = {"score_threshold": 0.2, "iou_threshold": 0.5, "max_output_boxes": 40, "background_class": 1}
    count, *_, classes = lowered("EfficientNMS_TRT", attrs, boxes, scores)
    for image, used in enumerate(count[:, 0]):
        assert set(classes[image, :used]) == {0, 2}


def test_scores_activated_inside_equal_scores_activated_before() -> None:
    boxes, scores = small_case()
    logits = np.log(scores / (1 - scores))
    attrs = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_output_boxes": 40}
    before = lowered("EfficientNMS_TRT", attrs | {"score_activation": 0}, boxes, scores)
    inside = lowered("EfficientNMS_TRT", attrs | {"score_activation": 1}, boxes, logits)
    for ours, theirs in zip(inside, before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_singleton_axes_and_swapped_corners_are_read() -> None:
    boxes, scores = small_case()
    attrs = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_output_boxes": 40}
    plain = lowered("EfficientNMS_TRT", attrs, boxes, scores)
    shaped = lowered("EfficientNMS_TRT", attrs, boxes[:, :, None, [2, 3, 0, 1]], scores[..., None])
    for ours, theirs in zip(shaped, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("domain", ["", "TRT", "trt.plugins"])
def test_the_node_is_known_by_its_type_in_any_domain(domain: str) -> None:
    attrs = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_output_boxes": 40}
    graph = plugin_graph("EfficientNMS_TRT", attrs, *small_case(), domain=domain)
    assert needs_lowering(graph)
    lower(graph)
    assert not needs_lowering(graph)
    assert lower(graph) == []


def test_shapes_that_the_graph_does_not_say_are_inferred() -> None:
    boxes, scores = small_case()
    attrs = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_output_boxes": 40}
    graph = plugin_graph("EfficientNMS_TRT", attrs, boxes, scores)
    node, (raw_boxes, raw_scores) = graph.nodes[0], graph.inputs
    doubled = gs.Variable("doubled", np.dtype(np.float32))
    graph.nodes.append(gs.Node("Add", "double", inputs=[raw_boxes, raw_boxes], outputs=[doubled]))
    node.inputs = [doubled, raw_scores]
    lower(graph, META)
    outputs = run(session(checked(graph, META)), {"boxes": boxes, "scores": scores})
    expected = lowered("EfficientNMS_TRT", attrs, boxes * 2, scores)
    for ours, theirs in zip(outputs.values(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda graph: graph.nodes[0].inputs.append(gs.Constant("anchors", np.zeros((1, 30, 4), np.float32))),
            "anchors",
        ),
        (lambda graph: setattr(graph.inputs[0], "shape", ["batch", 30, 3, 4]), "one box an anchor"),
        (lambda graph: setattr(graph.inputs[0], "shape", None), "with a fixed picture size"),
        (lambda graph: setattr(graph, "opset", 11), "opset 11"),
    ],
    ids=["fused box decoder", "boxes of each class", "unknown shape", "old opset"],
)
def test_what_has_no_equivalent_is_refused_with_the_reason(change: Any, message: str) -> None:
    attrs = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_output_boxes": 40}
    graph = plugin_graph("EfficientNMS_TRT", attrs, *small_case())
    change(graph)
    with pytest.raises(UnsupportedError, match=message):
        lower(graph)


@pytest.mark.parametrize("route", ["efficient", "efficient-idx"])
def test_our_own_plugin_graphs_run_once_lowered(route: str) -> None:
    meta = model_meta()
    graph = raw_graph(meta, 30)
    meta, _ = add_nms(graph, meta, NmsSettings(route=route), parse_target("tensorrt:10.3"))
    assert needs_lowering(graph)
    lower(graph, meta)
    boxes, scores = small_case()
    assert (run(session(checked(graph, meta)), {"boxes": boxes, "scores": scores})["num_dets"] > 0).all()
