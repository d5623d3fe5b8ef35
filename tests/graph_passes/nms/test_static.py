"""Route `static`: exact while no chain of suppressions is longer than its steps, without control flow, and says when it was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nms_reference import Array, box_iou, greedy_nms
from raw_heads import model_meta, raw_graph, run
from routes import assert_same_rows, end_to_end

from trtzoo import ConvertSettings, Predictor, convert, open_runtime
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError
from trtzoo.graph_passes.nms import add_nms

SHARED = Path(__file__).resolve().parents[4] / "shared"
WEIGHTS, PICTURES = SHARED / "weights" / "yolov8n.pt", SHARED / "coco" / "images"

CAPTURABLE = {
    "Abs", "Add", "And", "ArgMax", "Cast", "Clip", "Concat", "Cos", "Div", "Equal", "Exp", "Expand", "GatherElements", "Greater",
    "HardSigmoid", "Identity", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "Pad", "Range", "ReduceMax", "ReduceSum",
    "Relu", "Reshape", "Sigmoid", "Sin", "Split", "Sqrt", "Squeeze", "Sub", "TopK", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operators whose outputs have the same shape whatever the data. No Loop, If or NonMaxSuppression; no GatherND, which reads a
table of the host's memory on ONNX Runtime; HardSigmoid, like the others, is in TensorRT since before 8.5."""


def chain(length: int) -> dict[str, Array]:
    """A row of boxes, each overlapping its neighbours by 2/3: `length` suppressions one after the other, best first."""
    left = np.arange(length + 1, dtype=np.float32) * 2
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], 1)
    scores = np.linspace(0.9, 0.3, length + 1, dtype=np.float32)
    return {"boxes": boxes[None], "scores": scores[None, :, None]}


def found(heads: dict[str, Array], steps: int, **more: Any) -> list[float]:
    anchors = heads["boxes"].shape[1]
    settings = NmsSettings("static", iou_thres=0.5, conf_thres=0.25, topk_all=60, steps=steps, **more)
    outputs = run(end_to_end(model_meta(classes=1), settings, anchors)[0], heads)
    return outputs["det_scores"][0, : outputs["num_dets"][0, 0]].tolist()


@pytest.mark.parametrize("steps", [1, 2, 5, 16])
def test_exact_up_to_chains_as_long_as_the_steps(steps: int) -> None:
    """In a chain every other box survives; one link more than steps, and the last box is wrong: too many, or one too few."""
    for length in (1, steps - 1, steps):
        assert found(chain(length), steps) == chain(length)["scores"][0, ::2, 0].tolist()
    survivors = chain(steps + 1)["scores"][0, ::2, 0].tolist()
    last = float(chain(steps + 1)["scores"][0, -1, 0])
    assert found(chain(steps + 1), steps) == (survivors[:-1] if steps % 2 else [*survivors, last])


def test_a_box_that_ends_a_short_chain_is_right_beside_a_long_one() -> None:
    """The answer is wrong in the long chain only."""
    long, alone = chain(9), np.array([[500, 0, 510, 10], [502, 0, 512, 10]], np.float32)
    boxes = np.concatenate([long["boxes"][0], alone])
    scores = np.concatenate([long["scores"][0, :, 0], np.array([0.95, 0.94], np.float32)])
    kept = found({"boxes": boxes[None], "scores": scores[None, :, None]}, 2)
    assert np.float32(0.95) in kept and np.float32(0.94) not in kept
    assert len(kept) > 1 + len(found(long, 16))


def depth(boxes: Array, iou_thres: float) -> int:
    """The longest chain of suppressions among boxes in descending order of score."""
    close, longest = box_iou(boxes) > iou_thres, np.zeros(len(boxes), int)
    for j in range(len(boxes)):
        longest[j] = max((longest[i] + 1 for i in range(j) if close[i, j]), default=0)
    return int(longest.max(initial=0))


