"""A process of its own that waits for a request.

It is forked where that is safe, which is in a process of one thread that has not touched a GPU, such as the command line's;
anywhere else a fresh Python is started, which takes some 60 ms longer.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO

from .messages import CANCEL

GRACE = 5.0
"""Seconds that a cancelled process is given to end by itself."""

Wait = Callable[[float | None], int]
"""Waits for the process, killing it after so many seconds (None: never); returns its status."""


class WorkerProcess:
    """A started process. Used as a context, it is ended when the context is left.

    Attributes:
        channel: to talk with it (`messages`).
    """

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        self._noise = _unnamed_file()
        start = _fork if _may_fork() else _spawn
        self._wait = start(theirs, self.channel, self._noise)
        self._status: int | None = None
        theirs.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> int:
        """How it ended: 0, an exit code, or minus the number of a signal. Waits until it has."""
        if self._status is None:
            self._status = self._wait(None)
        return self._status

    def close(self) -> None:
        """End it, if it has not ended: TensorRT notices at its next step, and is killed if that takes too long."""
        with suppress(OSError):
            self.channel.sendall(CANCEL)
        self.channel.close()
        if self._status is None:
            self._status = self._wait(GRACE)
        self._noise.close()

    def last_words(self) -> str:
        """The last line that the library wrote to the terminal."""
        size = self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, size - 2000))
        lines = self._noise.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _serve(channel: socket.socket) -> None:
    """What the process does."""
    from .worker import answer

    answer(channel)


def _may_fork() -> bool:
    """Whether this process has one thread and no CUDA, which does not survive a fork. numpy's and torch's libraries start threads."""
    from ...library.cuda_driver import is_started

    if is_started():
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - pathlib is not needed for this
    except OSError:
        return False


def _unnamed_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("noise"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _fork(theirs: socket.socket, ours: socket.socket, noise: IO[bytes]) -> Wait:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for stream in (1, 2):
                os.dup2(noise.fileno(), stream)
            _serve(theirs)
        finally:
            os._exit(0)

    def wait(limit: float | None) -> int:
        end = None if limit is None else time.monotonic() + limit
        while end is not None and time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        if end is not None:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return wait


def _spawn(theirs: socket.socket, ours: socket.socket, noise: IO[bytes]) -> Wait:
    import subprocess

    number = theirs.fileno()
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.worker_process", str(number)],
        stdin=subprocess.DEVNULL, stdout=noise, stderr=noise, pass_fds=[number], start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip

    def wait(limit: float | None) -> int:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    return wait


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
