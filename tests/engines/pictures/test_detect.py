"""Annotated copies and detections.json for pictures and videos, with a network whose answer is known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from colour_network import NAMES, SETTINGS, cells, colour_network, picture_with, write
from videos import read_video, write_video

from trtzoo import Predictor, open_runtime
from trtzoo.engines.pictures.detect import Wanted, detect
from trtzoo.engines.pictures.sources import find_sources
from trtzoo.errors import InputError

SQUARES = [(2, 0), (9, 1), (22, 2)]


@pytest.fixture
def predictor(tmp_path_factory) -> Predictor:
    return predictor_of(tmp_path_factory.mktemp("model"))


def predictor_of(folder: Path, task: str = "detect", batch: int | None = 2, **more) -> Predictor:
    return Predictor(open_runtime(write(folder, colour_network(task, **more), batch)), SETTINGS)


def save(path: Path, squares=SQUARES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture_with(squares), [cv2.IMWRITE_JPEG_QUALITY, 98])
    return path


def results(folder: Path) -> dict:
    return json.loads((folder / "detections.json").read_text(encoding="utf-8"))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_pictures_become_annotated_copies_and_records(predictor, tmp_path):
    for number, name in enumerate(["c.jpg", "a.png", "b.bmp"]):
        save(tmp_path / "in" / name, SQUARES[: number + 1])
    done = detect(predictor, find_sources(str(tmp_path / "in")), tmp_path / "out", "squares")
    assert (done.pictures, done.objects, done.folder) == (3, 6, tmp_path / "out")
    assert done.seconds > 0
    assert names_in(tmp_path / "out") == ["a.png", "b.jpg", "c.jpg", "detections.json", "detections.jsonl"]
    document = results(tmp_path / "out")
    pictures = document.pop("pictures")
    assert document == {
        "schema": "trtzoo.detections",
        "version": 1,
        "model": "squares",
        "task": "detect",
        "names": list(NAMES),
        "complete": True,
        "skipped": [],
    }
    assert [len(record["detections"]) for record in pictures] == [2, 3, 1]
    for record, name in zip(pictures, ["a.png", "b.bmp", "c.jpg"], strict=True):
        assert record.keys() == {"file", "width", "height", "annotated", "detections"}
        assert record["file"] == str(tmp_path / "in" / name)
        assert (record["width"], record["height"]) == (96, 64)
        annotated = cv2.imread(str(tmp_path / "out" / record["annotated"]))
        original = cv2.imread(record["file"])
        assert annotated.shape == original.shape
        assert np.abs(annotated.astype(int) - original).max() > 50


def test_the_record_of_an_object(predictor, tmp_path):
    save(tmp_path / "a.png", [(9, 1)])
    detect(predictor, find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares")
    (record,) = results(tmp_path / "out")["pictures"][0]["detections"]
    assert record == {"class": 1, "name": "green", "score": 1.0, "box": cells((64, 96))[9].tolist()}


RECORDS = {
    "pose": {"class", "name", "score", "box", "keypoints"},
    "segment": {"class", "name", "score", "box", "polygons", "mask"},
    "obb": {"class", "name", "score", "obb", "polygon"},
    "classify": {"class", "name", "score"},
}


@pytest.mark.parametrize("task", RECORDS)
def test_records_of_every_task(task, tmp_path):
    save(tmp_path / "a.png")
    detect(predictor_of(tmp_path, task), find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares")
    document = results(tmp_path / "out")
    records = document["pictures"][0]["detections"]
    assert document["task"] == task
    assert len(records) == 3
    assert all(record.keys() == RECORDS[task] for record in records)
    box = cells((64, 96))[2]
    if task == "pose":
        assert records[0]["keypoints"] == [[*box[:2], 1.0], [*box[2:], 1.0]]
    if task == "obb":
        assert records[0]["obb"] == [40.0, 8.0, 16.0, 16.0, 0.0]
        assert sorted(records[0]["polygon"]) == [[32.0, 0.0], [32.0, 16.0], [48.0, 0.0], [48.0, 16.0]]
    if task == "segment":
        outline = np.array(records[0]["polygons"][0])
        assert np.abs([*outline.min(0), *(outline.max(0) + 1)] - box).max() <= 1


def test_nothing_found_is_an_empty_list(predictor, tmp_path):
    save(tmp_path / "a.png", [])
    done = detect(predictor, find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares")
    assert done.objects == 0
    assert results(tmp_path / "out")["pictures"][0]["detections"] == []
    assert not cv2.imread(str(tmp_path / "out" / "a.png")).any()


def test_files_of_the_same_name_are_numbered(predictor, tmp_path):
    for name in ("one/a.jpg", "two/a.jpg", "three/a.bmp", "two/a-2.jpg", "two/a.png"):
        save(tmp_path / "in" / name)
    sources = find_sources(str(tmp_path / "in" / "**" / "*"))
    detect(predictor, sources, tmp_path / "out", "squares")
    records = results(tmp_path / "out")["pictures"]
    annotated = [record["annotated"] for record in records]
    assert len(set(annotated)) == 5
    assert sorted([*annotated, "detections.json", "detections.jsonl"]) == names_in(tmp_path / "out")


def frames_of(count: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    return [cv2.resize(picture_with([(number % 24, 1)]), size[::-1]) for number in range(count)]


@pytest.mark.parametrize("batch", [1, 4, None])
def test_a_video_becomes_a_video_of_as_many_frames(batch, tmp_path):
    source = write_video(tmp_path / "street.avi", frames_of(11), 12.5)
    predictor = predictor_of(tmp_path, batch=batch)
    done = detect(predictor, find_sources(str(source)), tmp_path / "out", "squares")
    assert (done.pictures, done.objects) == (11, 11)
    frames, rate = read_video(tmp_path / "out" / "street.mp4")
    assert len(frames) == 11
    assert rate == pytest.approx(12.5)
    assert frames[0].shape == (64, 96, 3)
    records = results(tmp_path / "out")["pictures"]
    assert [record["frame"] for record in records] == list(range(11))
    for number, record in enumerate(records):
        box = record["detections"][0]["box"]
        assert np.abs(np.array(box) - cells((64, 96))[number]).max() < 1


def test_a_video_of_odd_size_plays(predictor, tmp_path):
    source = write_video(tmp_path / "odd.mp4", frames_of(5, (67, 99)))
    detect(predictor, find_sources(str(source)), tmp_path / "out", "squares")
    assert len(read_video(tmp_path / "out" / "odd.mp4")[0]) == 5


def test_pictures_and_videos_side_by_side_share_batches(tmp_path):
    folder = tmp_path / "in"
    save(folder / "a.jpg")
    write_video(folder / "b.mp4", frames_of(4))
    save(folder / "c.jpg")
    write_video(folder / "d.mp4", frames_of(3))
    done = detect(predictor_of(tmp_path, batch=3), find_sources(str(folder)), tmp_path / "out", "squares")
    assert done.pictures == 9
    assert names_in(tmp_path / "out") == ["a.jpg", "b.mp4", "c.jpg", "d.mp4", "detections.json", "detections.jsonl"]
    assert [len(read_video(tmp_path / "out" / name)[0]) for name in ("b.mp4", "d.mp4")] == [4, 3]
    files = [Path(record["file"]).name for record in results(tmp_path / "out")["pictures"]]
    assert files == ["a.jpg", *["b.mp4"] * 4, "c.jpg", *["d.mp4"] * 3]


def test_what_cannot_be_read_is_skipped_counted_and_named(predictor, tmp_path):
    for name in ("a.jpg", "b.jpg", "f.jpg"):
        save(tmp_path / "in" / name)
    for name, data in (("c.png", b""), ("d.jpg", b"not a picture"), ("e.mp4", b"not a video")):
        (tmp_path / "in" / name).write_bytes(data)
    notes: list[str] = []
    done = detect(predictor, find_sources(str(tmp_path / "in")), tmp_path / "out", "squares", note=notes.append)
    assert (done.pictures, done.objects, done.skipped) == (3, 9, 3)
    assert names_in(tmp_path / "out") == ["a.jpg", "b.jpg", "detections.json", "detections.jsonl", "f.jpg"]
    document = results(tmp_path / "out")
    assert document["complete"]
    assert [Path(record["file"]).name for record in document["pictures"]] == ["a.jpg", "b.jpg", "f.jpg"]
    assert [Path(record["file"]).name for record in document["skipped"]] == ["c.png", "d.jpg", "e.mp4"]
    assert [f"skipped: {record['skipped']}" for record in document["skipped"]] == notes
    for note, reason in zip(notes, ["is empty", "is not a picture that can", "is not a video that can"], strict=True):
        assert reason in note


def test_nothing_that_can_be_read_is_an_error(predictor, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "in" / name).touch()
    with pytest.raises(InputError, match=r"a\.jpg is empty .*\(and 2 more that cannot be read\)"):
        detect(predictor, find_sources(str(tmp_path / "in")), tmp_path / "out", "squares")
    assert len(results(tmp_path / "out")["skipped"]) == 3


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "detections.jsonl").read_bytes().splitlines()]


def test_the_lines_hold_what_the_document_holds(predictor, tmp_path):
    for name in ("a.jpg", "c.jpg"):
        save(tmp_path / "in" / name)
    (tmp_path / "in" / "b.jpg").touch()
    detect(predictor, find_sources(str(tmp_path / "in")), tmp_path / "out", "squares")
    written, document = lines(tmp_path / "out"), results(tmp_path / "out")
    assert [(record.pop("schema"), record.pop("version")) for record in written] == [("trtzoo.detections", 1)] * 3
    assert [record for record in written if "skipped" not in record] == document["pictures"]
    assert [record for record in written if "skipped" in record] == document["skipped"]


def interrupted_at(count: int):
    """A `track` that is interrupted when this many pictures are done."""

    def track(items, total, what):
        for number, item in enumerate(items, start=1):
            yield item
            if number == count:
                raise KeyboardInterrupt

    return track


def test_an_interrupted_run_keeps_what_it_did_and_says_so(predictor, tmp_path):
    for number in range(20):
        save(tmp_path / "in" / f"{number:02}.jpg")
    sources = find_sources(str(tmp_path / "in"))
    with pytest.raises(KeyboardInterrupt, match=r"interrupted; the results of 5 pictures are kept in .*out"):
        detect(predictor, sources, tmp_path / "out", "squares", track=interrupted_at(5))
    document = results(tmp_path / "out")
    assert not document["complete"]
    assert [record["annotated"] for record in document["pictures"]] == [f"{number:02}.jpg" for number in range(5)]
    assert len(lines(tmp_path / "out")) == 5
    for record in document["pictures"]:
        assert cv2.imread(str(tmp_path / "out" / record["annotated"])).shape == (64, 96, 3)
    assert not [name for name in names_in(tmp_path / "out") if name.startswith(".")]


def test_an_interrupted_video_keeps_its_first_frames(predictor, tmp_path):
    source = write_video(tmp_path / "street.mp4", frames_of(12))
    with pytest.raises(KeyboardInterrupt):
        detect(predictor, find_sources(str(source)), tmp_path / "out", "squares", track=interrupted_at(7))
    assert len(read_video(tmp_path / "out" / "street.mp4")[0]) == 7
    assert len(results(tmp_path / "out")["pictures"]) == 7


def test_the_results_of_an_earlier_run_never_look_like_this_ones(predictor, tmp_path):
    save(tmp_path / "a.png")
    detect(predictor, find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares", Wanted(coco=True))
    seen = []

    def track(items, total, what):
        seen.append(names_in(tmp_path / "out"))
        yield from items

    detect(predictor, find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares", track=track)
    assert seen == [["a.png", "detections.jsonl"]]
    assert names_in(tmp_path / "out") == ["a.png", "detections.json", "detections.jsonl"]


def fail_after(count: int):
    """A `draw` that finds the disk full after some pictures."""
    calls = []

    def draw(picture, *arguments):
        calls.append(picture)
        if len(calls) > count:
            raise InputError("the disk is full")
        return picture

    return draw


def test_a_failure_in_the_middle_of_a_video_leaves_no_part_of_it(predictor, tmp_path, monkeypatch):
    source = write_video(tmp_path / "street.mp4", frames_of(6))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "street.mp4").write_bytes(b"older")
    monkeypatch.setattr("trtzoo.engines.pictures.results.annotated.draw", fail_after(3))
    with pytest.raises(InputError, match="the disk is full"):
        detect(predictor, find_sources(str(source)), tmp_path / "out", "squares")
    assert names_in(tmp_path / "out") == ["detections.json", "detections.jsonl", "street.mp4"]
    assert (tmp_path / "out" / "street.mp4").read_bytes() == b"older"
    assert not results(tmp_path / "out")["complete"]
    assert len(lines(tmp_path / "out")) == 3


def test_results_replace_older_ones(predictor, tmp_path):
    save(tmp_path / "a.png")
    for _ in range(2):
        detect(predictor, find_sources(str(tmp_path / "a.png")), tmp_path / "out", "squares")
    assert names_in(tmp_path / "out") == ["a.png", "detections.json", "detections.jsonl"]


OVERWRITES = {
    "the folder itself": ("a.jpg", "*.jpg", "."),
    "a folder above": ("Deeper/a.jpg", "**/*.jpg", "."),
    "the same folder by another way": ("a.jpg", "*.jpg", "deeper/.."),
}


@pytest.mark.parametrize(("name", "pattern", "output"), OVERWRITES.values(), ids=OVERWRITES)
def test_the_originals_are_never_overwritten(name, pattern, output, predictor, tmp_path):
    (tmp_path / "deeper").mkdir()
    before = {path: path.read_bytes() for path in (save(tmp_path / name), save(tmp_path / "a.jpg"))}
    with pytest.raises(InputError, match="would overwrite them; choose another folder"):
        detect(predictor, find_sources(str(tmp_path / pattern)), tmp_path / output, "squares")
    assert {path: path.read_bytes() for path in before} == before


def test_a_symbolic_link_to_the_folder_is_seen_through(predictor, tmp_path):
    save(tmp_path / "in" / "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(InputError, match="would overwrite them"):
        detect(predictor, find_sources(str(tmp_path / "in")), tmp_path / "link", "squares")


def test_names_beyond_ascii_are_kept_in_the_record(tmp_path):
    predictor = predictor_of(tmp_path, names=("café", "日本", "blue"))
    path = tmp_path / "straße.png"
    path.write_bytes(cv2.imencode(".png", picture_with(SQUARES))[1].tobytes())
    detect(predictor, find_sources(str(path)), tmp_path / "out", "squares")
    document = results(tmp_path / "out")
    assert [record["name"] for record in document["pictures"][0]["detections"]] == ["café", "日本", "blue"]
    assert "café" in (tmp_path / "out" / "detections.json").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "straße.png").exists()


def test_names_that_are_no_utf8_are_spelled_out_in_the_record(predictor, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")).write_bytes(cv2.imencode(".jpg", picture_with(SQUARES))[1])
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xff.jpg")).touch()
    wanted = Wanted(text=True, coco=True, crops=True)
    done = detect(predictor, find_sources(folder), tmp_path / "out", "squares", wanted)
    assert (done.pictures, done.skipped) == (1, 1)
    document = results(tmp_path / "out")
    assert document["pictures"][0]["file"] == f"{folder}/caf\\xe9.jpg"
    assert document["pictures"][0]["annotated"] == "caf\\xe9.jpg"
    assert document["skipped"][0]["file"] == f"{folder}/b\\xff.jpg"
    assert os.fsdecode(b"caf\xe9.jpg") in names_in(tmp_path / "out")


def test_a_video_whose_name_is_no_utf8(predictor, tmp_path):
    source = tmp_path / os.fsdecode(b"stra\xdfe.mp4")
    write_video(tmp_path / "a.mp4", frames_of(3)).rename(source)
    done = detect(predictor, find_sources(source), tmp_path / "out", "squares")
    assert (done.pictures, done.skipped) == (3, 0)
    (tmp_path / "out" / source.name).rename(tmp_path / "b.mp4")
    assert len(read_video(tmp_path / "b.mp4")[0]) == 3
