"""The whole of `val` on pictures of coloured squares, whose findings are known, against pycocotools and by hand."""

from __future__ import annotations

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
from colour_network import colour_network, write
from labelled_squares import PICTURES, write_coco, write_pictures, write_yolo
from shared import WEIGHTS, needs_weights
from suppressions import graph_nms

from trtzoo.cli import main
from trtzoo.console import track
from trtzoo.converters.options import ReadOptions
from trtzoo.data.datasets.load import load_dataset
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.errors import InputError
from trtzoo.evaluation.results_file import as_results, read_document
from trtzoo.evaluation.subjects import Subject, subjects_of
from trtzoo.evaluation.validation.metrics import coco_findings
from trtzoo.evaluation.validation.metrics import coco_library as library
from trtzoo.evaluation.validation.metrics.coco_library import TYPES
from trtzoo.evaluation.validation.results import ValResults
from trtzoo.evaluation.validation.run import ValSettings, suppresses_fast, suppression_for
from trtzoo.evaluation.validation.validate import validate

PLAIN = ValSettings(plots=False, draws=20)
WRONG = (((0, 0), (1, 9)), ((2, 5),), ((0, 14), (1, 20), (1, 3), (2, 23)), ((0, 7),))
"""Labels that differ from what is on the pictures: one class, two objects that are not there."""


def model(folder, task="detect", **how):
    folder.mkdir(exist_ok=True)
    return write(folder, colour_network(task), **how)


def run(models, data, folder, settings=PLAIN, progress=track, images=None) -> ValResults:
    def load(task):
        return load_dataset(data, task, images)

    return validate(subjects_of(models, None, "cpu", ReadOptions()), load, data, settings, folder, progress)


def mislabelled(root, task):
    """YOLO labels of `WRONG` on the usual pictures."""
    path = write_yolo(root, task, WRONG)
    write_pictures(root / "images" / "val", PICTURES)
    return path


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
def test_everything_found_is_worth_one(tmp_path, task):
    done = run([model(tmp_path / "m", task)], write_yolo(tmp_path / "set", task), tmp_path / "out")
    assert (done.data.pictures, done.data.objects) == (4, 6)
    metrics = done.models[0].metrics
    assert list(metrics) == {"pose": ["box", "keypoints"], "segment": ["box", "mask"]}.get(task, ["box"])
    for figures in metrics.values():
        assert (figures.map, figures.precision, figures.recall) == pytest.approx((0.995, 1, 1), abs=0.006)
        assert figures.coco.get("AP", 1.0) == pytest.approx(1.0)
    assert metrics["box"].dota == (pytest.approx(1.0) if task == "obb" else None)


OFFICIAL = {"detect": ["bbox"], "pose": ["bbox", "keypoints"], "segment": ["bbox", "segm"]}


