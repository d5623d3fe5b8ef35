"""The parent's side of a building process: start it, listen, cancel it, and explain its death.

The process is forked where that is safe, which is in a process of one thread that has not touched a GPU, such as the
command line's: it costs some 5 ms. Anywhere else a fresh Python is started, some 60 ms.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import TrtZooError, UnsupportedError
from .build_worker import BuildRequest, serve
from .messages import CANCEL, receive
from .progress import Progress

GRACE = 5.0
"""Seconds that a cancelled process is given to end by itself."""


@dataclass
class Outcome:
    """What a process said until it ended.

    Attributes:
        result: facts of the build, empty if there is none.
        error: the error that it reported.
        notes: for the user.
        node: the last node that it parsed, if it was asked to trace.
        status: how it ended: 0, an exit code, or minus the number of a signal.
        noise: the end of what the library wrote to the terminal.
    """

    result: dict[str, Any] = field(default_factory=dict)
    error: TrtZooError | None = None
    notes: list[str] = field(default_factory=list)
    node: str = ""
    status: int = 0
    noise: str = ""


def run_build(request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]) -> Outcome:
    """Build in a process of its own.

    Args:
        request: what to build.
        progress: is told how far it is.
        meanwhile: is called once the process is under way, to work at the same time.

    Raises:
        TrtZooError: the build failed, or the library died.
        KeyboardInterrupt: after the process was ended.
    """
    outcome = _run(request, progress, meanwhile)
    if outcome.error:
        raise outcome.error
    if outcome.result:
        return outcome
    if outcome.status != -signal.SIGKILL and not request.trace:
        traced = BuildRequest(request.onnx, request.plan, request.settings, trace=True)
        outcome = _run(traced, None, lambda: None)
    raise explain_death(request.onnx, outcome)


def explain_death(where: str, outcome: Outcome) -> UnsupportedError:
    """The error for a library that ended its process.

    Args:
        where: the ONNX file.
        outcome: of the process.
    """
    if outcome.status == -signal.SIGKILL:
        return UnsupportedError(
            f"the process that built {where} was killed from outside, most often because memory ran out; close other "
            "programs, or lower --max-batch and --workspace"
        )
    status = outcome.status
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    place = f" at node {outcome.node}" if outcome.node else ""
    last = f" (it last said: {outcome.noise})" if outcome.noise else ""
    return UnsupportedError(
        f"the library crashed on {where}{place}: its process {ended}{last}; the graph is most likely malformed there, "
        f"check it with onnx.checker and export it again"
    )


def _run(request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]) -> Outcome:
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as noise, ours:
        wait = _fork(request, theirs, ours, noise) if _may_fork() else _spawn(request, theirs, noise)
        theirs.close()
        try:
            meanwhile()
            outcome = _listen(ours, progress)
            outcome.status = wait(None)
        except BaseException:
            _end(ours, wait)
            raise
        outcome.noise = _last_line(noise)
    return outcome


def _listen(channel: socket.socket, progress: Progress | None) -> Outcome:
    outcome = Outcome()
    for message in receive(channel):
        kind = message.pop("kind")
        if kind == "progress" and progress:
            progress(message["share"], message["what"])
        elif kind == "note":
            outcome.notes.append(message["text"])
        elif kind == "node":
            outcome.node = message["node"]
        elif kind == "error":
            outcome.error = getattr(errors, message["type"])(message["message"])
        elif kind == "result":
            outcome.result = message
    return outcome


Wait = Callable[[float | None], int]
"""Waits for the process, killing it after so many seconds (None: never); returns its status."""


def _end(channel: socket.socket, wait: Wait) -> None:
    """Cancel the build; TensorRT notices at its next step, and is killed if that takes too long."""
    with suppress(OSError):
        channel.sendall(CANCEL)
    wait(GRACE)


def _may_fork() -> bool:
    """Whether this process has one thread. CUDA, numpy's and torch's libraries all start more."""
    tasks = Path("/proc/self/task")
    return tasks.is_dir() and len(list(tasks.iterdir())) == 1


def _fork(request: BuildRequest, theirs: socket.socket, ours: socket.socket, noise: IO[bytes]) -> Wait:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for stream in (1, 2):
                os.dup2(noise.fileno(), stream)
            serve(request, theirs)
        finally:
            os._exit(0)

    def wait(limit: float | None) -> int:
        end = None if limit is None else time.monotonic() + limit
        while end is not None and time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        if end is not None:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return wait


def _spawn(request: BuildRequest, theirs: socket.socket, noise: IO[bytes]) -> Wait:
    number = theirs.fileno()
    command = [sys.executable, "-m", f"{__package__}.build_worker", str(number), json.dumps(request.document())]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=noise, stderr=noise, pass_fds=[number], start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip

    def wait(limit: float | None) -> int:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    return wait


def _last_line(noise: IO[bytes]) -> str:
    """The last line that the library wrote."""
    size = noise.seek(0, os.SEEK_END)
    noise.seek(max(0, size - 2000))
    lines = noise.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
