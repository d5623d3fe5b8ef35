"""Several pieces of work at a time, in the order of what they are made of."""

from __future__ import annotations

import os
import threading
import time

import cv2
import pytest
from colour_network import SETTINGS, colour_network, picture_with, write

from trtzoo import Predictor, open_runtime
from trtzoo.engines.pictures.ahead import ENOUGH, MOST_WORKERS, shares, side_by_side
from trtzoo.engines.pictures.detect import detect
from trtzoo.engines.pictures.sources import find_sources


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(workers):
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return 10 * number

    assert list(side_by_side(slow_first, range(10), workers)) == [10 * number for number in range(10)]


def test_so_many_work_at_the_same_time_and_no_more():
    together, both = threading.Barrier(2), []

    def meet(number: int) -> None:
        together.wait(timeout=5)  # breaks unless another one is at work as well
        both.append(threading.current_thread().name)

    list(side_by_side(meet, range(6), 2))
    assert len(both) == 6 and len(set(both)) == 2


def test_an_error_is_raised_where_its_result_would_come():
    def failing(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = side_by_side(failing, range(100), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_a_run_that_is_given_up_starts_nothing_more():
    started = []
    results = side_by_side(started.append, iter(range(100)), 2)
    next(results)
    results.close()
    assert len(started) <= 4


@pytest.mark.parametrize(
    ("cores", "pictures", "expected"),
    [
        (1, 1000, (1, 0)),
        (2, ENOUGH, (2, 1)),
        (2, ENOUGH - 1, (1, 0)),
        (3, 1000, (3, 1)),
        (16, 1000, (MOST_WORKERS, 4)),
    ],
)
def test_cores_are_shared_out(cores, pictures, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert shares(pictures) == expected


@pytest.mark.parametrize("batch", [1, None])
def test_pictures_side_by_side_are_those_of_one_after_the_other(batch, tmp_path):
    """Also where one of them cannot be read: nothing moves up into another's place."""
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture_with([(number, number % 3)]))
    (tmp_path / "4.png").write_bytes(b"none")
    model = write(tmp_path, colour_network("detect"), batch)
    lines = []
    for workers in (1, 3):
        with Predictor(open_runtime(model, threads=1), SETTINGS, batch=2 if batch is None else None) as predictor:
            done = detect(predictor, find_sources(str(tmp_path)), tmp_path / "out", "squares", workers=workers)
        assert (done.pictures, done.objects, done.skipped) == (8, 8, 1)
        lines.append((tmp_path / "out" / "detections.jsonl").read_text(encoding="utf-8"))
    assert lines[0] == lines[1]
    assert lines[0].count('"box"') == 8
