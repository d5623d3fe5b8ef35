"""Doing the steps: what is up to date is left alone, what failed stops only what needs it, and what was killed is done again.

The order, the hashes of inputs and outputs and what is still up to date are pytask's business; its records lie in `.zoo` of
the output folder. A step counts as done only once pytask has recorded it, and commands write their files whole or not at
all, so that nothing half made is ever taken for a result.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, MissingDependencyError, TrtZooError
from ..files import make_folder, sha256_of
from .runners import Runner, StepError
from .steps import Step
from .store import Listing, Store

STATE = ".zoo"
"""Folder of the records, in the output folder."""

AHEAD = 8
"""Steps that wait in pytask's threads for their turn: it looks for what ended once a second, and nothing should stand idle till then."""
_CONFIG = "[tool.pytask.ini_options]\n"
_KEEPS_WHAT_IS_THERE = ("fetch", "build")
"""Kinds whose commands leave a finished file alone unless they are told otherwise."""
_TEMPORARY = re.compile(r"\.(.+)\.(\d+)(\.[^.]+)?")
"""What `files.staged` and `files.staged_folder` write to before they rename."""


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        step: the step.
        state: "done", "unchanged", "failed", "skipped" (what it needs failed) or "due" (in a dry run).
        seconds: that it took.
        message: why it failed.
    """

    step: Step
    state: str
    seconds: float = 0.0
    message: str = ""


Report = Callable[[Step, str], None]
"""Told of a step and "start", "done" or "failed" as that happens, from several threads."""


def chosen(steps: Sequence[Step], patterns: Sequence[str]) -> list[Step]:
    """The steps whose model or id matches one of the patterns (`yolov8*`, `*/fp16-*`), and all that those need.

    Raises:
        InputError: a pattern that matches nothing.
    """
    if not patterns:
        return list(steps)
    for pattern in patterns:
        if not any(_matches(step, pattern) for step in steps):
            models = ", ".join(dict.fromkeys(step.model for step in steps))
            raise InputError(f"--only {pattern} matches no step; the models are {models}")
    makers = {path: step for step in steps for path in step.outputs}
    wanted: dict[str, Step] = {}
    waiting = [step for step in steps if any(_matches(step, pattern) for pattern in patterns)]
    while waiting:
        step = waiting.pop()
        if step.id not in wanted:
            wanted[step.id] = step
            waiting += [makers[path] for path in step.inputs if path in makers]
    return [step for step in steps if step.id in wanted]


def fitting(steps: Sequence[Step], gpus: Sequence[str]) -> tuple[list[Step], list[Step]]:
    """The steps that these GPUs can do, and those that need another one, with all that need their results."""
    kept: list[Step] = []
    left_out: list[Step] = []
    missing: set[Path] = set()
    for step in steps:
        if (step.gpu and step.gpu not in gpus) or missing.intersection(step.inputs):
            missing.update(step.outputs)
            left_out.append(step)
        else:
            kept.append(step)
    return kept, left_out


def _matches(step: Step, pattern: str) -> bool:
    return fnmatch(step.model, pattern) or fnmatch(step.id, pattern)


def run_steps(
    steps: Sequence[Step],
    output: Path,
    runner: Runner,
    workers: int = 1,
    report: Report | None = None,
    dry_run: bool = False,
    force: Collection[str] = (),
    store: Store | None = None,
) -> list[Outcome]:
    """Do what is not up to date.

    Args:
        steps: all of them; a step may come before those that it needs.
        output: the folder that everything is made in.
        runner: runs one step.
        workers: steps at a time.
        report: is told what happens.
        dry_run: only find out what would be done.
        force: kinds of steps that are done even if they are up to date.
        store: that `output` stands for, where products lie behind a URL.

    Returns:
        What became of each step, in the order of `steps`.

    Raises:
        InputError: another run works in this folder, or an input is missing.
        MissingDependencyError: pytask is not installed.
        KeyboardInterrupt: interrupted; what was done stays done.
    """
    pytask = _import_pytask()
    _check_inputs(steps)
    with _locked(make_folder(output)) as state:
        sweep(steps)
        listing = Listing(store) if store else None
        record = _Record(runner, report, frozenset(force), workers, listing)
        tasks = [_task(pytask, step, record) for step in steps]
        with _stoppable(record):
            session = _build(pytask, tasks, state, workers, dry_run)
        sweep(steps)
        if record.interrupted:
            raise KeyboardInterrupt
        states = {entry.task.name: entry.outcome.name for entry in session.execution_reports}
    if not states and steps:
        raise InputError(f"{output}: the steps cannot be put into an order; two of them may write the same file")
    return [record.outcome(step, states.get(step.id, "")) for step in steps]


class _Record:
    """What happened to each step, as seen by the threads that do them."""

    def __init__(
        self, runner: Runner, report: Report | None, force: frozenset[str], workers: int, listing: Listing | None
    ) -> None:
        self._runner = runner
        self._places = threading.BoundedSemaphore(workers)
        self.listing = listing
        self._force = force
        self._report = report or (lambda step, what: None)
        self._seconds: dict[str, float] = {}
        self._messages: dict[str, str] = {}
        self.interrupted = False

    def run(self, step: Step) -> None:
        """Do a step.

        Raises:
            StepError: it failed.
        """
        with self._places:
            self._run(step)

    def _run(self, step: Step) -> None:
        start = time.perf_counter()
        self._report(step, "start")
        try:
            self._do(self._forced(step))
        except (StepError, TrtZooError) as error:
            self._messages[step.id] = str(error)
            self._report(step, "failed")
            raise
        finally:
            self._seconds[step.id] = time.perf_counter() - start
        self._report(step, "done")

    def _do(self, step: Step) -> None:
        if self.listing is None:
            for output in step.outputs:
                output.parent.mkdir(parents=True, exist_ok=True)
                if step.kind == "calibrate":  # its command would refuse to write over a damaged file
                    output.unlink(missing_ok=True)
        self._runner(step)
        if self.listing:
            self.listing.refresh(step.outputs)

    def stop(self, *_: object) -> None:
        """Let nothing more be started and what runs be interrupted; a signal handler."""
        self.interrupted = True
        self._runner.stop()
        raise KeyboardInterrupt

    def state(self, step: Step) -> str:
        """What pytask compares with its record: the command, and, until it ran, whether it must run anyway."""
        due = step.kind in self._force and step.id not in self._seconds
        return hashlib.sha256(repr((__version__, step.command, due)).encode()).hexdigest()

    def _forced(self, step: Step) -> Step:
        again = step.kind in self._force and step.kind in _KEEPS_WHAT_IS_THERE
        return replace(step, command=(*step.command, "--force")) if again else step

    def outcome(self, step: Step, name: str) -> Outcome:
        """What became of a step whose task ended as pytask's `name` says."""
        state = _STATES.get(name, "failed")
        message = self._messages.get(step.id, "")
        return Outcome(step, state, self._seconds.get(step.id, 0.0), message if state == "failed" else "")


