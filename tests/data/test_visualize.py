"""Labels are drawn where they lie, each kind of them: what changed in a grey picture is around the labels and nowhere else."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from trtzoo.cli import main
from trtzoo.engines.pictures.masks import run_lengths

GREY, HEIGHT, WIDTH = 97, 100, 200


@pytest.fixture
def dataset(tmp_path):
    """Two grey pictures, each 100 x 200 with a dog in the middle, and one without a label."""
    for folder in ("images", "labels"):
        (tmp_path / folder / "train").mkdir(parents=True)
    for name in "abc":
        cv2.imwrite(str(tmp_path / "images" / "train" / f"{name}.png"), np.full((HEIGHT, WIDTH, 3), GREY, np.uint8))
        if name != "c":
            (tmp_path / "labels" / "train" / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    return tmp_path


def drawn(folder, *flags, data="data.yaml", name="a"):
    """Which pixels of picture a drawing changed, bool [HEIGHT, WIDTH]."""
    assert main(["data", "visualize", str(folder / data), "-o", str(folder / "drawn"), "--num", "9", *flags]) == 0
    return np.abs(cv2.imread(str(folder / "drawn" / f"{name}.jpg")).astype(int) - GREY).max(axis=2) > 40


def label(folder, text, more=""):
    (folder / "labels" / "train" / "a.txt").write_text(text)
    with (folder / "data.yaml").open("a") as stream:
        stream.write(more)


def test_a_box_is_drawn_where_it_lies(dataset):
    changed = drawn(dataset)
    assert {path.name for path in (dataset / "drawn").iterdir()} == {"a.jpg", "b.jpg"}
    rows, columns = np.nonzero(changed)
    assert 78 <= columns.min() <= 81 and rows.min() - 2 <= 28
    assert 118 <= columns[rows > 60].max() <= 122 and 68 <= rows.max() <= 72
    assert not changed[40:60, 90:110].any()


def test_pictures_without_labels_are_not_drawn(dataset):
    (dataset / "labels" / "train" / "b.txt").unlink()
    for seed in "012":
        drawn(dataset, "--num", "1", "--seed", seed)
    assert [path.name for path in (dataset / "drawn").iterdir()] == ["a.jpg"]


def test_a_skeleton_joins_the_points_that_are_labelled(dataset):
    """The shoulders, and a wrist that is not labelled and so has neither point nor limb."""
    points = np.zeros((17, 3))
    points[5], points[6] = (0.45, 0.5, 2), (0.55, 0.5, 1)
    text = " ".join(f"{value:g}" for value in points.ravel())
    label(dataset, f"1 0.5 0.5 0.2 0.4 {text}\n", "kpt_shape: [17, 3]\n")
    (dataset / "labels" / "train" / "b.txt").unlink()
    inside = drawn(dataset, "--task", "pose")[34:66, 86:114]
    rows, columns = np.nonzero(inside)
    assert columns.min() + 86 >= 87 and columns.max() + 86 <= 113
    assert inside[16].sum() > 18
    assert abs(rows.mean() + 34 - 50) < 1


OUTLINE = np.array([[40, 20], [160, 20], [160, 80], [40, 80]])


def test_a_mask_is_filled_and_an_oriented_box_is_not(dataset):
    (dataset / "labels" / "train" / "b.txt").unlink()
    label(dataset, "1 " + " ".join(f"{value:g}" for value in (OUTLINE / [WIDTH, HEIGHT]).ravel()) + "\n")
    filled, hollow = drawn(dataset, "--task", "segment"), drawn(dataset, "--task", "obb")
    assert filled[25:75, 45:155].all() and not filled[:, :36].any() and not filled[86:].any()
    assert not hollow[25:75, 45:155].any() and hollow[60, 38:43].any()


def test_an_oriented_box_is_drawn_as_it_lies(dataset):
    (dataset / "labels" / "train" / "b.txt").unlink()
    label(dataset, "1 0.5 0.1 0.7 0.5 0.5 0.9 0.3 0.5\n")
    changed = drawn(dataset, "--task", "obb")
    assert changed[69:72, 78:83].any(), "the edge from the left to the lower corner"
    assert not changed[80:, :70].any(), "the corner of the box around it"


def coco(folder, segmentation, size=(HEIGHT, WIDTH)):
    image = {"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}
    record = {"image_id": 1, "category_id": 3, "bbox": [40, 20, 120, 60], "segmentation": segmentation}
    document = {"images": [image], "annotations": [record], "categories": [{"id": 3, "name": "dog"}]}
    (folder / "labels.json").write_text(json.dumps(document))
    return "--images", str(folder / "images" / "train"), "--task", "segment"


@pytest.fixture
def mask():
    """A frame: what run lengths can say and one polygon cannot."""
    found = np.zeros((HEIGHT, WIDTH), bool)
    found[20:80, 40:160] = True
    found[35:65, 60:140] = False
    return found


@pytest.mark.parametrize("packed", [True, False], ids=["compressed", "a list"])
def test_run_lengths_are_drawn(dataset, mask, packed):
    runs = run_lengths(mask)
    if not packed:
        changes = np.flatnonzero(np.diff(mask.ravel(order="F").astype(int))) + 1
        runs["counts"] = np.diff([0, *changes, mask.size]).tolist()
    changed = drawn(dataset, *coco(dataset, runs), data="labels.json")
    assert changed[22:33, 45:155].all() and not changed[38:62, 65:135].any() and not changed[86:].any()


def test_run_lengths_of_another_size_are_one_line(dataset, mask, capsys):
    runs = run_lengths(mask[:50])
    flags = coco(dataset, runs)
    assert main(["data", "visualize", str(dataset / "labels.json"), "-o", str(dataset / "drawn"), *flags]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.png cannot be drawn" in line


def test_pictures_of_one_name_in_two_folders_get_a_drawing_each(dataset):
    for kind, suffix in (("images", "png"), ("labels", "txt")):
        (dataset / kind / "val").mkdir()
        (dataset / kind / "train" / f"b.{suffix}").rename(dataset / kind / "val" / f"a.{suffix}")
    (dataset / "data.yaml").write_text("train: [images/train, images/val]\nnames: [cat, dog]\n")
    drawn(dataset)
    assert {path.name for path in (dataset / "drawn").iterdir()} == {"a.jpg", "a-2.jpg"}
