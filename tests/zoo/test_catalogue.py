"""The catalogue: every spelling finds its model, and no entry is malformed."""

from __future__ import annotations

import re

import pytest

from trtzoo.cli.commands.supply.zoo import FAMILIES, TASKS
from trtzoo.errors import InputError
from trtzoo.zoo.catalogue import catalogue, find_model

SPELLINGS = {
    "yolo11n-pose": (
        "yolo11n-pose",
        "yolov11n-pose",
        "YOLO11n_pose.pt",
        "yolo11npose",
        " yolo11n-pose ",
        "yolo11n-keypoints",
        "yolo-v11-n-pose",
    ),
    "yolov8n": ("yolov8n", "yolo8n", "YOLOv8n.pt", "yolov8n-detect"),
    "yolov8m-seg": ("yolov8m-seg", "yolov8m-segment", "yolo8m_segmentation"),
    "yolo26x-cls": ("yolo26x-cls", "yolov26x-classify"),
    "yolov5s6-pose": ("yolov5s6-pose", "yolov5s6_pose", "YOLOv5s6-Pose"),
    "yolov4": ("yolov4", "yolov4.cfg", "yolo4.weights"),
    "yolov4-tiny": ("yolov4-tiny", "yolov4tiny"),
    "yolov7-w6-pose": ("yolov7-w6-pose", "yolov7_w6_pose.pt"),
    "yolov9c": ("yolov9c", "yolov9-c"),
}


@pytest.mark.parametrize(("name", "spelling"), [(name, way) for name, ways in SPELLINGS.items() for way in ways])
def test_a_name_is_understood_in_any_usual_spelling(name, spelling):
    assert find_model(spelling).name == name


WAYS = {
    "capitals": str.upper,
    "underscores": lambda name: name.replace("-", "_"),
    "spaces": lambda name: name.replace("-", " "),
    "nothing between": lambda name: name.replace("-", ""),
    "the file": lambda name: f"{name}.pt",
    "without v": lambda name: name.replace("yolov", "yolo"),
    "with v": lambda name: re.sub(r"yolo(?=\d)", "yolov", name),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_model_is_found_in_every_way_and_no_other(way):
    assert {way(name): find_model(way(name)).name for name in catalogue()} == {way(name): name for name in catalogue()}


@pytest.mark.parametrize(
    ("wrong", "close"), [("yolo11n-pos", "yolo11n-pose"), ("yolov8nn", "yolov8n"), ("yolov4-tny", "yolov4-tiny")]
)
def test_a_close_miss_is_suggested(wrong, close):
    with pytest.raises(InputError, match=rf"did you mean .*{re.escape(close)}"):
        find_model(wrong)


def test_a_name_without_size_is_answered_with_the_smallest_ones():
    with pytest.raises(InputError, match="did you mean yolov8n or yolov8s or yolov8m"):
        find_model("yolov8")


def test_a_name_that_is_close_to_none_gets_no_suggestion():
    with pytest.raises(InputError) as caught:
        find_model("resnet50")
    assert "did you mean" not in str(caught.value)
    assert "trtzoo zoo list" in str(caught.value)


def test_the_families_and_tasks_that_the_list_can_be_narrowed_to_are_all_there_are():
    assert {model.family for model in catalogue().values()} == set(FAMILIES)
    assert {model.task for model in catalogue().values()} == set(TASKS)


@pytest.mark.parametrize("model", catalogue().values(), ids=lambda model: model.name)
def test_an_entry_is_whole(model):
    assert find_model(model.name) is model
    assert model.licence
    assert len(model.files) == (2 if model.family == "darknet" else 1)
    for file in model.files:
        assert re.fullmatch(r"https?://[\w./-]+", file.url)
        assert re.fullmatch(r"[\w.-]+\.(pt|cfg|weights)", file.name)
        assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)


@pytest.mark.parametrize(
    ("name", "task"),
    [("yolov8n", "detect"), ("yolo11n-pose", "pose"), ("yolo26n-obb", "obb"), ("yolov5n-cls", "classify"), ("yolov9c-seg", "segment")],
)  # fmt: skip
def test_the_task_is_that_of_the_name(name, task):
    assert find_model(name).task == task
