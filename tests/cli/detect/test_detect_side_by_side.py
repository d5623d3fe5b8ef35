"""Which runs of `detect` look at several pictures at a time, seen from the threads that the model runs in."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from colour_network import colour_network, picture_with, write
from videos import write_video

from trtzoo.cli import main
from trtzoo.engines.pictures.ahead import ENOUGH
from trtzoo.engines.runtimes.onnxruntime import OnnxRuntime


@pytest.fixture
def threads(monkeypatch) -> list[str]:
    """The names of the threads that a model ran in, on a machine of two cores; and what its session was told to use."""
    names: list[str] = []
    infer, make = OnnxRuntime.infer, OnnxRuntime.__init__

    def watched(runtime, *arguments):
        names.append(threading.current_thread().name.rstrip("0123456789_"))
        return infer(runtime, *arguments)

    def made(runtime, *arguments, **more):
        names.append(f"threads={more.get('threads', arguments[4] if len(arguments) > 4 else 0)}")
        make(runtime, *arguments, **more)

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    monkeypatch.setattr(OnnxRuntime, "infer", watched)
    monkeypatch.setattr(OnnxRuntime, "__init__", made)
    return names


def pictures(folder: Path, count: int) -> Path:
    """A video of so many frames, which are pictures too."""
    return write_video(folder / "squares.mp4", [picture_with([(9, 1)])] * count)


def detect(threads: list[str], folder: Path, source: Path, *flags: str) -> int:
    model = write(folder, colour_network("detect"), None)
    threads.clear()  # writing it has run it once
    return main(["detect", str(model), str(source), "-o", str(folder / "out"), "--no-images", *flags])


def test_many_pictures_share_the_cores(threads, tmp_path):
    assert detect(threads, tmp_path, pictures(tmp_path, ENOUGH)) == 0
    assert threads == ["threads=1", *["running"] * ENOUGH]


def test_few_pictures_take_all_cores_one_after_the_other(threads, tmp_path):
    assert detect(threads, tmp_path, pictures(tmp_path, ENOUGH - 1)) == 0
    assert threads == ["threads=0", *["MainThread"] * (ENOUGH - 1)]


def test_few_batches_do_so_too(threads, tmp_path):
    assert detect(threads, tmp_path, pictures(tmp_path, ENOUGH), "--batch-size", "4") == 0
    assert threads == ["threads=0", *["MainThread"] * (ENOUGH // 4)]


def test_what_cannot_be_read_is_skipped_side_by_side_as_well(threads, tmp_path, capsys):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(ENOUGH):
        shutil.copy(Path(__file__).parents[3] / "samples" / "pictures" / "shapes1.jpg", source / f"{number}.jpg")
    np.zeros(9, np.uint8).tofile(source / "7.jpg")
    assert detect(threads, tmp_path, source) == 3
    assert f"{ENOUGH - 1} pictures, 1 skipped" in capsys.readouterr().out
    assert threads.count("running") == ENOUGH - 1
