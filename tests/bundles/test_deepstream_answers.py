"""The Python model of nvinfer against what NVIDIA's own code answered, so that the other tests may rely on it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from nvinfer import Frame, Object, RefusedError, attached, read_config, stock, unclustered
from shared import GOLDEN, needs_golden

FOLDER = GOLDEN / "deepstream"
ANSWERS = json.loads((FOLDER / "answers.json").read_text()) if FOLDER.is_dir() else []
READER = json.loads((FOLDER / "reader.json").read_text()) if FOLDER.is_dir() else []
OUTPUTS = ("num_dets", "det_boxes", "det_scores", "det_classes")


def compare(found: list[Object], recorded: list[dict]) -> None:
    assert [item.label for item in found] == [item["class"] for item in recorded]
    np.testing.assert_allclose([item.score for item in found], [item["score"] for item in recorded], atol=1e-6)
    boxes = np.array([item.box for item in found]).reshape(-1, 4)
    np.testing.assert_allclose(boxes, np.array([item["box"] for item in recorded]).reshape(-1, 4), rtol=0, atol=1e-3)


@needs_golden
@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: f"{case['case']}-{case['crop-objects-to-roi-boundary']}")
def test_parsed_and_frame_objects_are_those_of_nvidia(case):
    with np.load(FOLDER / "outputs.npz") as file:
        outputs = {name: file[f"{case['case']}:{name}"] for name in OUTPUTS}
    answer = case["answer"]
    frame = Frame(
        tuple(case["frame"]), tuple(case["network"]), bool(case["maintain-aspect-ratio"]), bool(case["symmetric-padding"]),
        bool(case["crop-objects-to-roi-boundary"]),
    )  # fmt: skip
    scale, offset, size = frame.placement
    assert scale == pytest.approx((answer["scale_x"], answer["scale_y"]), abs=1e-8)
    assert offset == (answer["offset_left"], answer["offset_top"])
    assert size == (answer["dst_rect"]["width"], answer["dst_rect"]["height"])
    threshold = case["pre-cluster-threshold"]
    found = unclustered(stock(outputs, frame.network, 80, threshold), [threshold] * 80)
    compare(found, answer["parsed"])
    compare(attached(found, frame), answer["objects"])


@needs_golden
def test_the_answers_hold_objects_that_the_crop_key_changes():
    by_crop = [
        [c["answer"]["objects"] for c in ANSWERS if c["crop-objects-to-roi-boundary"] == crop] for crop in (0, 1)
    ]
    assert by_crop[0] != by_crop[1]


@needs_golden
@pytest.mark.parametrize("case", READER, ids=lambda case: case["case"])
def test_configurations_are_taken_and_refused_as_by_nvidia(case):
    if not case["accepted"]:
        with pytest.raises(RefusedError):
            read_config(case["config"])
        return
    _, unknown = read_config(case["config"])
    said = [line for line in case["says"] if line.startswith("Unknown or legacy key")]
    assert [f"Unknown or legacy key specified '{key}' for group [property]" for key in unknown] == said
