"""Each layout holds the rows, or the raw heads, that the separate tensors hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from raw_heads import MASKS, Array, checked, model_meta, random_heads, raw_graph, run, session

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import ModelError, UnsupportedError
from trtzoo.graph_passes.layouts.dressing import apply_layout
from trtzoo.graph_passes.nms import add_nms

TASKS = ["detect", "pose", "segment", "obb"]
SETTINGS = NmsSettings(route="plain", topk_all=12)
ANCHORS = 40


def rows_in(layout: str, task: str) -> tuple[Any, ModelMeta]:
    meta = model_meta(task, 3)
    graph = raw_graph(meta, ANCHORS)
    return graph, add_nms(graph, meta, SETTINGS, parse_target("onnxruntime"), layout)[0]


def outputs_of(graph: Any, meta: ModelMeta) -> dict[str, Array]:
    heads = random_heads(np.random.default_rng(0), meta, 2, ANCHORS)
    return run(session(checked(graph, meta)), heads)


def joined(rows: dict[str, Array], extras: Array | None) -> Array:
    """[B, K, 6 + extras] from the separate tensors."""
    batch, count = rows["det_scores"].shape
    parts = [rows["det_boxes"][..., :4], rows["det_scores"][..., None], rows["det_classes"][..., None]]
    if rows["det_boxes"].shape[2] == 5:
        parts.append(rows["det_boxes"][..., 4:])
    return np.concatenate(parts + ([] if extras is None else [extras.reshape(batch, count, -1)]), 2)


@pytest.mark.parametrize("task", TASKS)
def test_flat_rows(task: str) -> None:
    rows = outputs_of(*rows_in("separate", task))
    graph, meta = rows_in("flat", task)
    assert meta.layout == "flat"
    flat = outputs_of(graph, meta)
    extras = next((rows[name] for name in ("det_kpts", "det_masks") if name in rows), None)
    assert list(flat) == ["output"]
    np.testing.assert_array_equal(flat["output"], joined(rows, extras))


@pytest.mark.parametrize("task", TASKS)
def test_ultralytics_rows(task: str) -> None:
    rows = outputs_of(*rows_in("separate", task))
    graph, meta = rows_in("ultralytics", task)
    dressed = outputs_of(graph, meta)
    if task == "segment":
        heads = random_heads(np.random.default_rng(0), meta, 2, ANCHORS)
        np.testing.assert_array_equal(dressed["output1"], heads["protos"])
        assert dressed["output0"].shape == (2, 12, 6 + MASKS[0])
        np.testing.assert_array_equal(dressed["output0"][..., :6], joined(rows, None))
        used = [np.flatnonzero((heads["boxes"][0] == box).all(1))[0] for box in rows["det_boxes"][0][:3]]
        np.testing.assert_array_equal(dressed["output0"][0, :3, 6:], heads["mask_coeffs"][0, used])
    else:
        assert list(dressed) == ["output0"]
        np.testing.assert_array_equal(dressed["output0"], joined(rows, rows.get("det_kpts")))


def test_deepstream_rows_are_four_tensors_in_order_with_float_classes() -> None:
    rows = outputs_of(*rows_in("separate", "detect"))
    dressed = outputs_of(*rows_in("deepstream", "detect"))
    assert list(dressed) == ["num_dets", "det_boxes", "det_scores", "det_classes"]
    assert dressed["num_dets"].dtype == np.int32
    assert dressed["det_classes"].dtype == np.float32
    for name, values in rows.items():
        np.testing.assert_array_equal(dressed[name], values)


@pytest.mark.parametrize("layout", ["flat", "deepstream", "ultralytics"])
def test_a_finished_graph_can_be_dressed_anew(layout: str) -> None:
    graph, meta = rows_in("separate", "detect")
    again = outputs_of(graph, apply_layout(graph, meta, layout))
    direct = outputs_of(*rows_in(layout, "detect"))
    assert list(again) == list(direct)
    for name, values in direct.items():
        np.testing.assert_array_equal(again[name], values)


@pytest.mark.parametrize("task", [*TASKS, "classify"])
def test_raw_heads_as_ultralytics_exports_them(task: str) -> None:
    meta = model_meta(task, 3)
    graph = raw_graph(meta, ANCHORS)
    heads = random_heads(np.random.default_rng(0), meta, 2, ANCHORS) if task != "classify" else {}
    if task == "classify":
        heads["probs"] = np.random.default_rng(0).uniform(size=(2, 3)).astype(np.float32)
    meta = apply_layout(graph, meta, "ultralytics")
    assert (meta.layout, meta.end2end) == ("ultralytics", False)
    outputs = run(session(checked(graph, meta)), heads)
    if task == "classify":
        np.testing.assert_array_equal(outputs["output0"], heads["probs"])
        return
    x1, y1, x2, y2 = np.moveaxis(heads["boxes"][..., :4], 2, 0)
    centred = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    boxes = heads["boxes"][..., :4] if task == "obb" else np.stack(centred, 2)
    extras = [heads[name].reshape(2, ANCHORS, -1) for name in ("keypoints", "mask_coeffs") if name in heads]
    extras += [heads["boxes"][..., 4:]] if task == "obb" else []
    expected = np.concatenate([boxes, heads["scores"], *extras], 2).transpose(0, 2, 1)
    np.testing.assert_allclose(outputs["output0"], expected, rtol=1e-6)
    assert list(outputs) == (["output0", "output1"] if task == "segment" else ["output0"])


def test_raw_heads_stay_as_they_are_in_the_separate_layout() -> None:
    meta = model_meta()
    graph = raw_graph(meta, 5)
    assert apply_layout(graph, meta, "separate") == meta
    assert [tensor.name for tensor in graph.outputs] == ["boxes", "scores"]


@pytest.mark.parametrize(
    ("layout", "task", "topk", "error", "message"),
    [
        ("deepstream", "pose", 100, UnsupportedError, "reads boxes only"),
        ("deepstream", "detect", 300, UnsupportedError, "at most 200 rows.*--topk-all 200"),
    ],
)
def test_layouts_that_do_not_fit_are_refused(
    layout: str, task: str, topk: int, error: type[Exception], message: str
) -> None:
    meta = model_meta(task)
    with pytest.raises(error, match=message):
        add_nms(raw_graph(meta, 5), meta, NmsSettings(topk_all=topk), parse_target("onnxruntime"), layout)


def test_raw_heads_have_no_rows_to_dress() -> None:
    meta = model_meta()
    with pytest.raises(UnsupportedError, match="add --end2end"):
        apply_layout(raw_graph(meta, 5), meta, "flat")


def test_finished_masks_cannot_become_coefficients_again() -> None:
    graph, meta = rows_in("separate", "segment")
    with pytest.raises(UnsupportedError, match="coefficients are gone"):
        apply_layout(graph, meta, "ultralytics")


def test_a_dressed_graph_is_not_dressed_twice() -> None:
    graph, meta = rows_in("flat", "detect")
    with pytest.raises(ModelError, match="only raw heads and the layout separate"):
        apply_layout(graph, meta, "deepstream")
