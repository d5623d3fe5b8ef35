"""Nested phases become one share, and a cancelled build is stopped at its next step."""

import threading
from typing import Any

import pytest

from trtzoo.engines.build.progress import PhaseStack, make_monitor


def test_share_of_nested_phases() -> None:
    stack = PhaseStack()
    stack.start("build", 4)
    stack.step("build", 0)
    assert stack.share == pytest.approx(0.25)
    stack.start("time kernels", 10)
    stack.step("time kernels", 4)
    assert stack.share == pytest.approx(0.25 + 0.25 * 0.5)
    assert stack.what == "time kernels"
    stack.finish("time kernels")
    stack.step("build", 1)
    assert stack.share == pytest.approx(0.5)


def test_share_never_goes_back() -> None:
    stack, shares = PhaseStack(), []
    stack.start("build", 2)
    for name in ("first", "second"):
        stack.start(name, 3)
        for step in range(3):
            stack.step(name, step)
            shares.append(stack.share)
        stack.finish(name)
        shares.append(stack.share)
    stack.step("build", 1)
    assert [*shares, stack.share] == sorted([*shares, stack.share])
    assert stack.share == 1.0


def test_phases_that_end_out_of_order_and_unknown_ones() -> None:
    stack = PhaseStack()
    stack.start("a", 2)
    stack.start("b", 2)
    stack.finish("a")
    stack.step("a", 0)
    stack.finish("never started")
    assert stack.what == "b"
    stack.finish("b")
    assert stack.what == ""


class FakeTrt:
    class IProgressMonitor:
        pass


def test_monitor_reports_and_cancels() -> None:
    reports: list[Any] = []
    cancelled = threading.Event()
    monitor = make_monitor(FakeTrt, lambda share, what: reports.append((share, what)), cancelled)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is True
    cancelled.set()
    assert monitor.step_complete("build", 1) is False
    monitor.phase_finish("build")
    assert reports == [(0.5, "build")], "the second step came sooner than a report is due"
