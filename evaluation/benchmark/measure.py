"""Time one model: stage by stage, without a pause, and under requests that come by the clock."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...contract.nms import NmsSettings
from ...engines.runtimes.base import Runtime
from ...graph.weights import Array
from ..stages import fill, look
from .results import Best, LoadFigures, Throughput
from .statistics import times_of

PATIENCE = 3.0
"""How many times the measured time a saturated model is given to answer."""


@dataclass(frozen=True)
class Turn:
    """Seconds of each run of a turn.

    Attributes:
        stages: [N, 3] as `stages.STAGES`.
        gpu: [N] between CUDA events; empty where the runtime does not tell.
    """

    stages: Array
    gpu: Array


def take_turn(runtime: Runtime, picture: Array, runs: int, warm_up: int) -> Turn:
    """Run the whole pipeline `warm_up` times without and then `runs` times with a clock, on one batch of the picture."""
    settings = runtime.meta.suppression(NmsSettings())
    pictures = [picture] * (runtime.meta.batch or 1)
    for _ in range(warm_up):
        look(runtime, pictures, settings)
    stages, gpu = [], []
    for _ in range(runs):
        stages.append(look(runtime, pictures, settings).seconds)
        gpu.append(runtime.gpu_seconds)
    return Turn(np.array(stages, float).reshape(-1, 3), np.array([value for value in gpu if value is not None]))


def best_on(runtime: Runtime, picture: Array) -> Best:
    """The best finding, by the model's own thresholds."""
    pictures = [picture] * (runtime.meta.batch or 1)
    found = look(runtime, pictures, runtime.meta.suppression(NmsSettings())).found[0]
    if found.probs is not None:
        number = int(found.probs.argmax())
        return Best(round(float(found.probs[number]), 4), runtime.meta.names[number], 1)
    if not len(found):
        return Best(None, "", 0)
    row = int(found.scores.argmax())
    name = runtime.meta.names[int(found.classes[row])]
    return Best(round(float(found.scores[row]), 4), name, len(found))


def measure_throughput(
    runtimes: Sequence[Runtime], picture: Array, batch: int, seconds: float, warm_up: int
) -> Throughput:
    """Let the networks run side by side, a thread each, on batches of the prepared picture.

    Args:
        runtimes: the same model, opened once for each stream.
        picture: [H, W, 3].
        batch: pictures a run.
        seconds: for how long.
        warm_up: runs of each beforehand.
    """
    images = np.repeat(fill(runtimes[0], [picture])[0][:1], batch, axis=0)
    ready = threading.Barrier(len(runtimes))

    def work(runtime: Runtime) -> tuple[float, float, list[float]]:
        for _ in range(warm_up):
            runtime.infer(images)
        ready.wait()
        begin = clock = time.perf_counter()
        spent = []
        while clock - begin < seconds:
            runtime.infer(images)
            clock, before = time.perf_counter(), clock
            spent.append(clock - before)
        return begin, clock, spent

    with ThreadPoolExecutor(len(runtimes)) as pool:
        done = list(pool.map(work, runtimes))
    rate = sum(len(spent) * batch / (end - begin) for begin, end, spent in done)
    return Throughput(batch, len(runtimes), round(rate, 2), times_of([value for *_, spent in done for value in spent]))


def measure_load(answers: Sequence[Callable[[], object]], rate: float, seconds: float) -> LoadFigures:
    """Requests that arrive `rate` times a second, answered in their order by whichever stream is free.

    Times count from when a request should arrive, not from when it was taken up, so that a slow answer delays those that wait
    behind it and they say so ("coordinated omission" is what leaving that out is called; G. Tene).

    Args:
        answers: each answers one request, in a thread of its own.
        rate: requests a second.
        seconds: for how long they arrive.
    """
    count = max(1, round(rate * seconds))
    numbers, begin = itertools.count(), time.perf_counter() + 0.05
    end = begin + PATIENCE * seconds

    def work(answer: Callable[[], object]) -> list[tuple[float, float, float]]:
        done = []
        while (number := next(numbers)) < count:
            arrival = begin + number / rate
            time.sleep(max(0.0, arrival - time.perf_counter()))
            taken = time.perf_counter()
            if taken > end:
                break
            answer()
            done.append((arrival, taken, time.perf_counter()))
        return done

    with ThreadPoolExecutor(len(answers)) as pool:
        rows = np.array([row for part in pool.map(work, answers) for row in part]).reshape(-1, 3)
    arrivals, taken, done = rows.T
    return LoadFigures(
        rate,
        len(answers),
        count,
        len(rows),
        round(len(rows) / float(done.max() - begin), 2),
        times_of(done - arrivals),
        times_of(taken - arrivals),
    )
