"""How far a build is: TensorRT's nested phases as one number."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from ...contract.progress import Progress

EVERY = 0.1
"""Seconds between two reports."""


@dataclass
class _Phase:
    name: str
    steps: int
    done: int = 0


class PhaseStack:
    """The open phases. Each phase counts as one step of the phase that it is nested in; a share never goes back."""

    def __init__(self) -> None:
        self._phases: list[_Phase] = []
        self._best = 0.0

    def start(self, name: str, steps: int) -> None:
        """A phase begins inside those that are open."""
        self._phases.append(_Phase(name, max(1, steps)))

    def step(self, name: str, step: int) -> None:
        """A phase finished its step number `step`, counted from 0."""
        for phase in reversed(self._phases):
            if phase.name == name:
                phase.done = max(phase.done, min(step + 1, phase.steps))
                return

    def finish(self, name: str) -> None:
        """A phase ends; phases may end in any order."""
        for index in range(len(self._phases) - 1, -1, -1):
            if self._phases[index].name == name:
                del self._phases[index]
                return

    @property
    def share(self) -> float:
        """How much is done, 0..1."""
        done, width = 0.0, 1.0
        for phase in self._phases:
            done += width * phase.done / phase.steps
            width /= phase.steps
            if phase.done >= phase.steps:
                break
        self._best = max(self._best, min(done, 1.0))
        return self._best

    @property
    def what(self) -> str:
        """The innermost open phase."""
        return self._phases[-1].name if self._phases else ""


def make_monitor(trt: Any, report: Progress, cancelled: threading.Event) -> Any:
    """A progress monitor that reports now and then, and ends the build once `cancelled` is set."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._stack = PhaseStack()
            self._lock = threading.Lock()
            self._next = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._stack.start(phase_name, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._stack.finish(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                self._stack.step(phase_name, step)
                now = time.monotonic()
                if now >= self._next:
                    self._next = now + EVERY
                    report(self._stack.share, self._stack.what)
            return not cancelled.is_set()

    return Monitor()
