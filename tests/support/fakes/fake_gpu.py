"""A machine with a GPU and a fake TensorRT, on which `build` runs whole: its worker is a thread instead of a process."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from fake_library import fake_library
from fake_ways import Crash

from trtzoo.engines.build import builder
from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.build.process import parent
from trtzoo.engines.build.process.worker import answer
from trtzoo.engines.library import cuda_driver, cuda_start
from trtzoo.engines.plans import freshness
from trtzoo.engines.plans import load as plans_load
from trtzoo.engines.plans.manifest import Manifest

GPU = "NVIDIA H100 80GB HBM3 9.0"
VERSIONS = ("8.5.3.1", "8.6.0", "10.0.1", "10.16.1.11", "11.4.0.106")
OLD = ("8.5.3.1", "8.6.0")


class ThreadWorker:
    """What `WorkerProcess` is, in this process; the library's death ends the thread."""

    def __init__(self) -> None:
        self.channel, self._theirs = socket.socketpair()
        self._status = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            answer(self._theirs)
        except Crash:
            self._status = -signal.SIGSEGV
        finally:
            with suppress(OSError):
                self._theirs.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> ThreadWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        self._thread.join()
        self._theirs.close()

    def wait(self) -> int:
        self._thread.join()
        return self._status

    def last_words(self) -> str:
        return ""


def install(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    driver: tuple[int, int] | None = (12, 4),
    cuda: int | None = 12,
    **how: Any,
) -> Any:
    """The machine has this TensorRT, made for this CUDA, and a driver that serves that one; returns the module."""
    module = fake_library(version, **how)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for place in (cuda_driver, freshness, plans_load):
        monkeypatch.setattr(place, "list_gpus", lambda: [GPU])
    for place in (cuda_driver, plans_load):
        monkeypatch.setattr(place, "use_gpu", lambda device: None)
    monkeypatch.setattr(freshness, "installed_version", lambda target: version)
    monkeypatch.setattr(cuda_start, "driver_cuda", lambda: driver)
    monkeypatch.setattr(cuda_start, "cuda_major", lambda target: cuda)
    for room in (builder, parent):
        monkeypatch.setattr(room, "WorkerProcess", ThreadWorker)
    return module


def made(path: Path, settings: BuildSettings = BuildSettings(), **more: Any) -> Manifest:
    """The manifest of the engine of a model, beside it."""
    return build(path, path.with_suffix(".engine"), settings, **more)


def flags_of(path: Path) -> set[str]:
    """The flags that the fake library was given, which it writes into its plans."""
    return set(json.loads(path.with_suffix(".engine").read_bytes()[32:])["flags"])
