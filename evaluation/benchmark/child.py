"""A model in a process of its own, so that memory and loading are the model's alone; it works when it is told to.

The process is a fresh Python, and ends when whoever started it is gone.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ...contract.nms import NmsSettings
from ...engines.runtimes.base import Runtime
from ...errors import TrtZooError, UnsupportedError
from ...graph.session import first_line
from ...graph.weights import Array
from ..models import ModelFacts, describe_model
from ..stages import look
from ..subjects import Subject
from .measure import Turn, best_on, measure_load, measure_throughput, take_turn
from .memory import gpu_mib_of_process, peak_rss_mib
from .results import Best, LoadFigures, Throughput

T = TypeVar("T")
ENDING = 10.0
"""Seconds that a process is given to close its model."""


@dataclass(frozen=True)
class Opened:
    """What is known of a model after its first runs.

    Attributes:
        model: its facts.
        load_seconds: of opening it.
        first_ms: of the first run.
        best: finding on the picture.
        rss_mib: most memory of the process so far.
        gpu_mib: of the process; None where the driver does not see it.
        notes: a sentence each.
    """

    model: ModelFacts
    load_seconds: float
    first_ms: float
    best: Best
    rss_mib: float
    gpu_mib: float | None
    notes: tuple[str, ...]


class Bench:
    """The model inside the process. Its methods are what the process can be told to do."""

    def __init__(self, subject: Subject, picture: Array) -> None:
        self._subject = subject
        self._picture = picture
        self._runtimes: list[Runtime] = []

    def open(self, warm_up: int) -> Opened:
        """Load the model, run it once cold and then warm it up."""
        notes: list[str] = []
        begin = time.perf_counter()
        runtime = self._open(notes.append)
        load = time.perf_counter() - begin
        first = float(take_turn(runtime, self._picture, 1, 0).stages.sum())
        take_turn(runtime, self._picture, 0, warm_up)
        facts = describe_model(self._subject.path, self._subject.label, runtime)
        gpu = None if self._subject.gpu is None else gpu_mib_of_process(self._subject.gpu)
        best = best_on(runtime, self._picture)
        return Opened(facts, round(load, 3), round(1000 * first, 3), best, peak_rss_mib(), gpu, tuple(notes))

    def turn(self, runs: int, warm_up: int) -> Turn:
        """Time the pipeline."""
        return take_turn(self._runtimes[0], self._picture, runs, warm_up)

    def throughput(self, batch: int, streams: int, seconds: float, warm_up: int) -> Throughput:
        """Time the network without a pause."""
        return measure_throughput(self._streams(streams), self._picture, batch, seconds, warm_up)

    def load(self, rate: float, streams: int, seconds: float, warm_up: int) -> LoadFigures:
        """Answer requests that come by the clock, warm."""
        runtimes = self._streams(streams)
        for runtime in runtimes:
            take_turn(runtime, self._picture, 0, warm_up)
        return measure_load([self._answer(runtime) for runtime in runtimes], rate, seconds)

    def close(self) -> None:
        """Free everything."""
        while self._runtimes:
            self._runtimes.pop().close()

    def _answer(self, runtime: Runtime) -> Callable[[], object]:
        settings, pictures = runtime.meta.suppression(NmsSettings()), [self._picture]
        return lambda: look(runtime, pictures, settings)

    def _streams(self, count: int) -> list[Runtime]:
        while len(self._runtimes) < count:
            self._open(str)
        return self._runtimes[:count]

    def _open(self, note: Callable[[str], object]) -> Runtime:
        self._runtimes.append(self._subject.open(note))
        return self._runtimes[-1]


class Child:
    """The process as whoever started it sees it. Used as a context, it is ended when the context is left."""

    def __init__(self, subject: Subject, picture: Array) -> None:
        context = multiprocessing.get_context("spawn")
        self.subject = subject
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, subject, picture), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()
        self._process.join(ENDING)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Have it do a method of `Bench`, and wait.

        Raises:
            TrtZooError: as the method does; also for a process that ended or failed.
        """
        try:
            self._channel.send((work.__name__, arguments))
            fine, answer = self._channel.recv()
        except (EOFError, OSError) as error:
            self._process.join(ENDING)
            raise UnsupportedError(
                f"{self.subject.label}: its process ended (status {self._process.exitcode}) while it was measured; if it ran out "
                "of memory, choose a smaller batch, --img-size or fewer --streams"
            ) from error
        if not fine:
            raise answer
        done: T = answer
        return done


def _serve(channel: Connection, subject: Subject, picture: Array) -> None:
    """Do what is asked for until the other end is closed; Ctrl-C is for the other end, which then closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bench = Bench(subject, picture)
    while True:
        try:
            name, arguments = channel.recv()
        except EOFError:
            bench.close()
            return
        try:
            answer = True, getattr(bench, name)(*arguments)
        except TrtZooError as error:
            answer = False, error
        except Exception as error:  # libraries' own classes may be unknown at the other end
            text = f"{subject.label} failed while it was measured: {type(error).__name__}: {first_line(error)}"
            answer = False, UnsupportedError(text)
        channel.send(answer)
