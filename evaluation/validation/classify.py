"""A classifier over folders of classes: top-1 and top-5."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.nms import NmsSettings
from ...data.datasets.truth import Dataset
from ...engines.pictures.sources import read_picture
from ...engines.runtimes.base import Runtime
from ...graph.weights import Array
from ..stages import look
from .results import Accuracy, Speed
from .run import Clock, Track, ValSettings, chunks


@dataclass(frozen=True)
class ClassRun:
    """What is known of a classifier after some pictures.

    Attributes:
        right: bool [N, 2]: the best class is right, one of the best five is.
        confusion: counts [C, C] of what (row) was said of what (column).
        speed: by stage.
        interrupted: by Ctrl-C.
    """

    right: Array
    confusion: Array
    speed: Speed
    interrupted: bool

    @property
    def accuracy(self) -> Accuracy:
        """Over all pictures."""
        shares = self.right.mean(axis=0) if len(self.right) else np.zeros(2)
        return Accuracy(float(shares[0]), float(shares[1]))


def run_classifier(runtime: Runtime, dataset: Dataset, wanted: ValSettings, track: Track[Any]) -> ClassRun:
    """Look at every picture; Ctrl-C ends it with what was done so far.

    Raises:
        InputError: a picture cannot be read, or the model knows none of the classes.
    """
    number_of = dataset.number_of(runtime.meta.names, runtime.meta.source or "the model")
    settings = runtime.meta.suppression(NmsSettings())
    clock, start, right, interrupted = Clock(), time.perf_counter(), [], False
    confusion = np.zeros((len(dataset.names) + 1, len(dataset.names)), np.int64)
    samples = track(dataset.samples, len(dataset.samples), "evaluating")
    try:
        for chunk in chunks(samples, runtime.meta.batch or wanted.batch):
            looked = look(runtime, [read_picture(sample.path) for sample in chunk], settings)
            begin = time.perf_counter()
            for sample, found in zip(chunk, looked.found, strict=True):
                best = number_of[np.argsort(-_probabilities(found.probs), kind="stable")[:5]]
                right.append([best[0] == sample.label, sample.label in best])
                confusion[best[0], sample.label] += 1
            clock.add(looked.seconds, time.perf_counter() - begin, len(chunk))
    except KeyboardInterrupt:
        interrupted = True
    table = np.array(right, bool).reshape(-1, 2)
    return ClassRun(table, confusion, clock.speed(time.perf_counter() - start), interrupted)


def _probabilities(values: Array | None) -> Array:
    return np.zeros(1) if values is None else values
