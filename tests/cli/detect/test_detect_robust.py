"""`trtzoo detect` where not everything can be read, and where it is stopped: exit codes, messages and files left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from colour_network import cells, colour_network, picture_with, write

from trtzoo.cli import main

SQUARES = [(2, 0), (9, 1), (22, 2)]
GOOD = cv2.imencode(".png", picture_with(SQUARES))[1].tobytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("model"), colour_network(), None)


def fill(folder: Path, count: int, bad: int) -> Path:
    """A folder of pictures, of which `bad` cannot be read: empty, cut off, or no pictures at all, in turn."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(GOOD)
    for number in range(0, count, count // bad) if bad else ():
        (folder / f"{number:04}.png").write_bytes((b"", GOOD[:-40], b"not a picture")[number % 3])
    return folder


def detect(*arguments) -> int:
    return main(["detect", *map(str, arguments), "--conf-thres", "0.6"])


def document(folder: Path) -> dict:
    return json.loads((folder / "detections.json").read_text(encoding="utf-8"))


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "detections.jsonl").read_bytes().splitlines()]


def test_pictures_that_cannot_be_read_are_skipped_named_and_counted(model, tmp_path, capsys):
    pictures, out = fill(tmp_path / "in", 12, 3), tmp_path / "out"
    assert detect(model, pictures, "-o", out) == 3
    said = capsys.readouterr()
    assert said.out.startswith("27 objects in 9 pictures, 3 skipped, ")
    for number in (0, 4, 8):
        assert f"note: skipped: {pictures}/{number:04}.png" in said.err
    assert said.err.count("skipped") == 3
    assert len(document(out)["pictures"]) == 9
    assert [Path(one["file"]).stem for one in document(out)["skipped"]] == ["0000", "0004", "0008"]
    assert len(list(out.glob("*.png"))) == 9


def test_without_anything_to_skip_the_exit_code_is_0(model, tmp_path, capsys):
    assert detect(model, fill(tmp_path / "in", 2, 0), "-o", tmp_path / "out") == 0
    assert "skipped" not in "".join(capsys.readouterr())


def test_one_picture_that_cannot_be_read_is_an_error(model, tmp_path, capsys):
    (tmp_path / "a.png").touch()
    assert detect(model, tmp_path / "a.png", "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"error: {tmp_path}/a.png is empty")


def test_a_file_name_that_is_no_utf8_loses_nothing(model, tmp_path, capsys):
    pictures, out = fill(tmp_path / "in", 3, 0), tmp_path / "out"
    (pictures / os.fsdecode(b"caf\xe9.png")).write_bytes(GOOD)
    (pictures / os.fsdecode(b"\xff.png")).touch()
    assert detect(model, pictures, "-o", out) == 3
    assert "note: skipped: " in capsys.readouterr().err
    assert [Path(one["file"]).name for one in document(out)["pictures"]][3] == "caf\\xe9.png"
    assert [len(one["detections"]) for one in document(out)["pictures"]] == [3] * 4


def started(model: Path, pictures: Path, out: Path) -> subprocess.Popen:
    """The command in a process of its own, as soon as some lines are written."""
    command = [sys.executable, "-m", "trtzoo", "detect", model, pictures, "-o", out, "--conf-thres", "0.6"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = out / "detections.jsonl"
    for _ in range(6000):
        if journal.exists() and journal.stat().st_size > 2000:
            return process
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    raise AssertionError("nothing was written in half a minute")


def test_a_killed_run_leaves_what_was_done_as_valid_lines(model, tmp_path):
    pictures, out = fill(tmp_path / "in", 3000, 30), tmp_path / "out"
    out.mkdir()
    (out / "detections.json").write_text("of an earlier run")
    process = started(model, pictures, out)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = lines(out)
    assert 3 <= len(done) < 3000
    assert [Path(one["file"]).stem for one in done] == [f"{number:04}" for number in range(len(done))]
    assert [one["file"] for one in done if "skipped" in one] == [one["file"] for one in done[::100]]
    for one in done:
        if "skipped" not in one:
            assert [found["box"] for found in one["detections"]] == [
                cells((64, 96))[cell].tolist() for cell, _ in SQUARES
            ]
            assert cv2.imread(str(out / one["annotated"])).shape == (64, 96, 3)
    assert not (out / "detections.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_interrupted_run_keeps_what_was_done_and_says_so(number, model, tmp_path):
    process = started(model, fill(tmp_path / "in", 3000, 30), tmp_path / "out")
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    written = document(tmp_path / "out")
    kept = len(written["pictures"])
    assert (
        err.strip().splitlines()[-1] == f"error: interrupted; the results of {kept} pictures are kept in {tmp_path}/out"
    )
    assert not written["complete"]
    assert len(lines(tmp_path / "out")) == kept + len(written["skipped"])
    assert not list((tmp_path / "out").glob(".*"))
