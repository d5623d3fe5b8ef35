"""Models side by side: each in its own process, taking turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ...engines.pictures.sources import read_picture
from ...errors import TrtZooError
from ...graph.weights import Array
from ..environment import describe_environment
from ..stages import STAGES
from ..subjects import Subject, scale_of
from .child import Bench, Child, Opened
from .measure import Turn
from .memory import cpu_clock, gpu_clock, gpu_mib_in_use
from .results import (
    END_TO_END,
    BenchResults,
    BenchSettings,
    Clocks,
    LoadFigures,
    Memory,
    ModelBench,
    Throughput,
    Times,
)
from .statistics import relative_to, times_of

RESULTS = "bench.json"
SIZE = (720, 1280)
"""Height and width of the picture that is made where none is given."""

Track = Callable[[Iterable[int], int, str], Iterator[int]]
"""Shows progress: numbers, how many, what is done."""


class _Measured:
    """A model and what has been measured of it."""

    def __init__(self, child: Child, opened: Opened, memory: Memory) -> None:
        self.child, self.opened, self.memory = child, opened, memory
        self.turns: list[Turn] = []
        self.throughput: list[Throughput] = []
        self.load: LoadFigures | None = None
        self.notes = list(opened.notes)

    def end_to_end(self) -> list[Array]:
        """Seconds of each run, by turn."""
        return [turn.stages.sum(axis=1) for turn in self.turns]

    def times(self) -> dict[str, Times]:
        """By stage, and all together."""
        stages = np.concatenate([turn.stages for turn in self.turns])
        columns = {name: stages[:, number] for number, name in enumerate(STAGES)}
        return {name: times_of(seconds) for name, seconds in (columns | {END_TO_END: stages.sum(axis=1)}).items()}


def benchmark(subjects: Sequence[Subject], source: Path | None, settings: BenchSettings, track: Track) -> BenchResults:
    """Measure models.

    Every model is opened once, in a process of its own, and warmed up; then they take turns, so that what else the machine
    does hits all of them. Nothing cold is counted: a turn begins with a run that is not timed.

    Args:
        subjects: the models.
        source: picture to look at, None for a made one.
        settings: how.
        track: shows progress.

    Raises:
        TrtZooError: a model cannot be opened or run.
    """
    picture = read_picture(source) if source else made_picture()
    with ExitStack() as stack:
        models = [_open(stack, one, picture, settings) for one in subjects]
        clocks = _take_turns(models, settings, track)
        for one in models:
            _measure_throughput(one, settings)
        for one in models:
            _measure_load(one, settings)
    return BenchResults(
        describe_environment(),
        settings,
        f"{source.name if source else 'made (seed 0)'}, {picture.shape[1]} x {picture.shape[0]}",
        clocks,
        tuple(_results(one, models[0]) for one in models),
    )


def made_picture() -> Array:
    """Blobs of colour uint8 [H, W, 3], the same every time."""
    from ...opencv import cv2

    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    made: Array = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return made


def _open(stack: ExitStack, subject: Subject, picture: Array, settings: BenchSettings) -> _Measured:
    gpu = subject.gpu
    before = None if gpu is None else gpu_mib_in_use(gpu)
    child = stack.enter_context(Child(subject, picture))
    opened = child.do(Bench.open, settings.warm_up)
    return _Measured(child, opened, _memory(opened, gpu, before))


def _memory(opened: Opened, gpu: int | None, before: float | None) -> Memory:
    if opened.gpu_mib is not None:
        return Memory(opened.rss_mib, opened.gpu_mib, "process")
    after = None if gpu is None else gpu_mib_in_use(gpu)
    if before is None or after is None:
        return Memory(opened.rss_mib, None, "unknown")
    return Memory(opened.rss_mib, round(after - before, 1), "device")


def _take_turns(models: Sequence[_Measured], settings: BenchSettings, track: Track) -> Clocks:
    """Time the models by turns, another one first each time."""
    cpu, gpu = [], []
    rounds = math.ceil(settings.runs / settings.chunk)
    for number in track(range(rounds), rounds, "measuring"):
        runs = min(settings.chunk, settings.runs - number * settings.chunk)
        first = number % len(models)
        for one in [*models[first:], *models[:first]]:
            one.turns.append(one.child.do(Bench.turn, runs, 1))
            cpu.append(cpu_clock())
            gpu.append(None if one.child.subject.gpu is None else gpu_clock(one.child.subject.gpu))
    return Clocks(_range(cpu), _range(gpu))


def _range(values: Sequence[int | None]) -> tuple[int, int] | None:
    there = [value for value in values if value is not None]
    return (min(there), max(there)) if there else None


def _measure_throughput(one: _Measured, settings: BenchSettings) -> None:
    fixed = one.opened.model.batch
    sizes = settings.batch_sizes if fixed is None else (fixed,)
    left_out = [size for size in settings.batch_sizes if size not in sizes]
    if left_out:
        one.notes.append(f"takes batches of {fixed} only, so not of {', '.join(map(str, left_out))}")
    for size in sizes:
        try:
            figures = one.child.do(Bench.throughput, size, settings.streams, settings.seconds, settings.warm_up)
        except TrtZooError as error:
            one.notes.append(f"no throughput at a batch of {size}: {error}")
            continue
        one.throughput.append(figures)


def _measure_load(one: _Measured, settings: BenchSettings) -> None:
    if settings.rate is None:
        return
    one.load = one.child.do(Bench.load, settings.rate, settings.streams, settings.seconds, settings.warm_up)


def _results(one: _Measured, first: _Measured) -> ModelBench:
    gpu = np.concatenate([turn.gpu for turn in one.turns])
    label = first.child.subject.label
    return ModelBench(
        one.opened.model,
        scale_of(one.child.subject.label)[1],
        one.opened.model.batch or 1,
        one.opened.load_seconds,
        one.opened.first_ms,
        one.times(),
        times_of(gpu) if len(gpu) else None,
        None if one is first else relative_to(first.end_to_end(), one.end_to_end(), label),
        tuple(one.throughput),
        one.load,
        one.memory,
        one.opened.best,
        tuple(one.notes),
    )