@pytest.mark.parametrize("seed", range(4))
def test_random_crowds_need_no_more_steps_than_their_longest_chain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    middle, size = rng.uniform(0, 60, (40, 2)), rng.uniform(10, 30, (40, 2))
    boxes = np.concatenate([middle - size / 2, middle + size / 2], 1).astype(np.float32)
    scores = np.sort(rng.uniform(0.3, 1, 40).astype(np.float32))[::-1].copy()
    heads = {"boxes": boxes[None], "scores": scores[None, :, None]}
    settings = NmsSettings("static", iou_thres=0.5, conf_thres=0.25, topk_all=60, steps=depth(boxes, 0.5))
    _, meta = end_to_end(model_meta(classes=1), settings, 40)
    assert meta.nms is not None and settings.steps is not None
    expected = [float(scores[anchor]) for anchor, _ in greedy_nms(boxes, scores[:, None], meta.nms, box_iou)]
    assert found(heads, settings.steps) == expected


@pytest.mark.parametrize(("agnostic", "kept"), [(False, [0.9, 0.8]), (True, [0.9])])
def test_only_boxes_of_a_class_suppress_each_other(agnostic: bool, kept: list[float]) -> None:
    """The same box twice, of two classes."""
    settings = NmsSettings("static", class_agnostic=agnostic)
    heads = {"boxes": np.array([[[0, 0, 9, 9], [0, 0, 9, 9]]], np.float32), "scores": np.zeros((1, 2, 2), np.float32)}
    heads["scores"][0, [0, 1], [0, 1]] = [0.9, 0.8]
    outputs = run(end_to_end(model_meta(classes=2), settings, 2)[0], heads)
    assert outputs["det_scores"][0, : outputs["num_dets"][0, 0]].tolist() == np.float32(kept).tolist()


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
def test_holds_nothing_that_a_cuda_graph_cannot(task: str) -> None:
    graph = raw_graph(meta := model_meta(task, 3), 700)
    add_nms(graph, meta, NmsSettings("static", multi_label=True), parse_target("tensorrt:8.5"))
    assert {node.op for node in graph.nodes} <= CAPTURABLE
    steps = [node for node in graph.nodes if node.op == "MatMul" and node.inputs[0].shape == ["batch", 512, 512]]
    assert len(steps) == 15  # the first one is a sum


def test_metadata_holds_candidates_and_steps() -> None:
    for settings, wanted in (
        (NmsSettings("static"), (512, 16)),
        (NmsSettings("static", topk_all=300), (600, 16)),
        (NmsSettings("static", candidates=100, steps=4), (100, 4)),
    ):
        nms = end_to_end(model_meta(), settings, 20)[1].nms
        assert nms is not None and (nms.candidates, nms.steps) == wanted
    nms = end_to_end(model_meta(), NmsSettings("plain"), 20)[1].nms
    assert nms is not None and (nms.candidates, nms.steps) == (1000, None)


@pytest.mark.parametrize(("route", "steps"), [("plain", 4), ("auto", 4), ("static", 0), ("static", 257)])
def test_steps_of_another_route_or_out_of_range_are_refused(route: Any, steps: int) -> None:
    with pytest.raises(InputError, match=f"--nms-steps.*({route if steps == 4 else steps})"):
        NmsSettings(route, steps=steps)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Array]]:
    """The raw heads of YOLOv8n for pictures of COCO."""
    if not WEIGHTS.exists() or not PICTURES.exists():
        pytest.skip("../shared is absent")
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    convert(WEIGHTS, path, ConvertSettings(verify=False))
    with Predictor(open_runtime(path)) as model:
        pictures = [model.prepare(path).image for path in sorted(PICTURES.glob("*.jpg"))[:3]]
        return [model.runtime.infer(picture[None]) for picture in pictures]


@pytest.mark.parametrize("multi_label", [False, True], ids=["single label", "multi label"])
@pytest.mark.parametrize("conf_thres", [0.25, 0.001])
def test_photographs_need_no_more_than_the_usual_steps(
    photographs: list[dict[str, Array]], conf_thres: float, multi_label: bool
) -> None:
    """At the usual threshold 512 candidates are all there are; at that of an evaluation the best 512 settle, too."""
    settings = NmsSettings("static", conf_thres=conf_thres, topk_all=300, candidates=512, multi_label=multi_label)
    runtime, meta = end_to_end(model_meta(classes=80), settings, photographs[0]["boxes"].shape[1])
    for heads in photographs:
        assert_same_rows(run(runtime, heads), heads, meta)
