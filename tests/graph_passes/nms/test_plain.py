"""Route `plain` on ONNX Runtime against greedy NMS in numpy: set, order, counts, padding, for any batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nms_reference import Array, greedy_nms
from raw_heads import checked, model_meta, random_heads, raw_graph, run, session
from trtzoo.converters.heads import NmsSettings, end2end_outputs
from trtzoo.graph_passes.nms import add_nms
from trtzoo.graph_passes.target import parse_target

PLAIN = NmsSettings(route="plain", iou_thres=0.45, conf_thres=0.25, topk_all=20, candidates=60)


def reference(heads: dict[str, Array], image: int, settings: NmsSettings) -> list[tuple[int, int]]:
    return greedy_nms(
        heads["boxes"][image], heads["scores"][image], iou_thres=settings.iou_thres, conf_thres=settings.conf_thres,
        rows=settings.topk_all, candidates=settings.candidates, multi_label=settings.multi_label,
        class_agnostic=settings.class_agnostic,
    )  # fmt: skip


def assert_equals_reference(outputs: dict[str, Array], heads: dict[str, Array], settings: NmsSettings) -> None:
    for image in range(len(heads["boxes"])):
        expected = reference(heads, image, settings)
        count = int(outputs["num_dets"][image, 0])
        anchors, classes = ([pair[part] for pair in expected] for part in (0, 1))
        assert count == len(expected)
        np.testing.assert_array_equal(outputs["det_classes"][image, :count], classes)
        np.testing.assert_array_equal(outputs["det_scores"][image, :count], heads["scores"][image][anchors, classes])
        np.testing.assert_array_equal(outputs["det_boxes"][image, :count], heads["boxes"][image][anchors])
        for name in outputs.keys() - {"num_dets"}:
            assert not outputs[name][image, count:].any(), f"unused rows of {name}"


CASES = {
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
    "only exact copies go": (3, 100, {"iou_thres": 1.0}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [0, 8], ids=["distinct scores", "tied scores"])
def test_equals_greedy_nms(case: str, steps: int) -> None:
    classes, anchors, more = CASES[case]
    settings, meta = replace(PLAIN, **more), model_meta(classes=classes)
    graph = raw_graph(meta, anchors)
    meta, _ = add_nms(graph, meta, settings, parse_target("onnxruntime"))
    runtime = session(checked(graph, meta))
    for batch in (1, 2, 5):
        heads = random_heads(np.random.default_rng(batch), meta, batch, anchors, steps)
        assert_equals_reference(run(runtime, heads), heads, settings)


@pytest.mark.parametrize("opset", range(14, 21))
@pytest.mark.parametrize("batch", [None, 2], ids=["free batch", "batch 2"])
def test_outputs_keep_the_contract(opset: int, batch: int | None) -> None:
    meta = model_meta(batch=batch)
    graph = raw_graph(meta, 50, opset)
    meta, _ = add_nms(graph, meta, replace(PLAIN, multi_label=True), parse_target("onnxruntime"))
    outputs = session(checked(graph, meta)).get_outputs()
    types = {"int32": "tensor(int32)", "float32": "tensor(float)"}
    expected = [(spec.name, types[spec.dtype], list(spec.shape)) for spec in end2end_outputs(meta)]
    assert [(item.name, item.type, item.shape) for item in outputs] == expected