_STATES = {
    "SUCCESS": "done",
    "PERSISTENCE": "unchanged",
    "SKIP_UNCHANGED": "unchanged",
    "SKIP_PREVIOUS_FAILED": "skipped",
    "WOULD_BE_EXECUTED": "due",
    "FAIL": "failed",
}


def _import_pytask() -> Any:
    try:
        import pytask
        import pytask_parallel  # noqa: F401 - the plugin that runs steps side by side
    except ImportError as error:
        raise MissingDependencyError("`trtzoo zoo build` needs pytask; run `pip install 'trtzoo[zoo]'`") from error
    return pytask


def _check_inputs(steps: Sequence[Step]) -> None:
    made = {path for step in steps for path in step.outputs}
    for step in steps:
        for path in step.inputs:
            if path not in made and not path.exists():
                raise InputError(f"{step.model}: no such file: {path}; check the zoo's file")


def _task(pytask: Any, step: Step, record: _Record) -> Any:
    """A step as pytask's task, whose state is the command: a changed setting is a changed task."""

    class StepTask(pytask.TaskWithoutPath):  # type: ignore[misc]
        def state(self) -> str:
            return record.state(step)

    def run(**_: object) -> None:
        record.run(step)

    return StepTask(
        name=step.id,
        function=run,
        depends_on={f"input{index}": _node(pytask, path, record.listing) for index, path in enumerate(step.inputs)},
        produces={f"output{index}": _node(pytask, path, record.listing) for index, path in enumerate(step.outputs)},
    )


def _node(pytask: Any, path: Path, listing: Listing | None) -> Any:
    if listing and listing.holds(path):
        return _stated(pytask, path, listing.state)
    if not path.is_dir():
        return pytask.PathNode.from_path(path)
    return _stated(pytask, path, _state_of_folder)


def _stated(pytask: Any, path: Path, state_of: Callable[[Path], str | None]) -> Any:
    """A path as pytask's node, whose state is found out by a function."""

    class StatedNode(pytask.PathNode):  # type: ignore[misc]
        def state(self) -> str | None:
            return state_of(self.path)

    return StatedNode(path=path, name=str(path))


@cache
def _state_of_folder(folder: Path) -> str:
    """One hash for all files below a folder and their names; read once a run, however many steps ask."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _build(pytask: Any, tasks: Sequence[Any], state: Path, workers: int, dry_run: bool) -> Any:
    """Let pytask do the tasks, silently: what a user sees is the caller's business."""
    config = state / "pyproject.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    _state_of_folder.cache_clear()
    quiet, pytask.console.quiet = pytask.console.quiet, True
    try:
        return pytask.build(
            tasks=tasks, config=config, verbose=0, capture="no", show_traceback=False, disable_warnings=True,
            n_workers=AHEAD + workers, parallel_backend="threads", dry_run=dry_run,
        )  # fmt: skip
    finally:
        pytask.console.quiet = quiet


@contextmanager
def _stoppable(record: _Record) -> Iterator[None]:
    """Within it, Ctrl-C and a polite kill reach the steps, which run in sessions of their own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, record.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _locked(output: Path) -> Iterator[Path]:
    """The folder of the records, held by this run alone."""
    state = make_folder(output / STATE)
    with (state / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{output}: another `trtzoo zoo build` works there; wait for it, or name another folder"
            ) from error
        yield state


def sweep(steps: Sequence[Step]) -> list[Path]:
    """Remove what killed steps left beside the files and folders that they wrote; no step may be running."""
    folders = {path.parent for step in steps for path in step.outputs}
    folders |= {path.parent.parent for step in steps if step.kind == "bundle" for path in step.outputs}
    left = [
        path
        for folder in sorted(folders)
        if folder.is_dir()
        for path in folder.iterdir()
        if _TEMPORARY.fullmatch(path.name)
    ]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left
