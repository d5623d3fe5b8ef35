"""What `trtzoo detect` writes: JSON by its schema, YOLO's labels, COCO results, crops, and how pictures are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from colour_network import NAMES, cells, colour_network, picture_with, write
from videos import write_video

from trtzoo.cli import main

ROOT = Path(__file__).resolve().parents[3]
SQUARES = [(2, 0), (9, 1), (22, 2)]
TASKS = ["detect", "segment", "pose", "obb", "classify"]


def model_of(folder: Path, task: str = "detect") -> Path:
    return write(folder, colour_network(task), None)


def picture_in(folder: Path, name: str = "a.png") -> Path:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), picture_with(SQUARES))
    return folder / name


def detect(model: Path, source: Path, out: Path, *flags) -> int:
    return main(["detect", *map(str, (model, source)), "-o", str(out), "--conf-thres", "0.6", *map(str, flags)])


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("flags", [[], ["--no-images"]], ids=["with pictures", "without"])
@pytest.mark.parametrize("task", TASKS)
def test_the_json_keeps_to_its_schema(task, flags, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs" / "schemas" / "detections.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    picture_in(tmp_path / "in")
    write_video(tmp_path / "in" / "b.mp4", [picture_with(SQUARES)] * 2)
    (tmp_path / "in" / "c.png").touch()
    assert detect(model_of(tmp_path, task), tmp_path / "in", tmp_path / "out", *flags) == 3
    document = json.loads((tmp_path / "out" / "detections.json").read_bytes())
    lines = [json.loads(line) for line in (tmp_path / "out" / "detections.jsonl").read_bytes().splitlines()]
    assert (len(document["pictures"]), len(document["skipped"]), len(lines)) == (3, 1, 4)
    for value in (document, *lines):
        validator.validate(value)
        assert (value["schema"], value["version"]) == ("trtzoo.detections", 1)
    assert all(("annotated" in record) == (not flags) for record in document["pictures"])


@pytest.mark.parametrize(
    "spoil", [{"version": 2}, {"schema": 1}, {"task": "guess"}, {"pictures": [{"file": "a"}]}, {"more": 1}], ids=str
)
def test_the_schema_refuses_what_is_not_so(spoil, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs" / "schemas" / "detections.schema.json").read_text())
    detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out")
    document = json.loads((tmp_path / "out" / "detections.json").read_bytes())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | spoil, schema)


def test_without_pictures_only_the_json_is_written(tmp_path):
    assert detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out", "--no-images") == 0
    assert names_in(tmp_path / "out") == ["detections.json", "detections.jsonl"]


def test_without_pictures_the_folder_of_the_pictures_may_be_that_of_the_results(tmp_path):
    picture = picture_in(tmp_path / "in")
    before = picture.read_bytes()
    assert detect(model_of(tmp_path), picture, tmp_path / "in", "--no-images") == 0
    assert picture.read_bytes() == before


@pytest.mark.parametrize("flags", [["--line-width", "3"], ["--hide-labels"]], ids=" ".join)
def test_a_style_for_pictures_that_are_not_drawn_is_wrong_usage(flags, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out", "--no-images", *flags)
    assert ended.value.code == 2
    assert "--no-images leaves out" in capsys.readouterr().err


def drawn_pixels(folder: Path, *flags) -> int:
    model = model_of(folder)
    detect(model, picture_in(folder / "in"), folder / "out", *flags)
    return int((cv2.imread(str(folder / "out" / "a.png")) != picture_with(SQUARES)).any(axis=2).sum())


def test_line_width_and_labels_are_chosen(tmp_path):
    thin, thick, full = (
        drawn_pixels(tmp_path, *flags)
        for flags in (["--hide-labels", "--line-width", "1"], ["--hide-labels", "--line-width", "5"], [])
    )
    assert thin < thick
    assert thin * 1.5 < full


@pytest.mark.parametrize("wanted", [["green"], ["1"], ["green", "blue"]], ids=" ".join)
def test_classes_are_chosen_by_name_or_number(wanted, tmp_path):
    detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out", "--save-txt", "--classes", *wanted)
    [record] = json.loads((tmp_path / "out" / "detections.json").read_bytes())["pictures"]
    expected = ["green", "blue"][: len(wanted)]
    assert [one["name"] for one in record["detections"]] == expected
    assert len((tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()) == len(expected)


@pytest.mark.parametrize(
    ("name", "hint"), [("gren", "did you mean 'green'?"), ("zebra", "it has red, green, blue"), ("3", "it has red")]
)
def test_a_class_that_the_model_does_not_have(name, hint, tmp_path, capsys):
    assert detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out", "--classes", name) == 1
    assert f"error: no class {name!r} in this model; {hint}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", [["--classes", "red"], ["--save-coco"], ["--save-crops"]], ids=" ".join)
def test_what_needs_objects_is_refused_for_a_classifier(flag, tmp_path, capsys):
    assert detect(model_of(tmp_path, "classify"), picture_in(tmp_path / "in"), tmp_path / "out", *flag) == 1
    assert f"error: {flag[0]} is about objects, but this model classifies" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--batch-size", "1"], ["--batch-size", "4"]], ids=str)
def test_a_free_batch_is_chosen_and_changes_nothing(flags, tmp_path):
    for number in range(7):
        picture_in(tmp_path / "in", f"{number}.png")
    assert detect(model_of(tmp_path), tmp_path / "in", tmp_path / "out", *flags) == 0
    records = json.loads((tmp_path / "out" / "detections.json").read_bytes())["pictures"]
    assert [Path(one["file"]).stem for one in records] == list("0123456")
    assert [len(one["detections"]) for one in records] == [3] * 7


def test_a_batch_that_the_model_does_not_have_is_an_error(tmp_path, capsys):
    model = write(tmp_path, colour_network(), 2)
    assert detect(model, picture_in(tmp_path / "in"), tmp_path / "out", "--batch-size", "3") == 1
    assert "error: the model has a fixed batch of 2, not 3; " in capsys.readouterr().err


def labels(folder: Path, task: str, *flags) -> list[list[str]]:
    detect(model_of(folder, task), picture_in(folder / "in"), folder / "out", "--save-txt", *flags)
    assert names_in(folder / "out" / "labels") == ["a.txt"]
    return [line.split() for line in (folder / "out" / "labels" / "a.txt").read_text().splitlines()]


@pytest.mark.parametrize("task", ["detect", "pose"])
def test_yolos_labels_are_boxes_relative_to_the_picture(task, tmp_path):
    written = labels(tmp_path, task)
    assert [int(line[0]) for line in written] == [0, 1, 2]
    for line, (cell, _) in zip(written, SQUARES, strict=True):
        left, top, right, bottom = cells((64, 96))[cell] / np.array([96, 64, 96, 64])
        expected = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        expected += [left, top, 1, right, bottom, 1] if task == "pose" else []
        np.testing.assert_allclose([float(value) for value in line[1:]], expected, atol=1e-6)


@pytest.mark.parametrize("task", ["obb", "segment"])
def test_yolos_labels_are_outlines_relative_to_the_picture(task, tmp_path):
    for line, (cell, _) in zip(labels(tmp_path, task), SQUARES, strict=True):
        points = np.array(line[1:], float).reshape(-1, 2) * [96, 64]
        assert task == "segment" or len(points) == 4
        assert np.abs([*points.min(0), *points.max(0)] - cells((64, 96))[cell]).max() <= (
            1.01 if task == "segment" else 1e-3
        )


def test_yolos_labels_of_a_classifier_are_its_best_classes(tmp_path):
    written = labels(tmp_path, "classify")
    assert sorted(name for _, name in written) == sorted(NAMES)
    assert all(0 <= float(score) <= 1 for score, _ in written)


def test_the_score_ends_a_line_when_it_is_wanted(tmp_path):
    assert [len(line) for line in labels(tmp_path, "detect")] == [5] * 3
    assert [line[5:] for line in labels(tmp_path, "detect", "--save-conf")] == [["1.000000"]] * 3


def test_a_picture_without_objects_has_empty_labels(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), picture_with([]))
    detect(model_of(tmp_path), tmp_path / "in", tmp_path / "out", "--save-txt")
    assert (tmp_path / "out" / "labels" / "a.txt").read_text() == ""


def test_frames_of_a_video_have_labels_of_their_own(tmp_path):
    video = write_video(tmp_path / "street.mp4", [picture_with(SQUARES)] * 3)
    detect(model_of(tmp_path), video, tmp_path / "out", "--save-txt")
    assert names_in(tmp_path / "out" / "labels") == [f"street_{frame}.txt" for frame in range(3)]


def truth_of(tmp_path: Path, task: str) -> Path:
    """COCO annotations that say what the picture 7.png shows."""
    objects = []
    for number, (cell, label) in enumerate(SQUARES, start=1):
        left, top, right, bottom = map(int, cells((64, 96))[cell])
        outline = [left, top, right, top, right, bottom, left, bottom]
        objects.append(
            {"id": number, "image_id": 7, "category_id": label + 1, "bbox": [left, top, right - left, bottom - top]}
            | {"area": 256, "iscrowd": 0, "segmentation": [outline]}
            | {"keypoints": [left, top, 2, right, bottom, 2], "num_keypoints": 2}
        )
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)]
    images = [{"id": 7, "width": 96, "height": 64, "file_name": "7.png"}]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories, "info": {}}))
    return path


KINDS = {"detect": "bbox", "segment": "segm", "pose": "keypoints"}


@pytest.mark.parametrize("task", KINDS)
def test_coco_results_are_judged_by_pycocotools(task, tmp_path, capsys):
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    detect(model_of(tmp_path, task), picture_in(tmp_path / "in", "7.png"), tmp_path / "out", "--save-coco")
    truth = coco.COCO(str(truth_of(tmp_path, task)))
    judge = evaluation.COCOeval(truth, truth.loadRes(str(tmp_path / "out" / "coco.json")), KINDS[task])
    judge.params.kpt_oks_sigmas = np.full(2, 0.05)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


def test_coco_results_of_oriented_boxes_have_their_outline(tmp_path):
    detect(model_of(tmp_path, "obb"), picture_in(tmp_path / "in", "street.png"), tmp_path / "out", "--save-coco")
    results = json.loads((tmp_path / "out" / "coco.json").read_bytes())
    assert [one["image_id"] for one in results] == ["street"] * 3
    for one, (cell, _) in zip(results, SQUARES, strict=True):
        left, top, right, bottom = cells((64, 96))[cell]
        np.testing.assert_allclose(one["bbox"], [left, top, right - left, bottom - top], atol=0.01)
        assert len(one["segmentation"][0]) == 8


def test_coco_results_without_objects_are_an_empty_list(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), picture_with([]))
    detect(model_of(tmp_path), tmp_path / "in", tmp_path / "out", "--save-coco")
    assert json.loads((tmp_path / "out" / "coco.json").read_bytes()) == []


def test_each_object_is_cut_out(tmp_path):
    detect(model_of(tmp_path), picture_in(tmp_path / "in"), tmp_path / "out", "--save-crops", "--no-images")
    crops = tmp_path / "out" / "crops"
    assert names_in(crops) == ["blue/a-2.jpg", "green/a-1.jpg", "red/a-0.jpg"]
    for number, name in enumerate(NAMES):
        crop = cv2.imread(str(crops / name / f"a-{number}.jpg"))
        assert crop.shape == (16, 16, 3)
        assert np.argmax(crop.mean(axis=(0, 1))) == 2 - number


def test_names_of_classes_are_no_paths(tmp_path):
    model = write(tmp_path, colour_network(names=("../x", "a/b", "..")), None)
    detect(model, picture_in(tmp_path / "in"), tmp_path / "out", "--save-crops")
    assert names_in(tmp_path / "out" / "crops") == ["_/a-2.jpg", "_x/a-0.jpg", "a_b/a-1.jpg"]
    assert not (tmp_path / "x").exists()
