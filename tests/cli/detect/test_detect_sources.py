"""What `trtzoo detect` runs on: several arguments, folders within folders, lists, cameras, addresses."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from colour_network import colour_network, picture_with, write
from http_server import serving
from videos import write_video

from trtzoo.cli import main

PICTURE = picture_with([(2, 0), (9, 1), (22, 2)])


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("model"), colour_network(), None)


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), PICTURE)
    return path


def detect(model: Path, out: Path, *sources) -> int:
    return main(["detect", str(model), *map(str, sources), "-o", str(out), "--conf-thres", "0.6"])


def found_in(out: Path) -> list[tuple[str, int]]:
    """The pictures that were looked at, and how many objects in each."""
    pictures = json.loads((out / "detections.json").read_bytes())["pictures"]
    return [(Path(one["file"]).name, len(one["detections"])) for one in pictures]


def test_several_sources_come_in_their_order(model, tmp_path):
    first, second = save(tmp_path / "z.png"), save(tmp_path / "y.png")
    save(tmp_path / "dir" / "b.png"), save(tmp_path / "dir" / "a.png")
    assert detect(model, tmp_path / "out", first, tmp_path / "dir", second) == 0
    assert found_in(tmp_path / "out") == [("z.png", 3), ("a.png", 3), ("b.png", 3), ("y.png", 3)]


def test_folders_within_folders_are_for_the_asking(model, tmp_path):
    for name in ("a.png", "deep/b.png", "deep/deeper/a.png", "deep/.hidden/c.png", "deep/._d.png"):
        save(tmp_path / "in" / name)
    assert detect(model, tmp_path / "flat", tmp_path / "in") == 0
    assert [name for name, _ in found_in(tmp_path / "flat")] == ["a.png"]
    assert detect(model, tmp_path / "all", tmp_path / "in", "-r") == 0
    assert [name for name, _ in found_in(tmp_path / "all")] == ["a.png", "b.png", "a.png"]
    assert sorted(path.name for path in (tmp_path / "all").glob("*.png")) == ["a-2.png", "a.png", "b.png"]


def test_results_within_the_folder_are_no_pictures_of_the_next_run(model, tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert detect(model, Path("results"), ".", "-r") == 0
        assert found_in(tmp_path / "results") == [("a.png", 3)]


@pytest.mark.parametrize("suffix", [".gif", ".avif", ".webp", ".jp2"])
def test_pictures_of_other_kinds_in_folders(suffix, model, tmp_path):
    try:
        data = cv2.imencode(suffix, PICTURE)[1]
    except cv2.error:
        pytest.skip(f"this OpenCV does not write {suffix}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"a{suffix}").write_bytes(data.tobytes())
    assert detect(model, tmp_path / "out", tmp_path / "in") == 0
    assert found_in(tmp_path / "out") == [(f"a{suffix}", 3)]
    assert cv2.imread(str(tmp_path / "out" / "a.jpg")).shape == PICTURE.shape


def test_a_list_names_pictures_relative_to_itself_or_to_here(model, tmp_path, monkeypatch, capsys):
    save(tmp_path / "data" / "a.png"), save(tmp_path / "here" / "b.png"), save(tmp_path / "c.png")
    text = f"a.png\n\n# a remark\n  b.png  \n{tmp_path}/c.png\r\ngone.png\n"
    (tmp_path / "data" / "list.txt").write_text(text)
    monkeypatch.chdir(tmp_path / "here")
    assert detect(model, tmp_path / "out", tmp_path / "data" / "list.txt") == 3
    assert found_in(tmp_path / "out") == [("a.png", 3), ("b.png", 3), ("c.png", 3)]
    assert "note: skipped: cannot read gone.png: No such file" in capsys.readouterr().err


def test_an_empty_list_is_an_error(model, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("# nothing\n")
    assert detect(model, tmp_path / "out", tmp_path / "list.txt") == 1
    assert "list.txt lists no picture; write one path a line" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["-", "gone.jpg", "*.gif"])
def test_what_is_not_there_is_an_error_before_anything_is_done(source, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert detect(model, tmp_path / "out", save(tmp_path / "a.png"), source) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    reason = "pictures are not read from standard input" if source == "-" else "no such file, and no file matches"
    assert last.startswith(f"error: {source}: {reason}")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_an_error(model, tmp_path, capsys):
    save(tmp_path / "in" / "deeper" / "a.png")
    assert detect(model, tmp_path / "out", tmp_path / "in") == 1
    assert "no picture or video in the folder" in capsys.readouterr().err


class Camera:
    """Stands for `cv2.VideoCapture(1)`: five frames, then nothing."""

    opened: ClassVar[list[object]] = []

    def __init__(self, source: object, *more: object) -> None:
        self.opened.append(source)
        self._left = 5

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return self.opened[-1] == 1

    def get(self, what: int) -> float:
        return -1.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._left -= 1
        return (True, PICTURE.copy()) if self._left >= 0 else (False, None)

    def release(self) -> None:
        pass


def test_a_camera_is_read_until_it_is_lost(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    assert detect(model, tmp_path / "out", "1", "--no-images", "--save-txt") == 3
    assert found_in(tmp_path / "out") == [("1", 3)] * 5
    assert "note: skipped: lost camera 1 after 5 frames" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 5


def test_a_camera_that_is_not_there_is_an_error(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    assert detect(model, tmp_path / "out", "7") == 1
    assert "error: cannot open camera 7; check that it is there" in capsys.readouterr().err


def test_a_file_named_by_a_number_is_that_file(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "0.png").rename(tmp_path / "0")
    assert detect(model, tmp_path / "out", "0") == 0
    assert found_in(tmp_path / "out") == [("0", 3)]


def test_pictures_and_videos_at_addresses(model, tmp_path, capsys):
    save(tmp_path / "a.png"), write_video(tmp_path / "b.mp4", [PICTURE] * 4)
    (tmp_path / "c.png").write_bytes(b"not a picture")
    with serving(tmp_path, PICTURE) as (address, _):
        addresses = [f"{address}/{name}" for name in ("a.png", "b.mp4", "c.png", "gone.png", "gone.mp4")]
        assert detect(model, tmp_path / "out", *addresses) == 3
    assert found_in(tmp_path / "out") == [("a.png", 3), *[("b.mp4", 3)] * 4]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: skipped")]
    reasons = ["c.png is not a picture", "cannot download .*gone.png: .*404", "cannot open .*gone.mp4"]
    assert all(re.search(reason, line) for reason, line in zip(reasons, said, strict=True))
    assert sorted(path.name for path in (tmp_path / "out").glob("[ab].*")) == ["a.png", "b.mp4"]


def test_a_stream_that_breaks_off_is_opened_again_until_it_stays_away(model, tmp_path, monkeypatch, capsys):
    waits: list[float] = []
    monkeypatch.setattr("trtzoo.engines.pictures.sources.streams.time.sleep", waits.append)
    with serving(tmp_path, PICTURE, burst=6) as (address, visits):
        monkeypatch.setattr("trtzoo.engines.pictures.sources.streams.RECONNECTS", 2)
        original, count = cv2.VideoCapture, []

        def capture(*arguments):
            count.append(arguments)
            return original(*arguments if len(count) < 4 else ["nowhere", *arguments[1:]])

        monkeypatch.setattr(cv2, "VideoCapture", capture)
        assert detect(model, tmp_path / "out", f"{address}/camera", "--no-images") == 3
    frames = len(found_in(tmp_path / "out"))
    assert set(visits) == {"/camera"}
    assert frames >= 3 * 4
    assert f"lost {address}/camera after {frames} frames; check the connection" in capsys.readouterr().err
    assert waits[-2:] == [1, 2]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_rtsp_address_without_a_server_is_an_error_without_the_password(model, tmp_path):
    port, out = closed_port(), tmp_path / "out"
    address = f"rtsp://me:secret@127.0.0.1:{port}/street"
    command = [sys.executable, "-m", "trtzoo", "detect", str(model), address, "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    advice = "check the address, and that it can be reached from here"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: cannot open rtsp://127.0.0.1:{port}/street; {advice}\n"
    assert "secret" not in (out / "detections.json").read_text()
