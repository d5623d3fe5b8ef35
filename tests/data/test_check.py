"""What is wrong with a dataset is found, each fault planted once into a sound one."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from trtzoo.cli import main
from trtzoo.data.check import check_dataset
from trtzoo.errors import InputError


@pytest.fixture
def dataset(tmp_path):
    """Two pictures to train on and one to measure with, each 100 x 200 with a dog; the last one without a label."""
    for part, names in (("train", "ab"), ("val", "c")):
        for folder in ("images", "labels"):
            (tmp_path / folder / part).mkdir(parents=True)
        for name in names:
            picture = np.full((100, 200, 3), ord(name), np.uint8)
            cv2.imwrite(str(tmp_path / "images" / part / f"{name}.png"), picture)
            if name != "c":
                (tmp_path / "labels" / part / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return tmp_path


def found(dataset, task="detect"):
    return [problem.kind for problem in check_dataset(dataset / "data.yaml", task).problems]


def test_a_sound_dataset_has_no_problem(dataset):
    checked = check_dataset(dataset / "data.yaml", "detect")
    assert checked.problems == []
    assert (checked.pictures, dict(checked.objects), checked.background) == ({"train": 2, "val": 1}, {1: 2}, 1)


def label(text):
    return lambda folder: (folder / "labels" / "train" / "a.txt").write_text(text)


FAULTS = {
    "a class that the yaml does not know": (label("2 0.5 0.5 0.2 0.4\n"), ["label"]),
    "a coordinate beyond the picture": (label("1 1.5 0.5 0.2 0.4\n"), ["label"]),
    "a word among the numbers": (label("1 0.5 O.5 0.2 0.4\n"), ["label"]),
    "a line of four numbers": (label("1 0.5 0.5 0.2\n"), ["label"]),
    "two bad lines": (label("7 0.5 0.5 0.2 0.4\n1 0.5\n"), ["label", "label"]),
    "a line twice": (label("1 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4\n"), ["duplicate"]),
    "a box without area": (label("1 0.5 0.5 0 0.4\n"), ["label"]),
    "labels whose picture is gone": (lambda folder: (folder / "labels" / "train" / "z.txt").write_text("1 0.5 0.5 0.2 0.4\n"), ["picture"]),
    "a picture that is none": (lambda folder: (folder / "images" / "train" / "a.png").write_bytes(b"no picture"), ["picture"]),
    "a picture in both parts": (
        lambda folder: shutil.copy(folder / "images" / "train" / "a.png", folder / "images" / "val" / "z.png"), ["leak"],
    ),
    "a picture twice in one part": (
        lambda folder: shutil.copy(folder / "images" / "train" / "a.png", folder / "images" / "train" / "z.png"), ["duplicate"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "kinds"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found(dataset, plant, kinds):
    plant(dataset)
    assert found(dataset) == kinds


def test_a_listed_picture_that_is_not_there(dataset):
    (dataset / "train.txt").write_text("./images/train/a.png\n./images/train/gone.png\n")
    (dataset / "data.yaml").write_text("train: train.txt\nnames: [cat, dog]\n")
    assert found(dataset) == ["picture"]


POINTS = {
    "sound": ("0.5 0.5 2 0.9 0.9 1", []),
    "one that is not labelled": ("0.5 0.5 2 0 0 0", []),
    "outside": ("0.5 0.5 2 1.2 0.9 1", ["keypoint 1 lies outside the picture (1.2, 0.9)"]),
    "of a visibility that is none": ("0.5 0.5 7 0.9 0.9 1", ["keypoint 0 has the visibility 7"]),
    "in pixels": ("10 20 2 30 40 2", ["keypoint 0 lies outside", "keypoint 1 lies outside"]),
}


@pytest.mark.parametrize(("points", "said"), POINTS.values(), ids=POINTS)
def test_keypoints_are_looked_at(dataset, points, said):
    for name in "ab":
        (dataset / "labels" / "train" / f"{name}.txt").write_text(
            f"1 0.5 0.5 0.2 0.4 {points}\n" if name == "a" else ""
        )
    with (dataset / "data.yaml").open("a") as stream:
        stream.write("kpt_shape: [2, 3]\n")
    problems = check_dataset(dataset / "data.yaml", "pose").problems
    assert len(problems) == len(said)
    for problem, text in zip(problems, said, strict=True):
        assert f"a.txt:1: {text}" in problem.text


def test_lists_and_pictures_of_no_part_are_no_stray_labels(dataset):
    """Pictures and labels in one folder, with the lists and the classes; one picture is in no part."""
    for path in [*dataset.rglob("*.png"), *dataset.rglob("*.txt")]:
        path.rename(dataset / path.name)
    shutil.copy(dataset / "a.txt", dataset / "c.txt")
    (dataset / "train.txt").write_text("./a.png\n./b.png\n")
    (dataset / "classes.txt").write_text("cat\ndog\n")
    (dataset / "data.yaml").write_text("train: train.txt\nnames: [cat, dog]\n")
    assert found(dataset) == []
    (dataset / "c.png").unlink()
    assert found(dataset) == ["picture"]


def test_lines_of_another_task_are_found(dataset):
    assert found(dataset, "obb") == ["label", "label"]


def test_a_fault_in_a_picture_of_two_parts_is_said_once(dataset):
    label("1 0.5 0.5 0 0.4\n")(dataset)
    (dataset / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [cat, dog]\n")
    assert found(dataset) == ["label", "leak", "leak"]


def test_a_yaml_without_parts_is_refused(dataset):
    (dataset / "data.yaml").write_text("names: [cat, dog]\n")
    with pytest.raises(InputError, match="has none of train, val, test"):
        check_dataset(dataset / "data.yaml", "detect")


def test_the_command_names_the_line_and_draws_the_histogram(dataset, capsys):
    label("2 0.5 0.5 0.2 0.4\n")(dataset)
    assert main(["data", "check", str(dataset / "data.yaml"), "--histogram", str(dataset / "h.png")]) == 1
    out, err = capsys.readouterr()
    assert "a.txt:1: class 2" in out
    assert err.splitlines()[-1].startswith("error: 1 problems in ")
    assert cv2.imread(str(dataset / "h.png")) is not None


def test_the_commands_json_is_one_document(dataset, capsys):
    assert main(["data", "check", str(dataset / "data.yaml"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["objects"] == {"cat": 0, "dog": 2}
    assert document["problems"] == []


def test_a_split_and_converted_set_passes_its_own_check(tmp_path, capsys):
    """json2yolo, split and check one after the other, as the tutorial does it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "json").mkdir()
    for number in range(10):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.full((40, 60, 3), 20 * number, np.uint8))
        record = {"category_id": 1, "category_name": "dog", "bbox": [6, 4, 30, 20], "keypoints": [10, 10, 2, 20, 10, 1]}
        image = {"file_name": f"{number}.png", "height": 40, "width": 60}
        (tmp_path / "json" / f"{number}.json").write_text(json.dumps({"images": [image], "annotations": [record]}))
    assert main(["data", "json2yolo", str(tmp_path / "json"), "-o", str(tmp_path / "labels")]) == 0
    assert main(["data", "split", str(tmp_path / "images"), "-o", str(tmp_path)]) == 0
    (tmp_path / "data.yaml").write_text(
        "train: train.txt\nval: val.txt\ntest: test.txt\nnames: [dog]\nkpt_shape: [2, 3]\n"
    )
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "data.yaml"), "--task", "pose", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pictures"] == {"train": 7, "val": 2, "test": 1}
    assert document["objects"] == {"dog": 10}