@pytest.mark.parametrize("task", OFFICIAL)
@pytest.mark.parametrize("fallback", [False, True], ids=["faster-coco-eval", "pycocotools"])
@pytest.mark.parametrize("most", [1, coco_findings.MOST], ids=["by category", "all at once"])
def test_cocos_figures_are_those_of_pycocotools_on_the_saved_files(tmp_path, task, fallback, most, monkeypatch):
    """Its own skeleton apart: pycocotools is told the same spread of the points."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    monkeypatch.setattr(coco_findings.Findings.groups, "__defaults__", (most,))
    if fallback:
        monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    done = run([model(tmp_path / "m", task)], mislabelled(tmp_path / "set", task), tmp_path / "out")
    assert done.library.startswith("pycocotools" if fallback else "faster-coco-eval")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "out" / "ground_truth.json"))
        found = truth.loadRes(str(tmp_path / "out" / done.models[0].predictions))
        for metric, kind in zip(done.models[0].metrics.values(), OFFICIAL[task], strict=True):
            evaluation = COCOeval(truth, found, kind)
            if kind == "keypoints":
                evaluation.params.kpt_oks_sigmas = np.array([0.5, 0.5])
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            np.testing.assert_allclose(list(metric.coco.values()), evaluation.stats, atol=1e-6)
            assert 0.3 < metric.coco["AP"] < 0.9
            precision = evaluation.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))
            by_class = [one.coco[name] for one in done.models[0].classes for name in one.coco if TYPES[name] == kind]
            np.testing.assert_allclose(by_class, precision, atol=1e-6)


def test_what_is_wrong_counts(tmp_path):
    """By hand at overlap .50: red 3 found of which 2 right of 3, green 2 of 3, blue 1 of 2; all scores are equal."""
    done = run([model(tmp_path / "m")], mislabelled(tmp_path / "set", "detect"), tmp_path / "out")
    rows = {one.name: one for one in done.models[0].classes}
    assert {name: one.objects for name, one in rows.items()} == {"red": 3, "green": 3, "blue": 2}
    assert rows["green"].map50["box"] == pytest.approx(2 / 3, abs=0.01)
    assert rows["blue"].map50["box"] == pytest.approx(1 / 2, abs=0.01)
    assert rows["red"].map50["box"] < 2 / 3


def test_numbers_of_categories_are_the_datasets_own(tmp_path):
    run([model(tmp_path / "m")], write_coco(tmp_path / "set"), tmp_path / "out")
    records = json.loads((tmp_path / "out" / "model.onnx.predictions.json").read_text())
    assert sorted((record["image_id"], record["category_id"]) for record in records) == [
        (1, 10),
        (1, 20),
        (2, 30),
        (3, 10),
        (3, 10),
        (3, 20),
    ]
    assert records[1]["bbox"] == pytest.approx([48, 16, 16, 16])


def test_models_side_by_side(tmp_path):
    """The second one is the same with NMS in its graph, the third one of other classes."""
    models = [
        model(tmp_path / "a"),
        model(tmp_path / "b", route="plain"),
        write_confused(tmp_path / "c"),
    ]
    done = run(models, write_yolo(tmp_path / "set", "detect"), tmp_path / "out")
    assert [one.model.nms for one in done.models] == ["behind", "plain", "behind"]
    assert [one.model.label for one in done.models] == ["a/model.onnx", "b/model.onnx", "c/model.onnx"]
    same, worse = done.comparisons
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    assert worse.difference < -0.3
    assert worse.high < 0
    assert "0.6" in done.models[1].notes[0]


def write_confused(folder):
    folder.mkdir()
    return write(folder, colour_network(names=("green", "red", "blue")))


def test_results_files_are_read_back(tmp_path):
    done = run([model(tmp_path / "m", "obb")], mislabelled(tmp_path / "set", "obb"), tmp_path / "out")
    schema, document = read_document(tmp_path / "out" / "val.json")
    assert (schema, document["version"]) == ("trtzoo.val", 1)
    assert as_results(tmp_path / "out" / "val.json", document, ValResults) == done


def test_a_classifier(tmp_path):
    write_pictures(tmp_path / "set" / "red", [((0, 1), (0, 2), (1, 3))])
    write_pictures(tmp_path / "set" / "blue", [((2, 1),), ((2, 2), (1, 3), (1, 4))])
    done = run([model(tmp_path / "m", "classify")] * 2, tmp_path / "set", tmp_path / "out", ValSettings(draws=20))
    assert done.models[0].accuracy.top1 == pytest.approx(2 / 3)
    assert done.models[0].accuracy.top5 == 1.0
    assert done.comparisons[0].difference == 0
    assert (tmp_path / "out" / "m_model.onnx.confusion.png").stat().st_size > 5000


def test_plots(tmp_path):
    run([model(tmp_path / "m", "pose")], mislabelled(tmp_path / "set", "pose"), tmp_path / "out", ValSettings())
    names = {path.name.removeprefix("model.onnx.") for path in (tmp_path / "out").glob("*.png")}
    assert names == {"box.pr.png", "box.f1.png", "keypoints.pr.png", "keypoints.f1.png", "confusion.png"}


def test_crowds_count_neither_way(tmp_path):
    path = write_coco(tmp_path / "set")
    document = json.loads(path.read_text())
    document["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(document))
    done = run([model(tmp_path / "m")], path, tmp_path / "out")
    red = done.models[0].classes[0]
    assert (red.name, red.objects) == ("red", 2)
    assert red.coco["box"] == pytest.approx(1.0)


def interrupted_after(count):
    def progress(items, total, what):
        for number, item in enumerate(items):
            if number == count:
                raise KeyboardInterrupt
            yield item

    return progress


def test_an_interrupt_keeps_what_was_done(tmp_path):
    models = [model(tmp_path / "a"), model(tmp_path / "b")]
    done = run(models, write_yolo(tmp_path / "set", "detect"), tmp_path / "out", progress=interrupted_after(2))
    assert done.partial
    assert (done.data.pictures, len(done.models)) == (2, 1)
    assert done.models[0].metrics["box"].map50 == pytest.approx(0.995, abs=0.006)
    assert len(json.loads((tmp_path / "out" / "a_model.onnx.predictions.json").read_text())) == 3


def interrupted_at_model(count):
    """Ctrl-C on the second picture of the `count`-th model."""
    calls = []

    def progress(items, total, what):
        calls.append(what)
        return interrupted_after(1 if len(calls) == count else total + 1)(items, total, what)

    return progress


def test_an_interrupted_later_model_says_so_and_keeps_the_labels_of_the_first(tmp_path):
    models = [model(tmp_path / name) for name in "abc"]
    done = run(models, write_yolo(tmp_path / "set", "detect"), tmp_path / "out", progress=interrupted_at_model(2))
    assert done.partial
    assert (done.data.pictures, len(done.models), done.comparisons) == (4, 2, ())
    assert done.models[1].notes == ("interrupted: its figures are of the first 1 of 4 pictures",)
    pictures = [
        len(json.loads((tmp_path / "out" / f"{name}ground_truth.json").read_text())["images"])
        for name in ("", "b_model.onnx.")
    ]
    assert pictures == [4, 1]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, InputError])
def test_what_was_measured_outlives_a_later_fault(tmp_path, fault, monkeypatch):
    """Ctrl-C while a later model is loaded, or one that does not load."""
    opened = []

    def faulty(self, note=str):
        opened.append(self)
        if len(opened) == 2:
            raise fault("the second one")
        return open_runtime(self.path)

    monkeypatch.setattr(Subject, "open", faulty)
    models = [model(tmp_path / "a"), model(tmp_path / "b")]
    with contextlib.suppress(InputError) if fault is InputError else contextlib.nullcontext():
        run(models, write_yolo(tmp_path / "set", "detect"), tmp_path / "out")
        assert fault is KeyboardInterrupt
    document = json.loads((tmp_path / "out" / "val.json").read_text())
    assert (document["partial"], len(document["models"])) == (True, 1)


def test_a_free_batch_takes_several_pictures_at_once(tmp_path):
    path = write_yolo(tmp_path / "set", "detect")
    one, three = (
        run([model(tmp_path / "m", batch=None)], path, tmp_path / "out", ValSettings(batch=size, plots=False))
        for size in (1, 3)
    )
    assert one.models[0].metrics == three.models[0].metrics


def test_tasks_are_not_mixed(tmp_path):
    with pytest.raises(InputError, match="is a pose model"):
        run(
            [model(tmp_path / "a"), model(tmp_path / "b", "pose")],
            write_yolo(tmp_path / "set", "detect"),
            tmp_path / "out",
        )


def test_without_either_library(tmp_path, monkeypatch):
    for name in ("faster_coco_eval", "pycocotools"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(library.MissingDependencyError, match=r"trtzoo\[val\]"):
        library.coco_library()


def test_the_command(tmp_path, capsys):
    path = write_yolo(tmp_path / "set", "detect")
    one = str(model(tmp_path / "m"))
    assert main(["val", one, one, "--data", str(path), "-o", str(tmp_path / "out"), "--no-plots", "--draws", "20"]) == 0
    text = capsys.readouterr().out
    assert "4 pictures, 6 objects" in text
    assert "the same" in text


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert main(["val", str(model(tmp_path / "m")), "--data", str(tmp_path / "no.yaml")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("meta", "wanted", "fast"),
    [
        (colour_network("obb").meta, None, True),
        (colour_network("obb").meta, False, False),
        (colour_network("obb", family="onnx").meta, None, False),
        (colour_network("obb", family="onnx").meta, True, True),
        (colour_network("obb").meta.with_nms(graph_nms()), True, False),
        (colour_network("detect").meta, True, False),
    ],
)
def test_oriented_boxes_are_suppressed_as_their_framework_does(meta, wanted, fast):
    assert suppresses_fast(meta, ValSettings(fast_nms=wanted)) is fast


def test_a_model_of_two_heads_says_which_was_measured():
    wanted = ValSettings()
    notes = {head: suppression_for(colour_network(head=head).meta, wanted)[1] for head in ("one2one", "one2many", None)}
    assert "--head one2many" in notes["one2one"][0]
    assert notes["one2many"] == notes[None] == ()


@needs_weights
def test_weights_in_both_precisions_of_torch(tmp_path, capsys):
    """The frameworks' own table: FP32 and FP16 of the same file, side by side."""
    picture = tmp_path / "set" / "images" / "val" / "dog.jpg"
    picture.parent.mkdir(parents=True)
    shutil.copy(WEIGHTS / "dog.jpg", picture)
    labels = tmp_path / "set" / "labels" / "val" / "dog.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("1 0.45 0.46 0.58 0.54\n16 0.285 0.665 0.24 0.55\n")
    data = tmp_path / "set" / "data.yaml"
    names = {1: "bicycle", 16: "dog"}
    data.write_text(
        f"path: .\nval: images/val\nnames: {{{', '.join(f'{number}: {names.get(number, number)}' for number in range(17))}}}\n"
    )
    arguments = ["val", str(WEIGHTS / "yolov8n.pt"), "--half", "--img-size", "160", "--data", str(data), "--no-plots"]
    assert main([*arguments, "--draws", "20", "-o", str(tmp_path / "out")]) == 0
    models = json.loads((tmp_path / "out" / "val.json").read_text())["models"]
    assert [(one["model"]["runtime"], one["model"]["precision"]) for one in models] == [
        ("torch CPU", "fp32"),
        ("torch CPU", "fp16"),
    ]
    assert models[0]["metrics"]["box"]["map50"] == pytest.approx(models[1]["metrics"]["box"]["map50"], abs=0.02)
    assert models[0]["metrics"]["box"]["map50"] > 0.5
    assert "not resolved by 1 picture " in capsys.readouterr().out


def test_progress_names_each_model_in_its_turn(tmp_path):
    told = []

    def watch(items, total, what):
        told.append((total, what))
        yield from items

    run(
        [model(tmp_path / "a"), model(tmp_path / "b")],
        write_yolo(tmp_path / "set", "detect"),
        tmp_path / "out",
        progress=watch,
    )
    assert told == [(4, "evaluating a/model.onnx"), (4, "evaluating b/model.onnx")]
