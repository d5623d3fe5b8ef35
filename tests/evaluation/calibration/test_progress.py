"""How far work is and how long it will take, by a clock that is set by hand."""

from __future__ import annotations

import pytest

from trtzoo.evaluation.calibration import progress


@pytest.fixture
def now(monkeypatch):
    """A list whose last number is the time."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[-1])
    return seconds


def test_what_is_left_takes_as_long_as_what_was_done(now):
    told = []
    clock = progress.Clock(10, "calibrating", "pictures", lambda *said: told.append(said))
    now.append(104.0)
    clock.advance()
    now.append(112.0)
    clock.advance(3)
    assert told == [
        (pytest.approx(0.1), "calibrating, 1 of 10 pictures, 36 s left"),
        (pytest.approx(0.4), "calibrating, 4 of 10 pictures, 18 s left"),
    ]


@pytest.mark.parametrize("total", [0, 2])
def test_more_than_all_is_all(now, total):
    told = []
    progress.Clock(total, "a", "b", lambda *said: told.append(said)).advance(5)
    assert told[0][0] == 1.0
    assert told[0][1].endswith("0 s left")
