"""Where a step's command runs: in a process beside this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import TrtZooError
from .steps import Step
from .store import Store, run_beside


class Runner(Protocol):
    """Runs a step and waits for it; raises StepError where it fails. Several threads call it at once."""

    def __call__(self, step: Step) -> None: ...

    def stop(self) -> None:
        """Interrupt what runs, and start nothing more."""
        ...


DONE = (0, 3)
"""Exit codes of a command that wrote what it should: done, and done with some inputs left out."""


Run = Callable[[Step], tuple[int, bytes]]
"""Starts a step's command and waits for it: exit code, and what it said on stderr."""


class StepError(Exception):
    """A step failed; the message is the command's own last word."""


class LocalRunner:
    """Runs steps in processes of their own on this machine.

    Args:
        folder: that they start in.
        store: behind it, where products lie behind a URL.
    """

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self._folder, self._store = folder, store
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, step: Step) -> None:
        """Run a step and wait for it.

        Raises:
            StepError: it failed, or everything was stopped.
        """
        check(*perform(step, self._store, self._run))

    @property
    def workers(self) -> int:
        """Steps worth starting at a time: one a processor."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def stop(self) -> None:
        """Interrupt what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                with suppress(OSError):
                    process.send_signal(signal.SIGINT)

    def _run(self, step: Step) -> tuple[int, bytes]:
        process = self._start(step)
        _, err = process.communicate()
        with self._lock:
            self._running.discard(process)
        return process.returncode, err

    def _start(self, step: Step) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise StepError("interrupted")
            process = subprocess.Popen(
                command_line(step, os.getpid()),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                cwd=self._folder, env=environment(), start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
            return process


def command_line(step: Step, parent: int) -> list[str]:
    """What to start for a step, so that it ends with the process `parent`."""
    return [sys.executable, "-m", f"{__package__}.child", str(parent), *step.command]


def environment() -> Mapping[str, str]:
    """The environment of this process, with the places that it imports from."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def perform(step: Step, store: Store | None, run: Run) -> tuple[int, bytes]:
    """Run a step where its files are, or are brought to, and see that it wrote everything.

    Args:
        step: the step.
        store: that keeps its files; None where they lie where the step says.
        run: starts the command and waits for it.

    Returns:
        Its exit code and what it said on stderr.
    """

    def whole(moved: Step) -> tuple[int, bytes]:
        code, err = run(moved)
        missing = [path.name for path in moved.outputs if not path.exists()]
        if code in DONE and missing:
            return 1, f"error: `trtzoo {step.command[0]}` ended well but wrote no {', '.join(missing)}".encode()
        return code, err

    try:
        return whole(step) if store is None else run_beside(store, step, whole)
    except TrtZooError as error:
        return 1, f"error: {error}".encode()


def check(code: int, err: bytes) -> None:
    """See that a step ended well.

    Raises:
        StepError: it did not; the message is its last word.
    """
    if code not in DONE:
        raise StepError(_last_words(code, err))


def _last_words(code: int, err: bytes) -> str:
    lines = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "")
    if code < 0:
        return f"killed by signal {-code}" + (f" ({said})" if said else "")
    return said.removeprefix("error: ") or f"ended with exit code {code}"
