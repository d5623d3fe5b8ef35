"""YOLO datasets: lines of text become boxes, points and outlines; damaged ones are named."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from labelled_squares import (
    write_yolo,
)
from truths import truths

from trtzoo.data.datasets.load import load_dataset
from trtzoo.data.datasets.yolo_txt import label_file
from trtzoo.errors import InputError


def test_oriented_boxes_are_the_rectangle_of_their_corners(tmp_path):
    path = write_yolo(tmp_path, "obb", [((0, 0),)])
    centre, along, across = np.array([48.0, 32.0]), np.array([18.0, 6.0]), np.array([-3.0, 9.0])
    points = np.array([centre + a * along + b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))])
    numbers = " ".join(f"{value:.8f}" for value in (points / [96, 64]).reshape(-1))
    (tmp_path / "labels" / "val" / "000001.txt").write_text(f"2 {numbers}\n")
    box = truths(load_dataset(path, "obb"))[0].boxes[0]
    assert box[:2] == pytest.approx(centre, abs=1e-3)
    assert sorted(box[2:4]) == pytest.approx(sorted([2 * np.hypot(*along), 2 * np.hypot(*across)]), abs=1e-3)
    long_side = box[4] if box[2] > box[3] else box[4] + np.pi / 2
    assert np.tan(long_side) == pytest.approx(6 / 18, abs=1e-4)


def test_a_flagless_yaml_finds_labels_below_its_last_images_folder(tmp_path):
    root = tmp_path / "images" / "set"
    path = write_yolo(root, "detect")
    assert label_file(root / "images" / "val" / "1.png") == root / "labels" / "val" / "1.txt"
    assert len(truths(load_dataset(path, "detect"))[0]) == 2


def test_a_list_of_pictures_and_of_parts(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "part.txt").write_text("./images/val/000002.png\nimages/val/000001.png\n")
    path.write_text(path.read_text().replace("val: images/val", "val: [part.txt]"))
    assert [sample.id for sample in load_dataset(path, "detect").samples] == [2, 1]


def test_pictures_without_numbers_get_some(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "images/val/000004.png").rename(tmp_path / "images/val/street.png")
    assert [sample.id for sample in load_dataset(path, "detect").samples] == [1, 2, 3, 4]


def test_a_missing_label_file_means_that_nothing_is_there(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "labels/val/000001.txt").unlink()
    assert len(truths(load_dataset(path, "detect"))[0]) == 0


def test_a_line_twice_counts_once(tmp_path):
    path = write_yolo(tmp_path, "detect")
    labels = tmp_path / "labels/val/000002.txt"
    labels.write_text(labels.read_text() * 2)
    assert len(truths(load_dataset(path, "detect"))[1]) == 1


BAD_LINES = {
    "0 .5 .5 .1": "at least four numbers",
    "0 .5 .5 .1 x": "no line of numbers",
    "3 .5 .5 .1 .1": "class 3 is not one of the 3",
    "0.5 .5 .5 .1 .1": "class 0.5",
    "0 50 .5 .1 .1": "0..1",
    "0 .5 .5 -.1 .1": "0..1",
    "0 .5 .5 nan .1": "four numbers",
}


@pytest.mark.parametrize(("line", "said"), BAD_LINES.items())
def test_damaged_lines_are_named(tmp_path, line, said):
    path = write_yolo(tmp_path, "detect")
    labels = tmp_path / "labels/val/000002.txt"
    labels.write_text(f"0 .5 .5 .1 .1\n{line}\n")
    with pytest.raises(InputError, match=f"{labels.name}:2.*{said}"):
        truths(load_dataset(path, "detect"))


BAD_YAMLS = {
    "no yaml at all": ("a: [", "YAML"),
    "a list": ("- a\n", "no data yaml"),
    "no names": ("val: images/val\n", "names"),
    "names with a gap": ("val: images/val\nnames: {0: a, 2: b}\n", "names"),
    "no split": ("names: [a]\n", "no 'val'"),
    "a folder that is not there": ("val: pictures\nnames: [a]\n", "neither a folder"),
    "flip_idx of another skeleton": ("val: images/val\nnames: [a]\nkpt_shape: [2, 3]\nflip_idx: [0, 2]\n", "flip_idx"),
    "kpt_shape of one number": ("val: images/val\nnames: [a]\nkpt_shape: [2]\n", "kpt_shape"),
}


@pytest.mark.parametrize(("text", "said"), BAD_YAMLS.values(), ids=BAD_YAMLS)
def test_damaged_yamls_say_what_is_wrong(tmp_path, text, said):
    path = write_yolo(tmp_path, "detect")
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_dataset(path, "detect")


def test_a_pose_needs_its_kpt_shape(tmp_path):
    with pytest.raises(InputError, match="kpt_shape"):
        load_dataset(write_yolo(tmp_path, "detect"), "pose")


OVER_THE_RIM = {
    "an oriented box of a cut tile": ("obb", "0 .9 .1 1.02 .1 1.02 .3 .9 .3", None),
    "an outline below the rim": ("segment", "0 .2 -.003 .3 .1 .2 .1", None),
    "an outline that stands for a box": ("detect", "0 .2 -.003 .3 .1 .2 .1", None),
    "an outline whose middle is outside": ("obb", "0 1.1 .1 1.3 .1 1.3 .3 1.1 .3", "0..1"),
    "an outline larger than the picture": ("segment", "0 -.1 .1 1.1 .1 .5 .5", "0..1"),
    "a plain box over the rim": ("detect", "0 1.02 .5 .1 .1", "0..1"),
    "a pose's box over the rim": ("pose", "0 .5 -.1 .1 .1 .5 .5 2 .5 .5 2", "0..1"),
}


@pytest.mark.parametrize(("task", "line", "said"), OVER_THE_RIM.values(), ids=OVER_THE_RIM)
def test_outlines_may_reach_over_the_rim_and_boxes_not(tmp_path, task, line, said):
    path = write_yolo(tmp_path, task)
    (tmp_path / "labels/val/000001.txt").write_text(f"{line}\n")
    with pytest.raises(InputError, match=said) if said else nullcontext():
        assert len(truths(load_dataset(path, task))[0]) == 1
